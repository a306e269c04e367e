"""filter_file: one parquet file in, all outputs or none."""

import hashlib
import json
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize import __version__
from sanitize.data.shards import find_shards
from sanitize.errors import BadInput, BadParams
from sanitize.execution import inline
from sanitize.filter_file import filter_file
from sanitize.io.destinations import refuse_outputs
from sanitize.params import resolve
from tests import small

PARAMS = resolve(small.QUICK)


@pytest.fixture
def source(tmp_path):
    return small.vector_file(tmp_path / "in.parquet")


def refuse_places(source, outputs):
    """What the filter does with its outputs before the work."""
    refuse_outputs(find_shards(source), [str(output) for output in outputs])


def test_wrong_labels_are_rejected_and_nothing_is_lost(source, tmp_path):
    places = {"rejected": tmp_path / "rejected.parquet", "manifest": tmp_path / "new" / "manifest.parquet"}
    summary = filter_file(source, tmp_path / "kept.parquet", PARAMS, **places, map=inline)

    given, kept, rejected, manifest = (
        pq.read_table(p) for p in (source, tmp_path / "kept.parquet", places["rejected"], places["manifest"])
    )
    right = [row for row in range(small.ROWS) if row not in small.WRONG]
    assert kept.equals(given.take(right))
    assert rejected.equals(given.take(small.WRONG))
    for table, rows in ((kept, "kept"), (rejected, "rejected")):
        about = json.loads(table.schema.metadata[b"sanitize"])
        assert about == {
            "version": __version__,
            "rows": rows,
            "parameters_sha256": PARAMS.sha256(),
            "input_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        }
        assert {
            key: value for key, value in table.schema.metadata.items() if key != b"sanitize"
        } == given.schema.metadata
    assert manifest.column_names == [
        "row", "keep", "reason", "suspicion", "file", "vote", "voters", "support", "agreement", "label", "cause",
        "group", "stable",
    ]  # fmt: skip
    assert [str(f.type) for f in manifest.schema] == [
        "int64", "bool", "string", "double", "string", "string", "int32", "int32", "int32", "string", "string",
        "string", "bool",
    ]  # fmt: skip
    assert set(manifest["file"].to_pylist()) == {"in.parquet"}
    assert manifest["label"].to_pylist() == given["label"].to_pylist()
    reasons = manifest["reason"].to_pylist()
    assert manifest["cause"].to_pylist() == [None if r == "kept" else r.split(":")[0] for r in reasons]
    vote = np.array(manifest["vote"].to_pylist())
    voters, support, agreement = (manifest[name].to_numpy() for name in ("voters", "support", "agreement"))
    assert (support <= agreement).all() and (agreement <= voters).all()
    assert (vote[support == voters] == np.array(given["label"].to_pylist())[support == voters]).all()
    assert manifest["row"].to_pylist() == list(range(small.ROWS))
    assert np.flatnonzero(~manifest["keep"].to_numpy()).tolist() == small.WRONG
    assert [r for r in manifest["reason"].to_pylist() if r == "kept"] == ["kept"] * 116
    assert sorted(np.argsort(manifest["suspicion"].to_numpy())[-4:]) == small.WRONG

    assert (summary.rows, summary.kept, summary.rejected) == (120, 116, 4)
    assert sum(summary.reasons.values()) == 4
    # WRONG: row 7 is class 1 labelled 2, row 30 class 0 labelled 1, row 55 class 1 labelled 2, row 100 likewise
    assert summary.classes == {"ant": (39, 0), "bee": (38, 1), "cat": (43, 3)}
    assert summary.input_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert summary.parameters_sha256 == PARAMS.sha256()
    assert (summary.columns.label, summary.columns.inputs, summary.columns.modality) == (
        "label", ("features",), "vector",
    )  # fmt: skip
    assert summary.verdict == "rows_dropped"


def test_a_source_that_changes_meanwhile_leaves_nothing(source, tmp_path):
    (tmp_path / "kept.parquet").write_text("from before")

    @contextmanager
    def meddle(label, total):
        os.utime(source, ns=(0, 0))
        yield lambda: None

    with pytest.raises(BadInput, match=r"in\.parquet: has changed while it was being filtered; filter it again"):
        filter_file(
            source,
            tmp_path / "kept.parquet",
            PARAMS,
            rejected=tmp_path / "rejected.parquet",
            manifest=tmp_path / "manifest.parquet",
            map=inline,
            steps=meddle,
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.parquet", "kept.parquet"]
    assert (tmp_path / "kept.parquet").read_text() == "from before"


def test_good_places_are_fine_and_left_alone(source, tmp_path, monkeypatch):
    """Looking at places makes no folder and touches no file; a wrong one among the same places is told."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.parquet").write_text("to be replaced")
    good = [tmp_path / "old.parquet", tmp_path / "a/b/new.parquet", Path("relative.parquet")]
    refuse_places(source, good)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in.parquet", "old.parquet"]
    assert (tmp_path / "old.parquet").read_text() == "to be replaced"
    with pytest.raises(BadParams, match=r"relative\.parquet is named twice"):
        refuse_places(source, [*good, tmp_path / "relative.parquet"])


def test_the_callers_memory_pool_is_its_own_again(source, tmp_path):
    before = pa.default_memory_pool().backend_name
    used = []

    @contextmanager
    def look(label, total):
        used.append(pa.default_memory_pool().backend_name)
        yield lambda: None

    filter_file(source, tmp_path / "kept.parquet", PARAMS, map=inline, steps=look)
    assert set(used) == {"system"}
    assert pa.default_memory_pool().backend_name == before


@pytest.mark.parametrize("kind", ["same", "dotted", "symlink", "hardlink"])
def test_an_output_that_is_the_input_is_refused(source, tmp_path, kind):
    output = tmp_path / "other.parquet"
    if kind == "same":
        output = source
    elif kind == "dotted":
        output = tmp_path / "x" / ".." / "in.parquet"
    elif kind == "symlink":
        output.symlink_to(source)
    else:
        output.hardlink_to(source)
    with pytest.raises(BadParams, match=r"is the input .*in\.parquet; name another file"):
        refuse_places(source, [tmp_path / "kept.parquet", output])


def test_outputs_must_differ(source, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(BadParams, match=r"out\.parquet is named twice; name one file for each output"):
        refuse_places(source, [tmp_path / "out.parquet", tmp_path / "link" / "out.parquet"])


def test_outputs_must_be_files_in_folders(source, tmp_path):
    with pytest.raises(BadInput, match="is a folder; name a file"):
        refuse_places(source, [tmp_path])
    with pytest.raises(BadInput, match="/dev/null is a device, pipe or socket; name a file"):
        refuse_places(source, [Path("/dev/null")])
    with pytest.raises(BadInput, match=r"out\.parquet: .*in\.parquet is no folder; name another place"):
        refuse_places(source, [source / "deeper" / "out.parquet"])
