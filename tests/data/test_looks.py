"""What columns are told to be by their values, and how these are read."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest

from sanitize.data import stored, written
from sanitize.data.looks import look_at
from sanitize.data.recipe import read_arrays
from tests.data.pictures import encoded

DRAW = np.random.default_rng(0)
PIXELS = DRAW.integers(0, 256, (20, 9, 8, 3)).astype(np.uint8)


def column(values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


def look(values, kind=None, root=None):
    made = column(values, kind)
    return look_at(made.type, made, root)


def lists(values, kind):
    for _ in range(values.ndim - 1):
        kind = pa.list_(kind)
    return pa.array(values.tolist(), kind)


def npy(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("values", "kind", "how", "shape", "words"),
    [
        (
            lists(PIXELS, pa.uint8()),
            "image",
            "nested",
            (9, 8, 3),
            "20 of 20 rows looked at have 9 x 8 x 3 numbers",
        ),
        (lists(np.moveaxis(PIXELS, 3, 1), pa.int64()), "image", "nested", (3, 9, 8), "pictures"),
        (lists(PIXELS[..., 0] / 255, pa.float64()), "image", "nested", (9, 8), "within 0..1: pictures"),
        (lists(PIXELS[..., 0] - 300.0, pa.float64()), "vector", "nested", (9, 8), "have 9 x 8 numbers"),
        (lists(PIXELS[:, :3, :3, 0], pa.uint8()), "vector", "nested", (3, 3), "have 3 x 3 numbers"),
        ([json.dumps(row.tolist()) for row in PIXELS[:, 0, 0]], "vector", "json", (3,), "vectors written as text"),
        ([npy(row) for row in PIXELS], "image", "npy", (9, 8, 3), "begin as NumPy arrays"),
        ([npy(np.array([{}], object)) for _ in range(20)], None, "npy", (0,), ""),
        ([list(range(row % 5)) for row in range(20)], None, "", (4,), "numbers of 5 shapes"),
        (
            [b"\x00\x01"] * 20,
            None,
            "",
            (),
            "0 of 20 rows looked at begin as an image; another begins with b'\\x00\\x01'",
        ),
        ([encoded()] * 11 + [b"x"] * 9, "image", "", (), "11 of 20 rows looked at begin as PNG"),
        ([f"{row}.5" for row in range(20)], "number", "number", (), "such as 3.14"),
        ([f"2024-01-{row + 10}" for row in range(20)], "date", "date", (), "year-month-day"),
        ([f"a{row}.PNG" for row in range(20)], None, "", (), "--image-root FOLDER opens them"),
    ],
)
def test_looks(values, kind, how, shape, words):
    found = look(values)
    assert (found.kind, found.how if kind else how, found.shape if kind else shape) == (kind, how, shape)
    assert words in found.words


def test_arrays_are_read_as_they_were_written():
    shape = PIXELS.shape[1:]
    for values, how in ((lists(PIXELS, pa.uint8()), "nested"), ([npy(row) for row in PIXELS], "npy")):
        read, bad = stored.arrays(column(values), how, shape)
        assert np.array_equal(read, PIXELS) and not bad
    read, bad = stored.arrays(column([json.dumps(row.tolist()) for row in PIXELS]), "json", shape)
    assert np.array_equal(read, PIXELS) and not bad


def test_rows_that_are_no_arrays_of_the_shape():
    values = [[[1, 2], [3, 4]], None, [[1, 2]], [[1, 2], [3]], [[5, 6], [7, None]]]
    read, bad = read_arrays(column(values), "nested", (2, 2))
    assert read.tolist() == [[1, 2, 3, 4], [0] * 4, [0] * 4, [0] * 4, [0] * 4]
    assert set(bad) == {1, 2, 3, 4}
    assert bad[2] == "has 1 x 2 numbers, others have 2 x 2"
    assert bad[3] == "has 2 x several numbers, others have 2 x 2"
    assert "value 3 is nan" in bad[4]


def test_vectors_of_spark_by_hand():
    kind = pa.struct(
        [
            ("type", pa.int8()),
            ("size", pa.int32()),
            ("indices", pa.list_(pa.int32())),
            ("values", pa.list_(pa.float64())),
        ]
    )
    rows = [(0, 3, [1], [5.0]), (1, None, None, [1.0, 2.0, 3.0]), (0, 3, [7], [1.0]), (0, 4, [], []), (0, 3, [], [])]
    names = ("type", "size", "indices", "values")
    read, bad = stored.arrays(column([dict(zip(names, row, strict=True)) for row in rows], kind), "spark", (3,))
    assert read.tolist() == [[0, 5, 0], [1, 2, 3], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert set(bad) == {2, 3}  # a place beyond the vector, and another length


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("[1, 2.5]", [1, 2.5]), ("{1,2}", [1, 2]), ("[1. 2.\n 3.]", [1, 2, 3]), ("1 " * 8, [1] * 8),
        ("0.1,0.2,0.3", [0.1, 0.2, 0.3]), ("555 123 4567", None), ("[7]", None), ("2024-01-31", None), ("", None),
        ("[a, b]", None), ("192.168.0.1", None), ("[" * 9999, None),
    ],
)  # fmt: skip
def test_vectors_in_text(text, numbers):
    found = written.numbers(text)
    assert (None if found is None else found.tolist()) == numbers
    assert written.shape(text) == (None if numbers is None else (len(numbers),))


@pytest.mark.parametrize(
    ("values", "form", "numbers"),
    [
        (["3.14", "-2e3", "NA", ""], "such as 3.14", [3.14, -2000, None, None]),
        (["1,234", "12%", "$5.50"], "such as 1,234.5 or 12%", [1234, 12, 5.5]),
        (["3,14", "1.234,5", "0,125"], "with a comma before the decimals", [3.14, 1234.5, 0.125]),
        (["1970-01-02", "1970-01-01T12:00:00Z"], "year-month-day", [1, 0.5]),
        (["02.01.1970", "31.01.1970"], "day.month.year", [1, 30]),
        (["02/01/1970", "31/01/1970", "05/01/1970"], "day/month/year", [1, 30, 4]),
        (["01/02/1970", "01/31/1970", "01/05/1970"], "month/day/year", [1, 30, 4]),
    ],
)
def test_numbers_and_dates_in_text(values, form, numbers):
    how = "number" if form in {one.words for one in written.NUMBERS} else "date"
    assert written.commonest([value for value in values if value], how)[0].words == form
    read, bad = written.scalars([*values, "odd"], form)
    assert read.to_pylist() == [*numbers, None]
    assert list(bad) == [len(values)] and "'odd'" in bad[len(values)]


@pytest.mark.parametrize("text", ["data:image/png;base64,{}", "{}", "\n{}\n"])
def test_pictures_in_text(text):
    import base64

    blob = encoded(size=(40, 40))
    packed = base64.encodebytes(blob).decode()
    value = text.format(packed)
    assert written.unpacked(value, "base64") == blob
    assert written.head(value, "base64").startswith(b"\x89PNG")
    assert written.unpacked("\\x" + blob.hex(), "hex") == written.unpacked("0x" + blob.hex().upper(), "hex") == blob
    assert written.unpacked("no base64!", "base64") == b""
