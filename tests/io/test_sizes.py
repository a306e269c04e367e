"""Batches are of one size in memory, whatever the rows take in the file; a row that takes too much is refused."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.errors import BadInput
from sanitize.io import pages, sizes
from sanitize.io.layout import parquet
from sanitize.io.sizes import Sizing, Steep, read_batches, refuse_large, sizing_of
from sanitize.io.thrift import I64, dump, parse, read_footer

MIB = 1 << 20


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch):
    """A 64th of the real ones, so that the files can be small."""
    for name in ("BATCH_BYTES", "STEEP_BYTES", "VALUE_BYTES"):
        monkeypatch.setattr(sizes, name, getattr(sizes, name) // 64)


def written(table, **settings):
    file = io.BytesIO()
    pq.write_table(table, file, **settings)
    return file


def batches_of(file):
    with parquet(file) as opened:
        sizing = sizing_of(file, opened.metadata, opened.schema_arrow, "in")
        yield from read_batches(opened, sizing)


def zeros(rows, width):
    return pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(rows * width, np.float32)), width)


def lists(lengths):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.zeros(int(offsets[-1]), np.float32)))


TEXT = "once upon a time " * 64  # 1 KiB
FILES = {
    "vectors of zeros": pa.table({"v": zeros(4000, 100)}),
    "lists of zeros": pa.table({"v": lists(np.full(1000, 400))}),
    "empty lists, then long ones": pa.table({"v": lists(np.concatenate([np.zeros(2000, int), np.full(50, 10**4)]))}),
    "one text": pa.table({"t": [TEXT] * 3000}),
    "texts of a dictionary of bytes": pa.table({"t": pa.array([f"{n % 9}{TEXT}".encode() for n in range(3000)])}),
    "lists of one text": pa.table({"t": pa.array([[TEXT] * 3] * 1000)}),
    "structs of one text": pa.table({"t": pa.array([{"a": {"b": TEXT}}] * 2000)}),
    "maps of one text": pa.table({"t": pa.array([[("k", TEXT)]] * 2000, pa.map_(pa.string(), pa.string()))}),
}


@pytest.mark.parametrize("name", FILES)
def test_no_batch_is_larger_than_it_may_be(name):
    table = FILES[name]
    file = written(table, row_group_size=1 << 20)
    assert len(file.getvalue()) < table.nbytes / 20
    read = list(batches_of(file))
    rows = 1 + max(table.slice(0, 1).nbytes, table.slice(len(table) - 1).nbytes)
    assert max(batch.nbytes for batch in read) <= sizes.BATCH_BYTES + rows
    assert sum(batch.num_rows for batch in read) == len(table)
    assert len(read) <= 2 * table.nbytes / sizes.BATCH_BYTES + 2


def test_plain_texts_made_small_by_compression_are_read_with_care():
    texts = ["a"] * 2000 + ["b" * 20_000] * 100
    file = written(pa.table({"t": texts}), use_dictionary=False, compression="zstd", row_group_size=1 << 20)
    assert len(file.getvalue()) < MIB // 8
    assert max(batch.nbytes for batch in batches_of(file)) < 2 * sizes.BATCH_BYTES


def test_files_that_do_not_grow_are_read_as_by_the_footers_sizes():
    draw = np.random.default_rng(0)
    table = pa.table(
        {"v": pa.array(list(draw.normal(size=(3000, 200)).astype(np.float32))), "t": draw.bytes(3000).hex(" ").split()}
    )
    file = written(table)
    with parquet(file) as opened:
        size = opened.metadata.row_group(0).total_byte_size
        assert sizing_of(file, opened.metadata, opened.schema_arrow, "in") == Sizing(sizes.BATCH_BYTES * 3000 // size)


def test_columns_that_are_not_read_do_not_count():
    sizing = Sizing(1000, (Steep(0, "a", 10), Steep(0, "b", 1), Steep(2, "a", 5)))
    assert [sizing.of(0, ["a"]), sizing.of(0, None), sizing.of(1, None), sizing.of(2, ["a", "c"])] == [10, 1, 1000, 5]
    assert (sizing.careful(["c"]), sizing.careful(["a"]), sizing.careful(None)) == (False, True, True)


def test_a_row_that_takes_too_much_is_refused_with_its_size():
    file = written(pa.table({"t": ["a" * 3 * MIB] * 2}), row_group_size=1)
    with pytest.raises(
        BadInput, match=r"in: column 't', row group 0: 1 rows take \d+ bytes in memory; one row may take 1048576"
    ):
        list(batches_of(file))
    batch = pa.RecordBatch.from_pydict({"t": ["b", "a" * 2 * MIB]})
    with pytest.raises(BadInput, match=r"in: row 8 takes 2097\d+ bytes in memory; one row may take 1048576; split it"):
        refuse_large(batch, 7, "in")
    refuse_large(batch.slice(0, 1), 7, "in")


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_a_page_that_takes_too_much_is_refused_with_its_size(monkeypatch, version, dictionary):
    """Pages are read as a whole: 16 MiB of text in one page, or in a dictionary, or in pages of 1 MiB."""
    monkeypatch.setattr(sizes, "PAGE_BYTES", 4 * MIB)
    monkeypatch.setattr(pages, "PAGE_BYTES", 4 * MIB)
    table = pa.table({"n": range(4000), "t": [f"{n} {'a' * 4096}" for n in range(4000)]})
    settings = {"compression": "zstd", "data_page_version": version, "use_dictionary": dictionary}
    large = written(table, data_page_size=1 << 28, dictionary_pagesize_limit=1 << 28, write_batch_size=4000, **settings)
    said = r"in: column 't', row group 0: a page takes 164\d{5} bytes in memory and is read as a whole; a page may"
    with pytest.raises(BadInput, match=said):
        list(batches_of(large))
    small = written(table, data_page_size=MIB, write_batch_size=64, **settings)
    assert sum(batch.num_rows for batch in batches_of(small)) == 4000


@pytest.mark.parametrize(
    ("header", "said"),
    [(b"\xff" * 64, "header at byte 4 is damaged"), (b"\x15\x00\x00", "at byte 4 has no size"), (b"", "is damaged")],
)
def test_damaged_page_headers(header, said):
    with pytest.raises(BadInput, match=f"f, column 'a'.*{said}.*write the file again"):
        pages.refuse_large_page(io.BytesIO(b"PAR1" + header), 4, 1000, "f, column 'a'")


def test_a_footer_whose_row_groups_lack_columns_is_damaged():
    good, other = written(pa.table({"a": [1], "b": [2]})), written(pa.table({"a": [1]}))
    footers = [parse(read_footer(file)[1]) for file in (good, other)]
    footers[0].put(4, *footers[1].fields[4])
    content = dump(footers[0])
    mixed = io.BytesIO(content + len(content).to_bytes(4, "little") + b"PAR1")
    with parquet(good) as opened, pytest.raises(BadInput, match="a row group has 1 columns in place of 2"):
        sizing_of(mixed, opened.metadata, opened.schema_arrow, "x")


def test_a_footer_whose_counts_differ_is_refused():
    file = written(pa.table({"n": range(120), "l": [[1, 2]] * 120}), row_group_size=40)
    content = file.getvalue()
    start, footer = read_footer(io.BytesIO(content))
    changed = parse(footer)
    changed.get(4).values[1].put(3, I64, 30)  # rows of the second group
    changed.put(3, I64, 110)
    tail = dump(changed)
    other = io.BytesIO(content[:start] + tail + len(tail).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(BadInput, match=r"column 'n', row group 1: has 40 values, but the footer says .* has 30 rows"):
        list(batches_of(other))
    assert sum(batch.num_rows for batch in batches_of(file)) == 120
