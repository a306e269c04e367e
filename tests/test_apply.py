"""`sanitize apply` and `--overrides`: people's decisions win, in one go or afterwards; what does not fit is refused."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.data.shards import find_shards
from sanitize.errors import BadInput
from sanitize.filter_tally import UNJUDGED, Verdicts
from sanitize.overrides import read_overrides
from tests import small

REVIEW = 'file,row,verdict,note\n{0},7,keep,"seen, fine"\n{0},8,drop,\n'


def run(*words):
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A file in.parquet, filtered with a manifest; its folder, and what filters again."""
    folder = tmp_path_factory.mktemp("judged")
    source = small.vector_file(folder / "in.parquet")
    quick = ("--params", small.quick_file(folder / "quick.yaml", engine="inline"), "--quiet")
    places = ("--rejected", folder / "rejected", "--manifest", folder / "manifest")
    assert run("filter", source, folder / "kept", *places, *quick).exit_code == 0
    return folder, quick


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_without_decisions_the_bytes_are_those_of_the_filter(judged, tmp_path):
    folder, _ = judged
    given = ("apply", folder / "in.parquet", tmp_path / "kept", "--manifest", folder / "manifest")
    assert run(*given, "--rejected", tmp_path / "rejected").exit_code == 0
    for name in ("kept", "rejected"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_decisions_afterwards_and_in_one_go_come_to_the_same(judged, tmp_path):
    folder, quick = judged
    review = written(tmp_path / "review.csv", REVIEW.format("in.parquet"))
    others = ("--overrides", review, "--rejected")
    done = run("apply", folder / "in.parquet", tmp_path / "a", "--manifest", folder / "manifest", *others,
               tmp_path / "ra", "--json", "--quiet")  # fmt: skip
    assert done.exit_code == 0, done.output
    manifest = ("--manifest", tmp_path / "m", "--report", tmp_path / "page")
    assert (
        run("filter", folder / "in.parquet", tmp_path / "b", *others, tmp_path / "rb", *manifest, *quick).exit_code == 0
    )
    for one, other in (("a", "b"), ("ra", "rb")):
        assert pq.read_table(tmp_path / one).equals(pq.read_table(tmp_path / other))
    said = json.loads(done.stdout)
    assert (said["kept_by_hand"], said["dropped_by_hand"], said["rows"]) == (1, 1, small.ROWS)
    kept = pq.read_table(tmp_path / "a")["id"].to_pylist()
    assert "row 7" in kept and "row 8" not in kept and said["kept"] == len(kept)
    before, after = (pq.read_table(path).to_pandas() for path in (folder / "manifest", tmp_path / "m"))
    assert 7 in small.WRONG and not before.keep[7] and before.keep[8]
    assert list(after.reason[[7, 8]]) == ["kept by hand: seen, fine", "dropped by hand"]
    page = (tmp_path / "page").read_text()
    assert "kept by hand" in page and "dropped by hand" in page
    assert list(after.cause[[7, 8]]) == ["kept by hand", "dropped by hand"]
    same = [name for name in before.columns if name not in ("keep", "reason", "cause", "group")]
    assert after[same].equals(before[same]) and after.drop([7, 8]).equals(before.drop([7, 8]))


def test_several_files(tmp_path):
    """A folder of shards is written as the filter writes it, and decisions name the file."""
    (tmp_path / "in").mkdir()
    whole = pq.read_table(small.vector_file(tmp_path / "all"))
    for name, part in (("a.parquet", whole.slice(0, 70)), ("b.parquet", whole.slice(70))):
        pq.write_table(part, tmp_path / "in" / name)
    quick = ("--params", small.quick_file(tmp_path / "quick.yaml", engine="inline"), "--quiet")
    assert run("filter", tmp_path / "in", tmp_path / "out", "--manifest", tmp_path / "m", *quick).exit_code == 0
    review = written(tmp_path / "review.csv", "note,verdict,row,file\n,drop,1,b.parquet\n")
    given = ("apply", tmp_path / "in", tmp_path / "new", "--manifest", tmp_path / "m", "--overrides", review)
    assert run(*given).exit_code == 0
    before, after = (pq.read_table(tmp_path / name / "b.parquet")["id"].to_pylist() for name in ("out", "new"))
    assert set(before) - set(after) == {"row 71"} and len(after) == len(before) - 1
    one, other = (pq.read_table(tmp_path / name / "a.parquet") for name in ("new", "out"))
    assert one.equals(other)
    nameless = written(tmp_path / "nameless.csv", "row,verdict\n1,drop\n")
    with pytest.raises(BadInput, match=r"nameless.csv, line 2: file is ''; must be one of the input's: a.parquet, b"):
        read_overrides([nameless], find_shards(tmp_path / "in"))


def test_a_part_of_the_rows_gets_its_own_decisions(judged, tmp_path):
    folder, _ = judged
    one = written(tmp_path / "one", "row,verdict,note\n3,keep,b\n9,drop,\n")
    two = written(tmp_path / "two", "\ufeffrow,verdict,note,who\n3, keep ,a,x\n3,keep,b,y\n\n5,keep,,\n")
    found = read_overrides([one, two], find_shards(folder / "in.parquet"))
    assert found.position_D.tolist() == [3, 5, 9] and found.keep_D.tolist() == [True, True, False]
    assert found.reason_D.tolist() == ["kept by hand: b; a", "kept by hand", "dropped by hand"]
    counts = [np.full(3, UNJUDGED)] * 8
    given = Verdicts(np.zeros(3, bool), np.array(["x"] * 3, object), np.zeros(3), *counts)
    after = found.applied(given, 4)  # rows 4, 5, 6
    assert after.keep_n.tolist() == [False, True, False] and after.reason_n.tolist() == ["x", "kept by hand", "x"]
    assert not given.keep_n.any() and found.applied(given, 6) is given


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("row,verdict\n120,keep\n", r"line 2: row is '120'; must be a whole number from 0 to 119, as in.parquet has"),
        ("row,verdict\n-1,keep\n", "line 2: row is '-1'; must be a whole number"),
        ("row,verdict\n1.0,keep\n", "line 2: row is '1.0'; must be a whole number"),
        ("row,verdict\n٣,keep\n", "line 2: row is '٣'; must be a whole number"),
        ("row,verdict\n1,maybe\n", "line 2: verdict is 'maybe'; must be keep or drop"),
        ("row,verdict\n1\n", "line 2: has not 2 values"),
        ("row,verdict\n1,keep,x\n", "line 2: has not 2 values"),
        ("row,verdict\n1,keep\n1,drop\n", "line 3 says drop of row 1 of in.parquet, and .*, line 2 says keep; settle"),
        ("row,verdict\n1,keep\n01,drop\n", "line 3 says drop of row 01"),
        ("file,row,verdict\nother,1,keep\n", "line 2: file is 'other'; must be one of the input's: in.parquet"),
        ("row,keep\n1,keep\n", "has no column 'verdict'; a review has the columns"),
        ("row,verdict,row\n1,keep,2\n", "has more than one column 'row'"),
        ("", "has no column 'row'"),
        ('row,verdict\n1,"keep', "is no CSV"),
        ("row,verdict,note\n1,keep," + "x" * 501, "the note has 501 characters; at most 500"),
    ],
)
def test_reviews_that_are_refused(judged, tmp_path, text, message):
    review = written(tmp_path / "review.csv", text)
    with pytest.raises(BadInput, match=message):
        read_overrides([review], find_shards(judged[0] / "in.parquet"))
    wrong = run("filter", judged[0] / "in.parquet", tmp_path / "out", "--overrides", review, *judged[1])
    assert wrong.exit_code == 3 and not (tmp_path / "out").exists()


def test_reviews_that_are_no_text(judged, tmp_path):
    (tmp_path / "review").write_bytes(b"row,verdict\n1,keep\xff\n")
    for path, message in (
        (tmp_path / "review", "is no CSV"),
        (tmp_path / "none", "no such file"),
        (tmp_path, "folder"),
    ):
        with pytest.raises(BadInput, match=message):
            read_overrides([path], find_shards(judged[0] / "in.parquet"))


def changed(table, name, values):
    return table.set_column(table.column_names.index(name), name, [values])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace_schema_metadata(None), "does not say which input it is about; make it anew with"),
        (lambda t: t.replace_schema_metadata({"sanitize": '{"input_sha256": "0"}'}), "does not say which input"),
        (lambda t: t.drop_columns(["label"]), "has no column 'label' of type string"),
        (lambda t: changed(t, "keep", pa.array([1] * len(t))), "has no column 'keep' of type bool"),
        (lambda t: changed(t, "reason", pa.nulls(len(t), pa.string())), "column 'reason' has 120 nulls; must have"),
        (lambda t: changed(t, "suspicion", pa.array([float("inf")] * len(t))), "'suspicion' holds inf; must be from 0"),
        (lambda t: changed(t, "suspicion", pa.array([-0.5] * len(t))), "column 'suspicion' holds -0.5; must be from 0"),
        (lambda t: changed(t, "group", pa.array(["G1"] * len(t))), "row 0 of in.parquet is kept, but in group G1; "),
        (lambda t: t.slice(1), "has 119 rows, but .*in.parquet has 120"),
        (lambda t: t.take(pa.array([1, 0, *range(2, len(t))])), "line 0 is about row 1 of in.parquet; must be"),
    ],
)  # fmt: skip
def test_manifests_that_are_refused(judged, tmp_path, change, message):
    folder, _ = judged
    pq.write_table(change(pq.read_table(folder / "manifest")), tmp_path / "manifest")
    given = ("apply", folder / "in.parquet", tmp_path / "out", "--manifest", tmp_path / "manifest", "--json")
    done = run(*given)
    assert done.exit_code == 3 and not (tmp_path / "out").exists()
    with pytest.raises(BadInput, match=message):
        raise BadInput(json.loads(done.stdout)["error"])


def test_what_is_read_is_never_written_to(judged, tmp_path):
    folder, quick = judged
    review = written(tmp_path / "review", "row,verdict\n1,keep\n")
    (tmp_path / "manifest").write_bytes((folder / "manifest").read_bytes())
    given = ("--manifest", tmp_path / "manifest", "--overrides", review)
    for out, more in ((review, ()), (tmp_path / "manifest", ()), (tmp_path / "out", ("--rejected", review))):
        done = run("apply", folder / "in.parquet", out, *given, *more)
        assert done.exit_code == 2 and "never overwritten" in done.stderr
    done = run("filter", folder / "in.parquet", review, "--overrides", review, *quick)
    assert done.exit_code == 2 and "never overwritten" in done.stderr
    assert review.read_text() == "row,verdict\n1,keep\n" and not (tmp_path / "out").exists()


def test_a_dry_run_judges_and_apply_writes(judged, tmp_path):
    folder, quick = judged
    dry = run("filter", folder / "in.parquet", "--dry-run", "--manifest", tmp_path / "m", *quick)
    assert dry.exit_code == 0 and (tmp_path / "m").read_bytes() == (folder / "manifest").read_bytes()
    assert run("apply", folder / "in.parquet", tmp_path / "kept", "--manifest", tmp_path / "m").exit_code == 0
    assert (tmp_path / "kept").read_bytes() == (folder / "kept").read_bytes()


def test_another_input_is_refused(judged, tmp_path):
    folder, _ = judged
    done = run("apply", folder / "kept", tmp_path / "out", "--manifest", folder / "manifest", "--json")
    assert done.exit_code == 3 and "is about an input with the SHA-256" in json.loads(done.stdout)["error"]
    same = run("apply", folder / "in.parquet", folder / "in.parquet", "--manifest", folder / "manifest", "--json")
    assert same.exit_code == 2 and not (tmp_path / "out").exists()
