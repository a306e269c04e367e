"""A YAML file of parameters, however hostile: plain values, or one message in little time and memory."""

import os

import pytest

from sanitize.config.yaml_file import BYTES, VALUES, read_yaml
from sanitize.errors import BadParams

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b"", None),
        ("\ufeffseed: 3\n".encode(), {"seed": 3}),
        ("seed: 3\n".encode("utf-16"), {"seed": 3}),
        (b'{"seed": 3}', {"seed": 3}),
        (b"a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n", {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}),
    ],
)
def test_what_people_write_is_read(tmp_path, text, values):
    (tmp_path / "p.yaml").write_bytes(text)
    assert read_yaml(tmp_path / "p.yaml") == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            b"seed: 1\nispl: {}\nseed: 2\n",
            "p.yaml: line 3: 'seed' stands there twice, in line 1 before; keep one of them",
        ),
        (b"a: {b: 1, b: 1}\n", "p.yaml: line 1: 'b' stands there twice, in line 1 before"),
        (b"a: " + b"[" * 30 + b"]" * 30, "p.yaml: line 1: is nested too deeply; at most 20 levels are read"),
        (b"a: " + b"[" * 9000 + b"]" * 9000, "p.yaml: is nested too deeply"),
        (BOMB.encode(), f"p.yaml: has more than {VALUES:,} values, those that aliases repeat among them"),
        (b"a: &a [*a]\n", "is nested too deeply"),
        (b"a: !!python/object/apply:os.system [touch x]\n", "p.yaml: is not YAML"),
        (b"a: " + b"9" * 5000, "p.yaml: holds a value that cannot be read: Exceeds the limit"),
        (b"a: 2024-13-45\n", "p.yaml: holds a value that cannot be read: month must be in 1..12"),
        (b"a: \xff\n", "p.yaml: cannot be read (unacceptable character #x00ff"),
        (b"a: 1\0\n", "p.yaml: cannot be read (unacceptable character"),
        (b"a: 1\n---\na: 2\n", "p.yaml: is not YAML: expected a single document"),
        (b"? [1]\n: 2\n", "p.yaml: is not YAML"),
        (b"#" * (BYTES + 1), f"p.yaml: has more than {BYTES:,} bytes"),
        (b"a:\n\tb: 1\n", "p.yaml: is not YAML"),
    ],
)
def test_what_is_odd_is_refused(tmp_path, text, message):
    (tmp_path / "p.yaml").write_bytes(text)
    with pytest.raises(BadParams) as refused:
        read_yaml(tmp_path / "p.yaml")
    assert str(tmp_path / message) in str(refused.value) or message in str(refused.value)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500


def test_only_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path, kind in (
        (tmp_path / "pipe", "is a named pipe"),
        (tmp_path, "is a folder"),
        (tmp_path / "none", "no such file"),
        (tmp_path / "loop", "cannot be looked at"),
    ):
        with pytest.raises(BadParams, match=kind):
            read_yaml(path)
