"""The user's own keys, reasons beside rejected rows, and groups that are kept."""

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.data.shards import find_shards
from sanitize.errors import BadInput
from sanitize.overrides import read_overrides
from sanitize.row_ids import RowIds, as_texts
from tests import small


def run(*words):
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A file whose column id holds "row N", filtered with --id-column and --reasons."""
    folder = tmp_path_factory.mktemp("ids")
    source = small.vector_file(folder / "in.parquet")
    quick = ("--params", small.quick_file(folder / "quick.yaml", engine="inline"), "--quiet")
    places = ("--rejected", folder / "rejected", "--manifest", folder / "manifest")
    done = run("filter", source, folder / "kept", *places, "--id-column", "id", "--reasons", *quick)
    assert done.exit_code == 0, done.output
    return folder, quick


def review(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_the_manifest_repeats_the_keys(judged):
    folder, _ = judged
    given, manifest = pq.read_table(folder / "in.parquet"), pq.read_table(folder / "manifest")
    assert manifest.column_names[-1] == "id" and manifest["id"].to_pylist() == given["id"].to_pylist()


def test_rejected_rows_carry_their_reasons(judged):
    folder, _ = judged
    rejected, manifest = pq.read_table(folder / "rejected"), pq.read_table(folder / "manifest").to_pandas()
    dropped = manifest[~manifest.keep]
    assert rejected.column_names[-3:] == ["reason", "group", "suspicion"]
    for name in ("reason", "group", "suspicion", "id"):
        assert rejected[name].to_pylist() == list(dropped[name])
    assert dropped["group"].str.match("G[1-9]").all()
    assert "reason" not in pq.read_schema(folder / "kept").names


def test_reviews_name_rows_by_key(judged, tmp_path):
    """In one go or afterwards; a key beside file and row must be that row's."""
    folder, quick = judged
    decided = review(tmp_path / "review.csv", "id,verdict,note,row\nrow 6,drop,odd,\nrow 9,drop,,9\n")
    after = run("apply", folder / "in.parquet", tmp_path / "a", "--manifest", folder / "manifest",
                "--overrides", decided)  # fmt: skip
    assert after.exit_code == 0, after.output
    places = ("--manifest", tmp_path / "m", "--id-column", "id", "--overrides", decided)
    assert run("filter", folder / "in.parquet", tmp_path / "b", *places, *quick).exit_code == 0
    kept = pq.read_table(tmp_path / "a")["id"].to_pylist()
    assert kept == pq.read_table(tmp_path / "b")["id"].to_pylist()
    assert set(pq.read_table(folder / "kept")["id"].to_pylist()) - set(kept) == {"row 6", "row 9"}
    manifest = pq.read_table(tmp_path / "m").to_pandas()
    assert manifest.reason[6] == "dropped by hand: odd" and not isinstance(manifest.group[6], str)


@pytest.mark.parametrize(
    "text, message",
    [
        ("id,verdict\nrow 700,drop\n", "line 2: id is 'row 700'; no row of .*manifest has it"),
        ("id,verdict,row\nrow 7,drop,8\n", "line 2: id is 'row 7', which is another row than row 8 of in.parquet"),
        ("id,verdict,row\nrow 7,drop,\n,keep,7\n", "line 3 says keep of row 7 of in.parquet, and .*line 2 says drop"),
        ("verdict\nkeep\n", "has no column 'row'"),
        ("id,id,verdict\na,a,keep\n", "more than one column 'id'"),
    ],
)
def test_keys_that_do_not_fit_are_refused(judged, tmp_path, text, message):
    folder, _ = judged
    decided = review(tmp_path / "review.csv", text)
    done = run(
        "apply", folder / "in.parquet", tmp_path / "a", "--manifest", folder / "manifest", "--overrides", decided
    )
    assert done.exit_code == 3 and not (tmp_path / "a").exists()
    assert re.search(message, done.output.replace("\n", " ")), done.output


def test_without_keys_a_review_cannot_name_them(judged, tmp_path):
    folder, _ = judged
    decided = review(tmp_path / "review.csv", "id,verdict\nrow 7,drop\n")
    with pytest.raises(BadInput, match="id is 'row 7', but rows have no ids; filter with --id-column"):
        read_overrides([decided], find_shards(folder / "in.parquet"))


def test_a_key_of_several_rows_names_none():
    ids = RowIds([pa.array(["a", None]), pa.array(["b", "a"])], "x")
    assert ids.position("b", "f") == 2
    with pytest.raises(BadInput, match="f: id is 'a', which several rows of x have; name file and row"):
        ids.position("a", "f")


@pytest.mark.parametrize(
    "column, texts",
    [
        (pa.array([1, None]), ["1", None]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.array([b"\xff", b"a"]), ["\\xff", "a"]),
        (pa.array([1.5, 2]), ["1.5", "2.0"]),
        (pa.chunked_array([], pa.string()), []),
    ],
)
def test_keys_of_any_type_are_texts(column, texts):
    assert as_texts(column).to_pylist() == texts


@pytest.mark.parametrize(
    "words, code, message",
    [
        (("--id-column", "nothing"), 3, "has 0 columns 'nothing'"),
        (("--id-column", "label", "--label", "label"), 2, "which is the label column"),
        (("--id-column", "features", "--inputs", "features"), 2, "which is the input column"),
        (("--reasons",), 2, "--reasons is given without --rejected"),
    ],
)
def test_options_that_do_not_fit_are_refused(judged, tmp_path, words, code, message):
    folder, quick = judged
    done = run("filter", folder / "in.parquet", tmp_path / "kept", *words, *quick)
    assert done.exit_code == code and message in done.output and not (tmp_path / "kept").exists()


def test_reasons_do_not_replace_a_column(judged, tmp_path):
    folder, quick = judged
    table = pq.read_table(folder / "in.parquet")
    pq.write_table(table.append_column("reason", pa.array(["x"] * len(table))), tmp_path / "in.parquet")
    words = ("--inputs", "features", "--label", "label", "--rejected", tmp_path / "r", "--reasons")
    done = run("filter", tmp_path / "in.parquet", tmp_path / "kept", *words, *quick)
    assert done.exit_code == 3 and "has a column 'reason' already" in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet"]


def test_a_group_is_kept_but_for_rows_that_a_review_drops(judged, tmp_path):
    folder, _ = judged
    manifest = pq.read_table(folder / "manifest").to_pandas()
    group = manifest.group.dropna().value_counts().idxmax()
    rows = manifest.index[manifest.group == group].tolist()
    assert len(rows) >= 2
    decided = review(tmp_path / "review.csv", f"row,verdict\n{rows[0]},drop\n")
    words = ("--keep-group", group, "--overrides", decided, "--rejected", tmp_path / "r")
    done = run("apply", folder / "in.parquet", tmp_path / "a", "--manifest", folder / "manifest", *words)
    assert done.exit_code == 0 and f"{len(rows) - 1} kept by hand" in done.output
    kept = pq.read_table(tmp_path / "a")["id"].to_pylist()
    assert {f"row {row}" for row in rows[1:]} <= set(kept) and f"row {rows[0]}" not in kept
    wrong = run(
        "apply", folder / "in.parquet", tmp_path / "b", "--manifest", folder / "manifest", "--keep-group", "G77"
    )
    assert wrong.exit_code == 2 and "--keep-group is 'G77'; must be one of the groups of" in wrong.output
    assert not (tmp_path / "b").exists()


def keyed(tmp_path, keys, **how):
    """A file like `small.vector_file`, with these keys in a column `key`; what filters it."""
    table = pq.read_table(small.vector_file(tmp_path / "whole")).append_column("key", keys)
    pq.write_table(table, tmp_path / "in.parquet", **how)
    quick = ("--params", small.quick_file(tmp_path / "quick.yaml", engine="inline"), "--quiet")
    return ("filter", tmp_path / "in.parquet"), ("--id-column", "key", "--manifest", tmp_path / "manifest", *quick)


def test_keys_that_are_no_text(tmp_path):
    """Bytes that are no UTF-8 in a text column are escapes in the manifest, by which a review then names the row."""
    blobs = pa.array([b"key %d \xff" % row for row in range(small.ROWS)])
    offsets, data = blobs.buffers()[1:]
    words, more = keyed(tmp_path, pa.StringArray.from_buffers(small.ROWS, offsets, data))
    done = run(*words, tmp_path / "kept", *more)
    assert done.exit_code == 0, done.output
    assert pq.read_table(tmp_path / "manifest")["id"][8].as_py() == "key 8 \\xff"
    decided = review(tmp_path / "review.csv", "id,verdict\nkey 8 \\xff,drop\n")
    done = run("apply", words[1], tmp_path / "after", "--manifest", tmp_path / "manifest", "--overrides", decided)
    assert done.exit_code == 0, done.output
    assert pq.read_table(tmp_path / "after").num_rows == pq.read_table(tmp_path / "kept").num_rows - 1


@pytest.mark.parametrize(("first", "unit"), [(1_600_000_000_000, "ms"), (10**17, "ms"), (5, "us")])
def test_keys_that_are_times(tmp_path, first, unit):
    """Also such as Python has not, and in a zone that nobody knows: a text for each, which none beside it changes."""
    kind = pa.timestamp(unit, tz="Nowhere/None" if unit == "us" else None)
    keys = pa.array(range(first, first + small.ROWS), pa.int64()).cast(kind)
    texts = as_texts(keys).to_pylist()
    assert len(set(texts)) == small.ROWS and None not in texts
    odd = pa.concat_arrays([pa.array([10**17], pa.int64()).cast(kind), keys])
    assert as_texts(odd).to_pylist()[1:] == texts
    words, more = keyed(tmp_path, keys)
    decided = review(tmp_path / "review.csv", f"id,verdict\n{texts[8]},drop\n")
    done = run(*words, tmp_path / "kept", *more, "--overrides", decided)
    assert done.exit_code == 0, done.output
    assert list(pq.read_table(tmp_path / "manifest").to_pandas().reason)[8] == "dropped by hand"


def test_keys_of_columns_that_are_copied(tmp_path):
    """INT96 is copied as bytes; the keys are the times that a reader sees, whether rows are written or not."""
    keys = pa.array(range(0, 10**9 * small.ROWS, 10**9), pa.int64()).cast(pa.timestamp("ns"))
    words, more = keyed(tmp_path, keys, use_deprecated_int96_timestamps=True)
    assert find_shards(words[1]).shards[0].mirror is not None
    assert run(*words, tmp_path / "kept", *more).exit_code == 0
    written = pq.read_table(tmp_path / "manifest")
    assert written["id"].to_pylist() == as_texts(keys).to_pylist()
    assert run(*words, "--dry-run", *more).exit_code == 0
    assert pq.read_table(tmp_path / "manifest").equals(written)


def test_keys_that_are_names_of_folders(tmp_path):
    whole = pq.read_table(small.vector_file(tmp_path / "whole"))
    for name, part in (("a", whole.slice(0, 70)), ("b", whole.slice(70))):
        (tmp_path / "in" / f"key={name}").mkdir(parents=True)
        pq.write_table(part, tmp_path / "in" / f"key={name}" / "x.parquet")
    quick = ("--params", small.quick_file(tmp_path / "quick.yaml", engine="inline"), "--quiet")
    done = run("filter", tmp_path / "in", tmp_path / "out", "--manifest", tmp_path / "m", "--id-column", "key", *quick)
    assert done.exit_code == 0, done.output
    assert pq.read_table(tmp_path / "m")["id"].to_pylist() == ["a"] * 70 + ["b"] * 50


def test_a_column_in_the_way_of_reasons_is_told_before_the_work(tmp_path):
    words, more = keyed(tmp_path, pa.array(["G1"] * small.ROWS))
    table = pq.read_table(words[1]).rename_columns(["id", "features", "label", "note", "group"])
    pq.write_table(table, words[1])
    done = run(*words, tmp_path / "kept", "--rejected", tmp_path / "r", "--reasons", "--params", more[5])
    assert done.exit_code == 3 and "has a column 'group' already; rename it, or leave out --reasons" in done.stderr
    assert "voters" not in done.stderr and not list(tmp_path.glob("kept*"))
