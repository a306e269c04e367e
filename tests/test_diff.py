"""Two manifests compared: what was dropped or kept anew, by class and cause; and what is no manifest, or another's."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.errors import BadInput
from sanitize.manifest_diff import Changed, compare
from tests import small

BEFORE = ["kept", "kept", "outvoted: 3 of 4 voters", "outvoted: 4 of 4 voters", "unreadable: null", "kept"]
AFTER = ["kept", "outvoted: 3 of 4 voters", "kept", "shares a trigger: like 8", "unreadable: NaN", "kept"]
LABELS = ["a", "b", "b", "a", None, "a"]


def manifest(path, reasons, order=None, **columns):
    """A manifest in a file; rows in this order."""
    row, keep = pa.array(range(len(reasons)), pa.int64()), pa.array([r == "kept" for r in reasons], pa.bool_())
    table = pa.table({"row": row, "keep": keep, "reason": pa.array(reasons, pa.string()), **columns})
    pq.write_table(table.take(order) if order else table, path)
    return path


@pytest.fixture
def pair(tmp_path):
    more = {"file": ["x.parquet"] * 6, "label": pa.array(LABELS)}
    return (
        manifest(tmp_path / "before", BEFORE, **more),
        manifest(tmp_path / "after", AFTER, order=[5, 4, 3, 2, 1, 0], **more),
    )


def test_by_hand(pair):
    found = compare(*pair)
    assert (found.rows, found.before, found.after) == (6, 3, 3)
    assert found.changed == [
        Changed("x.parquet", 3, "a", "changed", BEFORE[3], AFTER[3]),
        Changed("x.parquet", 2, "b", "kept", BEFORE[2], "kept"),
        Changed("x.parquet", 1, "b", "dropped", "kept", AFTER[1]),
    ]
    assert found.by_class() == {
        "b": {"dropped": 1, "kept": 1, "changed": 0},
        "a": {"dropped": 0, "kept": 0, "changed": 1},
    }
    assert found.by_cause() == {
        "outvoted": {"dropped": 1, "kept": 1, "changed": 0},
        "outvoted -> shares a trigger": {"dropped": 0, "kept": 0, "changed": 1},
    }
    assert found.by_group() == {}
    same = compare(pair[1], pair[1])
    assert not same.changed and (same.before, same.after) == (3, 3)


def test_groups_are_those_of_the_run_that_drops_the_row(tmp_path):
    """Rows that are dropped in both, and only anew, count in the new run's group, others in the old one's."""
    groups = {"before": ["G2", None, "G1", "G1", None, None], "after": [None, "G1", None, "G2", "G3", None]}
    paths = [
        manifest(tmp_path / name, reasons, group=pa.array(groups[name]))
        for name, reasons in (("before", BEFORE), ("after", AFTER))
    ]
    found = compare(*paths)
    assert [(one.row, one.group) for one in found.changed] == [(1, "G1"), (2, "G1"), (3, "G2")]
    assert found.by_group() == {
        "G1": {"dropped": 1, "kept": 0, "changed": 0},
        "G1 before": {"dropped": 0, "kept": 1, "changed": 0},
        "G2": {"dropped": 0, "kept": 0, "changed": 1},
    }


def test_the_pipelines_manifests_have_neither_files_nor_labels(tmp_path, pair):
    bare = manifest(tmp_path / "bare", AFTER)
    found = compare(manifest(tmp_path / "old", BEFORE), bare)
    assert [(one.file, one.label) for one in found.changed] == [("", "?")] * 3
    assert [one.label for one in compare(pair[0], bare).changed] == ["b", "b", "a"]
    empty = manifest(tmp_path / "none", [])
    assert compare(empty, empty).rows == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"row": [0, 0]}, "after: row 0 stands in it twice"),
        ({"row": [0, 3]}, r"not about the same rows: 2 and 2, and where the first has row 1 the second has row 3; "),
        ({"row": [0]}, r"the same rows: 2 and 1, and where the first has row 1 the second has its end; compare"),
        ({"reason": None}, "after: has no column 'reason'; name a manifest, as `sanitize filter --manifest`"),
        ({"keep": [1, 0]}, r"after: column 'keep' is int64, with 0 nulls; must be true or false"),
        ({"reason": ["kept", None]}, r"after: column 'reason' is string, with 1 nulls; must be text"),
        ({"label": [3, 4]}, r"after: column 'label' is int64, with 0 nulls; must be text or null; name a manifest"),
        ({"file": [b"a", b"b"]}, r"after: column 'file' is binary, with 0 nulls; must be text or null"),
    ],
)
def test_what_cannot_be_compared(tmp_path, columns, message):
    good = {"row": [0, 1], "keep": [True, False], "reason": ["kept", "outvoted: 1"]}
    pq.write_table(pa.table(good), tmp_path / "before")
    rows = len(columns["row"]) if "row" in columns else 2
    given = {name: values[:rows] for name, values in good.items()} | columns
    pq.write_table(pa.table({k: v for k, v in given.items() if v is not None}), tmp_path / "after")
    with pytest.raises(BadInput, match=message):
        compare(tmp_path / "before", tmp_path / "after")


def test_the_command(pair):
    run = CliRunner().invoke(app, ["diff", *map(str, pair)])
    assert run.exit_code == 0
    assert run.stdout.splitlines() == [
        "6 rows; dropped before 3, after 3",
        "  1 newly dropped",
        "  1 newly kept",
        "  1 dropped for another cause",
        "class b: 1 newly dropped, 1 newly kept",
        "class a: 1 dropped for another cause",
        "cause outvoted: 1 newly dropped, 1 newly kept",
        "cause outvoted -> shares a trigger: 1 dropped for another cause",
        "x.parquet: row 3, class a: outvoted: 4 of 4 voters -> shares a trigger: like 8",
        "x.parquet: row 2, class b: outvoted: 3 of 4 voters -> kept",
        "x.parquet: row 1, class b: kept -> outvoted: 3 of 4 voters",
    ]
    document = json.loads(CliRunner().invoke(app, ["diff", *map(str, pair), "--json"]).stdout)
    assert (document["newly_dropped"], document["newly_kept"], document["changed_cause"]) == (1, 1, 1)
    assert len(document["changed"]) == 3 and document["changed_left_out"] == 0
    wrong = CliRunner().invoke(app, ["diff", str(pair[0]), str(pair[0].parent / "nothing"), "--json"])
    assert wrong.exit_code == 3 and json.loads(wrong.stdout)["exit_code"] == 3


def test_of_two_runs_of_the_filter(tmp_path):
    """Whatever the filter writes can be compared: another preset, another number of voters."""
    source = small.vector_file(tmp_path / "in.parquet")
    quick = ["--params", str(small.quick_file(tmp_path / "quick.yaml", engine="inline")), "--quiet", "--dry-run"]
    for name, more in (("a", []), ("b", ["--least-class", "39"])):
        given = ["filter", str(source), "--manifest", str(tmp_path / name), *quick, *more]
        assert CliRunner().invoke(app, given).exit_code == 0
    found = compare(tmp_path / "a", tmp_path / "b")
    assert {one.change for one in found.changed} == {"kept"} and found.by_class()["bee"]["kept"] == 1
