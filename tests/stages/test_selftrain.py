"""Stage selftrain: people's decisions are in the manifest and in all that rests on it; without any nothing changes."""

import json
import os

import pyarrow.parquet as pq
import pytest

from sanitize.errors import BadInput
from stages import digest, partition, selftrain, vote
from tests import small

HEADER = "file,row,verdict,note\n"
OUTPUTS = ("manifest.parquet", "clean.parquet", "rejected.parquet")


@pytest.fixture(scope="module")
def voted(tmp_path_factory):
    """A folder with the small vectors as training file, and the votes on them."""
    folder = tmp_path_factory.mktemp("pipeline")
    before = os.getcwd()
    os.chdir(folder)
    try:
        os.makedirs("data/poisoned")
        small.vector_file(folder / "data/poisoned/train.parquet")
        small.quick_file(folder / "params.yaml", engine="inline")
        partition.main()
        vote.main()
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def folder(voted, monkeypatch):
    monkeypatch.chdir(voted)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    for name in OUTPUTS:
        (voted / "data" / name).unlink(missing_ok=True)
    return voted


def settled(folder, overrides=None):
    """The outputs' bytes."""
    small.quick_file(folder / "params.yaml", engine="inline", data={"overrides": overrides})
    selftrain.main()
    return [(folder / "data" / name).read_bytes() for name in OUTPUTS]


def test_without_decisions_nothing_changes(folder):
    plain = settled(folder)
    (folder / "review.csv").write_text(HEADER)
    assert settled(folder, "review.csv") == settled(folder, []) == settled(folder, ["review.csv"]) == plain


def test_decisions_win(folder):
    settled(folder)
    before = pq.read_table("data/manifest.parquet").to_pylist()
    (folder / "a.csv").write_text(f"{HEADER}train.parquet,{small.WRONG[0]},keep,\"looked at, 'right'\"\n")
    (folder / "b.csv").write_text(f"row,verdict\n0,drop\n{small.WRONG[1]},drop\n")
    settled(folder, ["a.csv", "b.csv"])
    after = pq.read_table("data/manifest.parquet").to_pylist()
    changed = {row["row"]: (row["keep"], row["reason"]) for old, row in zip(before, after, strict=True) if old != row}
    assert changed == {
        0: (False, "dropped by hand"),
        small.WRONG[0]: (True, "kept by hand: looked at, 'right'"),
        small.WRONG[1]: (False, "dropped by hand"),
    }
    assert [row["suspicion"] for row in before] == [row["suspicion"] for row in after]
    kept = [f"row {row['row']}" for row in after if row["keep"]]
    assert pq.read_table("data/clean.parquet")["id"].to_pylist() == kept and "row 7" in kept and "row 0" not in kept
    assert pq.read_table("data/rejected.parquet")["id"].to_pylist() == [
        f"row {row}" for row in sorted({0, *small.WRONG[1:]})
    ]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("other.parquet,1,keep,\n", "review.csv, line 2: file is 'other.parquet'; must be one of the input's: train"),
        (f"train.parquet,{small.ROWS},keep,\n", "row is '120'; must be a whole number from 0 to 119"),
        ("train.parquet,1,keep,\n,1,drop,\n", "settle on one of them"),
        (None, "review.csv: no such file; name a review.csv"),
    ],
)
def test_what_is_wrong_with_a_review_is_told_before_the_work(folder, lines, words, monkeypatch):
    (folder / "review.csv").unlink(missing_ok=True)
    if lines is not None:
        (folder / "review.csv").write_text(HEADER + lines)
    monkeypatch.setattr(selftrain, "settle", None)
    with pytest.raises(BadInput, match=words.replace("(", r"\(")):
        settled(folder, "review.csv")
    assert not any((folder / "data" / name).exists() for name in OUTPUTS)


def test_the_digest_is_of_the_reviews_and_of_nothing_else_that_stages_read(folder):
    def digested(overrides):
        small.quick_file(folder / "params.yaml", data={"overrides": overrides, "train": "own.parquet"})
        digest.main()
        places = [folder / "data/digests" / name for name in ("overrides.json", "files.json", "code.json")]
        found, *others = [json.loads(place.read_text()) for place in places]
        assert others == [{"data.train": {"none": "no such file"}}, {}]
        return found

    (folder / "review.csv").write_text(HEADER)
    first = digested("review.csv")
    os.utime(folder / "review.csv", (1, 1))
    assert digested(["review.csv"]) == first and first.keys() == {"review.csv"}
    (folder / "review.csv").write_text(f"{HEADER},1,keep,\n")
    assert digested("review.csv") != first
    assert digested(None) == digested([]) == {} and digested("none.csv")["none.csv"].keys() == {"none"}


def test_an_experiment_elsewhere_reads_the_projects_review(folder, monkeypatch, tmp_path):
    """`dvc exp run --temp` works in a copy without the files that nobody tracks."""
    (folder / "mine.csv").write_text(f"{HEADER},0,drop,\n")
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.chdir(tmp_path)
    small.quick_file(tmp_path / "params.yaml", engine="inline", data={"overrides": "mine.csv"})
    data = folder / "data"
    selftrain.main(train=data / "poisoned/train.parquet", votes=data / "votes.parquet")
    assert pq.read_table("data/manifest.parquet")["reason"][0].as_py() == "dropped by hand"
