"""idx files."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from sanitize.data.idx import read_idx
from sanitize.errors import BadInput

HEADER = b"\x00\x00\x08\x02" + struct.pack(">II", 2, 3)


def test_by_hand(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(HEADER + bytes([1, 2, 3, 4, 5, 6]))
    (tmp_path / "a.gz").write_bytes(gzip.compress(HEADER + bytes([1, 2, 3, 4, 5, 6])))
    for name in ("a", "a.gz"):
        array = read_idx(tmp_path / name)
        assert array.dtype == np.uint8
        assert array.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no idx file of unsigned bytes"),
        (b"PK\x03\x04abc", "is no idx file of unsigned bytes"),
        (b"\x00\x00\x0d\x01" + struct.pack(">I", 0), "is no idx file of unsigned bytes"),
        (HEADER[:9], "is no idx file of unsigned bytes"),
        (HEADER + bytes(5), "has 5 bytes of data; its header asks for 6; fetch it again"),
        (HEADER + bytes(7), "has 7 bytes of data; its header asks for 6"),
        (b"\x00\x00\x08\x02" + b"\xff" * 8, "its header asks for 18446744065119617025"),
    ],
)
def test_damaged(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(BadInput, match=message):
        read_idx(tmp_path / "f")
    (tmp_path / "f.gz").write_bytes(gzip.compress(content)[:-9])
    with pytest.raises(BadInput, match="cannot be read"):
        read_idx(tmp_path / "f.gz")
