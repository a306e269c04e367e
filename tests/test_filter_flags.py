"""The options of `sanitize filter`: limits, dry runs, reports, one's own predictions, voters saved and used."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.errors import BadInput
from sanitize.execution import inline
from sanitize.filter_file import filter_file
from sanitize.filter_options import Options
from tests import small
from tests.manifests import page_data
from tests.voters import INLINE, image_voters, scored, vector_voters

WRONG_PART = len(small.WRONG) / small.ROWS


@pytest.fixture(scope="module")
def voters(tmp_path_factory):
    return vector_voters(tmp_path_factory.mktemp("voters"))


@pytest.fixture
def source(tmp_path):
    return small.vector_file(tmp_path / "in.parquet")


def command(*args):
    return CliRunner().invoke(app, ["filter", *(str(arg) for arg in args), "--engine", "inline", "--json"])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_more_than_the_limit_leaves_no_rows_and_1(source, voters, tmp_path):
    args = [source, tmp_path / "kept", "--manifest", tmp_path / "m", "--report", tmp_path / "r", "--voters", voters]
    done = command(*args, "--max-removed", "0.03")
    answer = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (answer["limit_exceeded"], answer["written"], answer["rejected"]) == (True, False, 4)
    said = f"max_removed is 0.03, but 0.03333 of the rows would go; {tmp_path / 'kept'}: not written; --force writes"
    assert said in done.stderr and "kept rows" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith(("manifest: ", "report: "))] == [
        f"manifest: {tmp_path / 'm'}", f"report: {tmp_path / 'r'}",
    ]  # fmt: skip
    assert names(tmp_path) == ["in.parquet", "m", "r"]
    dry = command(*args, "--max-removed", "0.03", "--dry-run")
    assert dry.exit_code == 1 and "0.03333 of the rows would go; a dry run writes no rows" in dry.stderr

    done = command(*args, "--max-removed", "0.03", "--force")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["limit_exceeded"], answer["written"]) == (1, True, True)
    assert "written all the same" in done.stderr
    assert names(tmp_path) == ["in.parquet", "kept", "m", "r"]


def test_a_class_that_loses_more_than_its_limit(source, voters, tmp_path):
    """Each class has 40 rows, and those of WRONG: 4 of 120 in all, but more of one class than of another."""
    args = [source, tmp_path / "kept", "--voters", voters, "--max-removed-class"]
    done = command(*args, "0.02")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["limit_exceeded"], answer["max_removed_class"]) == (1, True, 0.02)
    most = max(Counter(small.labels()[small.WRONG].tolist()).items(), key=lambda one: one[1])
    rows = int((small.labels() == most[0]).sum())
    said = f"max_removed_class is 0.02, but {most[1] / rows:.4g} of class {small.NAMES[most[0]]} would go ({most[1]} of"
    assert f"{said} {rows} rows), and too many of " in done.stderr
    assert names(tmp_path) == ["in.parquet"]
    assert command(*args, repr(most[1] / rows)).exit_code == 0
    wrong = command(*args, "1.5")
    assert wrong.exit_code == 2 and "--max-removed-class is 1.5; must be a number in [0, 1]" in wrong.stderr


def test_the_summary_is_there_whatever_comes_out(source, voters, tmp_path):
    place = tmp_path / "s.json"
    given = [source, tmp_path / "kept", "--voters", voters, "--summary", place]
    done = command(*given)
    first, said = place.read_bytes(), json.loads(done.stdout)
    assert done.exit_code == 0 and said.keys() - json.loads(first).keys() == {"seconds"}
    assert {**json.loads(first), "seconds": said["seconds"]} == said
    assert command(*given).exit_code == 0 and place.read_bytes() == first
    assert command(*given, "--timings").exit_code == 0 and json.loads(place.read_bytes())["seconds"] > 0
    assert command(*given, "--dry-run").exit_code == 0 and json.loads(place.read_bytes())["written"] is False
    (tmp_path / "kept").unlink()
    beyond = command(*given, "--max-removed", "0.03")
    assert beyond.exit_code == 1 and json.loads(place.read_bytes())["limit_exceeded"] is True
    assert names(tmp_path) == ["in.parquet", "s.json"]


def test_a_run_that_fails_leaves_no_summary_that_passes(source, voters, tmp_path):
    place = tmp_path / "s.json"
    given = [source, tmp_path / "kept", "--summary", place]
    assert command(*given, "--voters", voters).exit_code == 0
    assert CliRunner().invoke(app, ["gate", str(place)]).exit_code == 0
    assert command(*given, "--voters", tmp_path / "none").exit_code == 3
    done = CliRunner().invoke(app, ["gate", str(place)])
    assert done.exit_code == 3 and "is of a run that failed: " in done.stderr and "--save-voters" in done.stderr


def test_where_no_summary_goes(source, voters, tmp_path):
    given = [source, tmp_path / "k", "--voters", voters, "--rejected", tmp_path / "r"]
    for more in (
        ["--summary", tmp_path / "s.csv"],
        ["--summary", "s3://b/s.json"],
        ["--timings"],
        ["--report", "s3://b/p"],
    ):
        assert command(*given, *more).exit_code == 2
    same = command(*given, "--manifest", tmp_path / "m.json", "--summary", tmp_path / "m.json")
    assert same.exit_code == 2 and names(tmp_path) == ["in.parquet"]


def test_at_the_limit_all_is_well(source, voters, tmp_path):
    done = command(source, tmp_path / "kept", "--voters", voters, "--max-removed", repr(WRONG_PART))
    assert done.exit_code == 0
    assert json.loads(done.stdout)["max_removed"] == WRONG_PART


def test_a_dry_run_writes_no_rows(source, voters, tmp_path):
    done = command(source, "--dry-run", "--voters", voters)
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["rejected"], answer["written"]) == (0, 4, False)
    assert names(tmp_path) == ["in.parquet"]
    done = command(source, tmp_path / "kept", "--dry-run", "--voters", voters, "--manifest", tmp_path / "m")
    assert done.exit_code == 0 and "kept rows" not in done.stderr
    assert names(tmp_path) == ["in.parquet", "m"]
    written = scored(source, tmp_path / "out", voters)
    other = {"seconds": 0, "written": 0, "outputs": 0}
    assert written.as_json() | other == answer | other
    assert answer["outputs"] == dict.fromkeys(("kept", "rejected", "manifest", "report", "voters"))
    assert (tmp_path / "m").read_bytes() == (tmp_path / "out" / "manifest").read_bytes()


def test_the_page_shows_what_was_rejected_and_escapes_it(tmp_path):
    given = pq.read_table(small.vector_file(tmp_path / "plain.parquet"))
    bad = [f"<script>{name}</script>" for name in given["label"].to_pylist()]
    pq.write_table(given.set_column(2, "label", pa.array(bad)), tmp_path / "in.parquet")
    for out in ("a", "b"):
        filter_file(
            tmp_path / "in.parquet", None, INLINE, options=Options(dry_run=True, report=tmp_path / out), map=inline
        )
    page = (tmp_path / "a").read_text()
    assert page == (tmp_path / "b").read_text()
    assert "<script>cat" not in page and "<bdi>&lt;script&gt;cat&lt;/script&gt;</bdi>" in page
    assert "<h1>4 of 120 rows dropped (3.3%)</h1>" in page
    data = page_data(page)
    assert sorted(row for row, keep in zip(data["row"], data["keep"], strict=True) if not keep) == small.WRONG


def test_the_page_shows_images(tmp_path):
    source = small.image_file(tmp_path / "in.parquet")
    voters = image_voters(tmp_path)
    summary = scored(source, tmp_path / "out", voters, report=tmp_path / "page.html")
    data = page_data((tmp_path / "page.html").read_text())
    assert summary.rejected == 4 and min(data["picture"]) == 0 and len(data["sheets"]["sources"]) == 1


def test_voters_saved_give_the_same_bytes_and_the_same_verdicts(source, voters, tmp_path):
    (tmp_path / "again").mkdir()
    again = vector_voters(tmp_path / "again")
    assert (again / "voters.safetensors").read_bytes() == (voters / "voters.safetensors").read_bytes()
    scored(source, tmp_path / "out", voters)
    manifest = pq.read_table(tmp_path / "out" / "manifest")
    assert np.flatnonzero(~manifest["keep"].to_numpy()).tolist() == small.WRONG
    filter_file(source, tmp_path / "kept", INLINE, manifest=tmp_path / "manifest", map=inline)
    fitted = pq.read_table(tmp_path / "manifest")
    found, whole = (t.select(["voters", "support", "agreement"]).to_pandas() for t in (manifest, fitted))
    all_asked = (found["voters"] == 3).to_numpy()  # of two voters of one mind the third is not asked
    assert all_asked.sum() >= len(small.WRONG)
    assert found[all_asked].equals(whole[all_asked])
    assert (found[~all_asked] == 2).all(axis=None)
    assert (whole[~all_asked]["support"] >= 2).all()


def test_saving_voters_changes_no_verdict(source, tmp_path):
    for name, options in (("a", Options()), ("b", Options(save_voters=tmp_path / "voters"))):
        filter_file(source, tmp_path / name, INLINE, manifest=tmp_path / f"m{name}", options=options, map=inline)
    assert (tmp_path / "ma").read_bytes() == (tmp_path / "mb").read_bytes()


def test_a_label_that_the_voters_do_not_know(source, voters, tmp_path):
    labels = pq.read_table(source)["label"].to_pylist()
    labels[5] = "dog"
    odd = pq.read_table(source).set_column(2, "label", pa.array(labels))
    pq.write_table(odd, tmp_path / "odd.parquet")
    summary = scored(tmp_path / "odd.parquet", tmp_path / "out", voters)
    assert summary.reasons["unreadable"] == 1
    reason = pq.read_table(tmp_path / "out" / "manifest")["reason"][5].as_py()
    assert reason == "unreadable: label column 'label': is 'dog', which is none of the classes"


def test_the_voters_need_their_columns(source, voters, tmp_path):
    table = pq.read_table(source)
    pq.write_table(table.rename_columns(["id", "vectors", "label", "note"]), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match=r"has 0 columns 'features'; the voters need one"):
        scored(tmp_path / "a.parquet", tmp_path / "out", voters)
    pq.write_table(table.set_column(1, "features", table["id"]), tmp_path / "b.parquet")
    with pytest.raises(
        BadInput, match=r"'features' has type string; the voters were fitted to a column of kind vector"
    ):
        scored(tmp_path / "b.parquet", tmp_path / "out", voters)


def changed(voters, path, **about):
    with safe_open(voters / "voters.safetensors", framework="numpy") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = json.loads(file.metadata()["sanitize"])
    save_file(arrays, path, metadata={"sanitize": json.dumps({**metadata, **about})})
    return path


def test_voters_that_are_none(source, voters, tmp_path):
    for blob in (b"", b"pickle", (voters / "voters.safetensors").read_bytes()[:-5]):
        (tmp_path / "voters.safetensors").write_bytes(blob)
        with pytest.raises(BadInput, match=r"voters\.safetensors: holds no voters \(.*; make it with --save-voters"):
            scored(source, tmp_path / "out", tmp_path)
    with pytest.raises(BadInput, match=r"no such file; make it with --save-voters"):
        scored(source, tmp_path / "out", tmp_path / "nowhere")
    (tmp_path / "voters.safetensors").unlink()
    with pytest.raises(BadInput, match=r"no such file; make it with --save-voters"):
        scored(source, tmp_path / "out", tmp_path)


def test_voters_never_choose_a_class_to_import(source, voters, tmp_path):
    learner = {**INLINE.learner.model_dump(mode="json"), "name": "sklearn", "model": "antigravity:fly"}
    place = changed(voters, tmp_path / "odd", learner=learner)
    with pytest.raises(BadInput, match=r"names the learner sklearn, model 'antigravity:fly', which cannot be stored"):
        scored(source, tmp_path / "out", place)


def test_voters_that_do_not_fit_their_network(source, voters, tmp_path):
    place = changed(voters, tmp_path / "odd", learner={**INLINE.learner.model_dump(mode="json"), "net": "linear"})
    with pytest.raises(BadInput, match=r"voters: stored weights do not fit learner.net 'linear'"):
        scored(source, tmp_path / "out", place)
    with pytest.raises(BadInput, match=r"lacks arrays of its judges"):
        scored(source, tmp_path / "out", changed(voters, tmp_path / "odd", judges=7))


def test_ones_own_predictions_are_one_more_voter(source, voters, tmp_path):
    """Row 0 is an ant; predictions that call it a bee add a voter against it, predictions that agree one for it."""
    sure = np.full((small.ROWS, 3), 0.1)
    sure[np.arange(small.ROWS), small.labels()] = 0.8
    sure[0] = [0, 1, 0]
    np.save(tmp_path / "own.npy", sure.astype(np.float32))
    columns = {name: sure[:, place] for place, name in enumerate(small.NAMES)}
    pq.write_table(pa.table(columns), tmp_path / "own.parquet")
    pq.write_table(pa.table({"p": list(sure)}), tmp_path / "list.parquet")
    found = []
    for place in ("own.npy", "own.parquet", "list.parquet"):
        scored(source, tmp_path / f"out-{place}", voters, pred_probs=tmp_path / place)
        found.append(pq.read_table(tmp_path / f"out-{place}" / "manifest"))
    scored(source, tmp_path / "plain", voters)
    plain = pq.read_table(tmp_path / "plain" / "manifest")
    assert (plain["voters"][0].as_py(), plain["support"][0].as_py()) == (2, 2)  # the third need not be asked
    for manifest in found:
        assert [manifest[name][0].as_py() for name in ("voters", "support", "agreement")] == [4, 3, 3]
        assert [n + 1 for n in plain["voters"].to_pylist()][1:] == manifest["voters"].to_pylist()[1:]
        gain = manifest["support"].to_numpy() - plain["support"].to_numpy()
        assert gain.tolist()[1:] == [1] * (small.ROWS - 1)
    assert found[0].equals(found[1]) and found[0].equals(found[2])

    summary = filter_file(
        source, tmp_path / "kept", INLINE, options=Options(pred_probs=tmp_path / "own.npy"), map=inline
    )
    assert summary.parameters_sha256 != INLINE.sha256()


def test_predictions_that_cannot_be_used(source, voters, tmp_path):
    def refused(values, words):
        np.save(tmp_path / "own.npy", values)
        with pytest.raises(BadInput, match=words):
            scored(source, tmp_path / "out", voters, pred_probs=tmp_path / "own.npy")

    refused(np.ones((119, 3)), r"holds float64 \[119, 3\]; must be floats \[120, 3\]: .* \(ant, bee, cat\)")
    refused(np.ones((120, 2)), r"holds float64 \[120, 2\]")
    refused(np.ones((120, 3), int), r"holds int64")
    refused(np.zeros((120, 3)), "row 0 is .* must be probabilities: at least 0, finite, one above 0")
    refused(np.full((120, 3), np.nan), "row 0 is .* must be probabilities")
    np.save(tmp_path / "own.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(
        BadInput, match=r"own.npy: cannot be read as .npy \(Array can't be memory-mapped: Python objects"
    ):
        scored(source, tmp_path / "out", voters, pred_probs=tmp_path / "own.npy")
    pq.write_table(pa.table({"a": [1.0]}), tmp_path / "own.parquet")
    with pytest.raises(BadInput, match=r"must be one list of 3 numbers, or one column per class"):
        scored(source, tmp_path / "out", voters, pred_probs=tmp_path / "own.parquet")


def test_a_sample_is_fitted_and_all_rows_are_scored(source, tmp_path):
    for name, engine in (("a", "inline"), ("b", "processes")):
        params = INLINE.model_copy(update={"engine": engine, "workers": 2})
        summary = filter_file(
            source, tmp_path / name, params, manifest=tmp_path / f"m{name}", options=Options(fit_rows=90), map=inline
        )
        assert (summary.rows, summary.kept + summary.rejected) == (120, 120)
        assert summary.parameters_sha256 != INLINE.sha256()
    assert (tmp_path / "ma").read_bytes() == (tmp_path / "mb").read_bytes()
    dropped = np.flatnonzero(~pq.read_table(tmp_path / "ma")["keep"].to_numpy()).tolist()
    assert set(small.WRONG) <= set(dropped)
    assert len(dropped) <= 6


def test_embeddings_are_looked_at_in_place_of_images(tmp_path):
    images = pq.read_table(small.image_file(tmp_path / "images.parquet"))
    table = images.append_column("emb", pa.array(list(small.vectors()), pa.list_(pa.float32())))
    pq.write_table(table, tmp_path / "in.parquet")
    quick = small.quick_file(tmp_path / "quick.yaml")
    done = command(tmp_path / "in.parquet", "--dry-run", "--embeddings", "emb", "--params", quick)
    answer = json.loads(done.stdout)
    assert (answer["modality"], answer["input_columns"], answer["rejected"]) == ("vector", ["emb"], 4)
    assert "vector columns 'emb' as named; not looked at: 'image'" in done.stderr


def test_the_pipelines_decisions_are_not_looked_at_and_that_is_said(source, voters, tmp_path):
    small.quick_file(tmp_path / "p.yaml", data={"overrides": "none.csv"})
    done = command(source, tmp_path / "kept", "--voters", voters, "--params", tmp_path / "p.yaml")
    assert done.exit_code == 0 and json.loads(done.stdout)["rejected"] == 4
    assert (
        "data.overrides names decisions on the pipeline's rows, and is not looked at here; --overrides" in done.stderr
    )
