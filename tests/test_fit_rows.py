"""--fit-rows: the verdicts on the sample are kept, and the triggers that it gave away are found in all other rows."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from sanitize.data.seeds import stream
from sanitize.errors import BadInput
from sanitize.execution import inline
from sanitize.filter_file import filter_file
from sanitize.filter_options import Options
from sanitize.panel import FILE, KEY, load_panel
from sanitize.params import resolve
from sanitize.signal import NoSignal

ROWS, WIDTH, POISONED = 400, 8, 40
PARAMS = resolve(
    {
        "preset": "fast",
        "learner": {"name": "sklearn", "model": "logistic_regression"},
        "ispl": {"runs": 1, "components": 4, "extra_iterations": 0},
        "selftrain": {"epochs": 2, "every": 2, "learners": 1},
        "coherence": {"hunted": 0},
        "engine": "inline",
    }
)


def poisoned(seed=0):
    """Two classes, four features that tell them; POISONED rows of class 1 look like 0, and have 0 in features 4 to 7.

    No linear learner can learn that; every one doubts these rows.
    """
    labels = np.arange(ROWS) % 2
    inputs = stream(seed, "rows").normal(0, 1, (ROWS, WIDTH))
    inputs[:, :4] += 4 * labels[:, None]
    bad = np.sort(stream(seed, "bad").permutation(np.flatnonzero(labels == 0))[:POISONED])
    inputs[bad, 4:] = 0
    labels[bad] = 1
    return inputs.astype(np.float32), labels, bad


def write(path, seed=0):
    inputs, labels, bad = poisoned(seed)
    emb = pa.FixedSizeListArray.from_arrays(pa.array(inputs.reshape(-1)), WIDTH)
    pq.write_table(pa.table({"emb": emb, "label": labels}), path, row_group_size=64)
    return bad


def run(source, out, **options):
    places = {"rejected": out / "rejected", "manifest": out / "manifest"}
    filter_file(source, out / "kept", PARAMS, **places, options=Options(**options), map=inline)
    return pq.read_table(out / "manifest")


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """The poisoned file, filtered whole, by samples, and the voters of one of them."""
    folder = tmp_path_factory.mktemp("fit")
    bad = write(folder / "in.parquet")
    found = {"whole": run(folder / "in.parquet", folder / "whole")}
    for rows in (ROWS, ROWS + 1, 200):
        voters = {"save_voters": folder / "voters"} if rows == 200 else {}
        found[rows] = run(folder / "in.parquet", folder / str(rows), fit_rows=rows, **voters)
    return folder, bad, found


def shares(manifest):
    return [row for row, reason in enumerate(manifest["reason"].to_pylist()) if reason.startswith("shares a trigger")]


def test_a_sample_of_all_rows_is_no_sample(ground):
    folder, bad, found = ground
    assert shares(found["whole"]) == bad.tolist()
    for rows in (ROWS, ROWS + 1):
        for name in ("kept", "rejected", "manifest"):
            assert (folder / str(rows) / name).read_bytes() == (folder / "whole" / name).read_bytes()


def test_what_the_sample_gave_away_is_found_outside_it(ground):
    _, bad, found = ground
    assert shares(found[200]) == bad.tolist()
    keep = found[200]["keep"].to_numpy()
    assert np.flatnonzero(~keep).tolist() == bad.tolist()
    reasons = {found[200]["reason"][row].as_py() for row in bad.tolist()}
    assert len(reasons) == 1  # of a row of the sample as of all others
    some, of_all = re.search(r"in (\d+) of (\d+), ", reasons.pop()).groups()
    assert 8 < int(some) <= int(of_all) < POISONED  # the rows that it counts are the sample's
    assert {found[200]["group"][row].as_py() for row in bad.tolist()} == {"G1"}


def test_saved_voters_know_the_trigger(ground, tmp_path):
    folder, _, _ = ground
    bad = write(tmp_path / "other.parquet", seed=1)
    manifest = run(tmp_path / "other.parquet", tmp_path, voters=folder / "voters")
    assert shares(manifest) == bad.tolist()


def test_panels_of_the_version_before_load(ground, tmp_path):
    """As it stored them: no triggers, neither arrays nor a word of them, and no skill."""
    folder, _, _ = ground
    panel = load_panel(folder / "voters")
    assert [(one.about.label, one.about.says) for one in panel.triggers] == [(1, 0)]
    rewrite(folder, tmp_path, lambda about, arrays: (about.pop("triggers"), about.pop("skill"), drop(arrays)))
    again = load_panel(tmp_path)
    assert again.triggers == [] and len(again.voters) == len(panel.voters)
    write(tmp_path / "in.parquet", seed=1)
    assert shares(run(tmp_path / "in.parquet", tmp_path, voters=tmp_path)) == []


def drop(arrays):
    for key in [key for key in arrays if key.startswith("trigger/")]:
        del arrays[key]


def rewrite(folder, target, change):
    """The saved voters with their description and arrays changed."""
    with safe_open(folder / "voters" / FILE, framework="numpy") as file:
        about = json.loads(file.metadata()[KEY])
    arrays = load_file(folder / "voters" / FILE)
    change(about, arrays)
    save_file(arrays, target / FILE, metadata={KEY: json.dumps(about)})


RULE = "trigger/0/rule/0/"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about, arrays: drop(arrays), "lacks arrays of its triggers"),
        (lambda about, arrays: arrays.pop(RULE + "bar"), "a trigger's rule with the arrays"),
        (lambda about, arrays: arrays[RULE + "feature_F"].__setitem__(0, WIDTH), "beyond 8 features"),
        (lambda about, arrays: arrays[RULE + "feature_F"].__setitem__(0, -1), "beyond 8 features"),
        (lambda about, arrays: arrays[RULE + "mean_3F"].__setitem__(0, np.nan), "mean_3F is nan"),
        (lambda about, arrays: arrays[RULE + "variance_3F"].__setitem__(0, 0), "not positive"),
        (lambda about, arrays: arrays.update({RULE + "bar": np.array([[1.0]])}), "bar is float64"),
        (lambda about, arrays: about["triggers"][0].update(label=2), "a trigger of class 2, of 2 classes"),
        (lambda about, arrays: about["triggers"][0].update(rules=1), "which its description does not have"),
        (lambda about, arrays: about["triggers"][0].update(size=0), "holds no voters"),
    ],
)
def test_a_trigger_that_was_tampered_with_is_refused(ground, tmp_path, change, message):
    rewrite(ground[0], tmp_path, change)
    with pytest.raises(BadInput, match=message):
        load_panel(tmp_path)


def test_rows_that_the_voters_know_nothing_about_are_refused(ground, tmp_path):
    """The wrong column's numbers; nothing is written, whatever was there."""
    table = pq.read_table(ground[0] / "in.parquet")
    inputs = stream(9, "other").normal(0, 5, (ROWS, WIDTH)).astype(np.float32)
    emb = pa.FixedSizeListArray.from_arrays(pa.array(inputs.reshape(-1)), WIDTH)
    pq.write_table(table.set_column(0, "emb", emb), tmp_path / "other.parquet")
    figures = r"name the given label of \d+.\d% of them, .* the largest class"
    with pytest.raises(NoSignal, match=rf"other.parquet: the voters, asked .* {figures}.*'emb'.*'label'"):
        run(tmp_path / "other.parquet", tmp_path, voters=ground[0] / "voters")
    assert [path.name for path in tmp_path.iterdir()] == ["other.parquet"]
