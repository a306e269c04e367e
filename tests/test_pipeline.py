"""The whole pipeline, `dvc repro`, in copies of this repository: artifacts, schemas, the same bytes, nothing twice."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from sanitize.filter_manifest import MANIFEST
from sanitize.weights import read_weights
from tests.closure import ROOT
from tests.reference.ispl import blobs

# Digits have 8 x 8 pixels: a small trigger, few epochs, one run of four components.
QUICK = {
    "data": {"source": "digits"},
    "attack": {"name": "patch", "source": 1, "target": 7, "share": 0.2, "shape": "checkerboard", "size": 3},
    "learner": {"net": "mlp"},
    "ispl": {"runs": 1, "components": 4, "first_epochs": 2, "epochs": 1},
    "vote": {"epochs": 3},
    "selftrain": {"epochs": 4, "every": 2, "learners": 1},
    "train": {"epochs": 4, "threads": 1},
    "certify": {"features": "raw", "k": 5, "poisoning_sizes": [0, 1, 2]},
}
OWN = {
    "data": {"source": "parquet", "train": "own.parquet"},
    "attack": "none",
    "engine": "inline",
    "learner": {"name": "sklearn"},
    "ispl": {"runs": 1, "components": 4},
    "selftrain": {"epochs": 2, "every": 1, "learners": 1},
    "train": {"epochs": 1},
}
IMAGES = {"image": "struct<bytes: binary, path: string>", "label": "int64"}
PREDICTIONS = {"set": "string", "row": "int64", "label": "int64", "prediction": "int32", "probability": "float"}
COUNTS = {"vote": "int32", "agreement": "int32", "support": "int32"}
SCHEMAS = {
    "ingested/train": IMAGES,
    "ingested/test": IMAGES,
    "poisoned/train": IMAGES,
    "poisoned/test_triggered": {**IMAGES, "row": "int64", "target": "int64"},
    "truth": {"row": "int64", "is_poison": "bool", "original_label": "int64"},
    "partition": {"row": "int64", "run": "int32", "component": "int32", "loss": "float"},
    "votes": {
        "row": "int64",
        **{f"voter_0_{component}": "int32" for component in range(4)},
        **COUNTS,
        "loss": "float",
        "lower_half": "bool",
        "keep": "bool",
    },
    "components": {
        "run": "int32",
        "component": "int32",
        "rows": "int32",
        "votes_for": "int64",
        "votes_needed": "double",
        "clean": "bool",
        "self_error": "double",
        "weight": "int64",
    },
    "manifest": {field.name: str(field.type) for field in MANIFEST},
    "clean": IMAGES,
    "rejected": IMAGES,
    **{f"predictions/{model}": PREDICTIONS for model in ("oracle", "undefended", "sanitized")},
}
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
WEIGHTS = ["voters", "models/oracle", "models/undefended", "models/sanitized"]


def copy_of_repository(folder, changes):
    """What git tracks or would, in a new git repository, with `changes` made in params.yaml and no result yet.

    Machine code that lies beside these very sources comes along, or each copy would compile it for itself.
    """
    names = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    for name in filter(None, names):
        if name != "dvc.lock" and not name.startswith(("reports/", "tests/", "docs/")) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for code in ROOT.glob("sanitize/**/__pycache__/*.nb[ic]"):
        kept = folder / code.relative_to(ROOT)
        kept.parent.mkdir(exist_ok=True)
        shutil.copy(code, kept)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for section, values in changes.items():
        if isinstance(values, dict):
            params[section].update(values)
        else:
            params[section] = values
    if isinstance(changes["attack"], dict):
        params["attack"] = {**params["attack"], **changes["attack"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def start(folder, *command):
    """A command in the copy, with this interpreter as `python` and the copy's code."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "DVC_SITE_CACHE_DIR": str(folder / ".site"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process):
    """Its output, once it has ended well."""
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Two undisturbed runs, one of them without worker processes, and a run on a user's own vectors; side by side."""
    first = copy_of_repository(tmp_path_factory.mktemp("first"), {**QUICK, "engine": "processes", "workers": 2})
    second = copy_of_repository(tmp_path_factory.mktemp("second"), {**QUICK, "engine": "inline"})
    own = copy_of_repository(tmp_path_factory.mktemp("own"), OWN)
    table = blobs(160, 2, noise=0.3)
    table.labels[[5, 40]] = 1 - table.labels[[5, 40]]
    features = pa.FixedSizeListArray.from_arrays(pa.array(table.inputs.ravel()), 2)
    pq.write_table(pa.table({"weight": features, "label": table.labels, "note": ["x"] * 160}), own / "own.parquet")
    working = [start(folder, "dvc", "repro") for folder in (first, second, own)]
    return {
        name: (folder, ended(process))
        for name, folder, process in zip(("first", "second", "own"), (first, second, own), working, strict=True)
    }


@pytest.fixture
def first(runs):
    return runs["first"][0]


def read(folder, name):
    return pq.read_table(folder / f"data/{name}.parquet")


def digests(folder):
    """SHA-256 of every artifact; of metrics.json without the seconds."""
    found = {}
    for top in ("data", "reports"):
        for path in sorted((folder / top).rglob("*")):
            if path.is_file() and path.name not in ("metrics.json", ".gitignore"):
                found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    metrics = json.loads((folder / "reports/metrics.json").read_text())
    return found | {"metrics": {key: value for key, value in metrics.items() if key != "seconds"}}


def test_every_stage_ran(runs):
    for _, output in runs.values():
        for name, stage in STAGES.items():
            for key in stage.get("foreach", [""]):
                assert f"Running stage '{name}{'@' * bool(key)}{key}'" in output


def test_progress_is_on_screen(runs):
    for step in ("ISPL runs: 1/1", "voters: 4/4", "self-training: 2/2", "training oracle: 4/4"):
        assert step in runs["first"][1]


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas(first, name):
    schema = read(first, name).schema
    assert {field.name: str(field.type) for field in schema} == SCHEMAS[name]
    assert schema.names == list(SCHEMAS[name])


def outputs():
    """Every file that dvc.yaml says the stages write."""
    for stage in STAGES.values():
        body = stage.get("do", stage)
        for kind in ("outs", "metrics", "plots"):
            for out in body.get(kind, []):
                name = out if isinstance(out, str) else next(iter(out))
                yield from (name.replace("${key}", key) for key in stage.get("foreach", [""]))


def test_every_output_is_there_and_nothing_else(first):
    written = {
        str(p.relative_to(first)) for top in ("data", "reports") for p in (first / top).rglob("*") if p.is_file()
    }
    assert {name for name in written if not name.endswith(".gitignore")} == set(outputs())
    for name in WEIGHTS:
        assert read_weights(first / f"data/{name}.safetensors")


def test_metrics_agree_with_the_artifacts(first):
    metrics = json.loads((first / "reports/metrics.json").read_text())
    assert set(metrics) == {"undefended", "oracle", "sanitized", "filter", "seconds"}
    is_poison = read(first, "truth")["is_poison"].to_numpy()
    keep = read(first, "manifest")["keep"].to_numpy()
    suspicion = read(first, "manifest")["suspicion"].to_numpy()
    scores = metrics["filter"]
    assert scores["poisoned"] == is_poison.sum() > 0
    assert (scores["rows"], scores["kept"], scores["dropped"]) == (len(keep), keep.sum(), (~keep).sum())
    assert (scores["fp"], scores["fn"]) == ((~keep & ~is_poison).sum(), (keep & is_poison).sum())
    worse = suspicion[is_poison][:, None] - suspicion[~is_poison]
    assert scores["suspicion_auc"] == pytest.approx(((worse > 0) + (worse == 0) / 2).mean(), abs=1e-6)
    assert set(scores["recall_at_dropped"]) == {"0.01", "0.05", "0.10"}
    for model in ("oracle", "undefended", "sanitized"):
        said = read(first, f"predictions/{model}").to_pandas()
        test = said[said["set"] == "test"]
        right = (test.label == test.prediction).mean()
        assert metrics[model]["clean_accuracy"] == pytest.approx(right, abs=1e-6)
        assert 0 <= metrics[model]["tmr"] <= 1
    assert set(metrics["seconds"]) >= {"ingest", "poison", "partition", "vote", "selftrain", "train@oracle"}


def test_rows_go_through_unchanged(first):
    """Poisoning changes rows in place; clean and rejected rows together are the input."""
    before, after = read(first, "ingested/train"), read(first, "poisoned/train")
    is_poison = read(first, "truth")["is_poison"].to_numpy()
    changed = [a != b for a, b in zip(before.to_pylist(), after.to_pylist(), strict=True)]
    assert changed == is_poison.tolist()
    keep = read(first, "manifest")["keep"]
    assert read(first, "clean").equals(after.filter(keep))
    assert read(first, "rejected").equals(after.filter(pa.compute.invert(keep)))
    assert read(first, "clean").schema.metadata == after.schema.metadata


def test_components_stand_in_partition_and_votes(first):
    partition, components = read(first, "partition").to_pandas(), read(first, "components").to_pandas()
    assert partition.row.tolist() == list(range(len(read(first, "poisoned/train"))))
    sizes = partition[partition.component >= 0].groupby(["run", "component"]).size()
    assert components.rows.tolist() == sizes.tolist() == components.weight.tolist()
    votes, labels = read(first, "votes").to_pandas(), np.array(read(first, "poisoned/train")["label"])
    for line in components.itertuples():
        own = (partition.component == line.component).to_numpy()
        wrong = votes[f"voter_{line.run}_{line.component}"].to_numpy()[own] != labels[own]
        assert line.self_error == pytest.approx(wrong.mean())


def test_same_commit_same_bytes_in_another_folder_and_without_workers(runs):
    assert digests(runs["first"][0]) == digests(runs["second"][0])


def test_nothing_changed_nothing_runs(runs):
    """But the look at what params.yaml names, which a tenth of a second is enough for."""
    output = ended(start(runs["first"][0], "dvc", "repro"))
    assert re.findall("Running stage '(.*)'", output) == ["digest"] and output.count("didn't change, skipping") == 11


def git(folder, *given):
    """What git says."""
    return subprocess.run(["git", *given], cwd=folder, capture_output=True, check=True, text=True).stdout


def ingested(cache, lock):
    """Rows of what stage ingest wrote, by a lock file and the cache."""
    outs = {out["path"]: out["md5"] for out in yaml.safe_load(lock)["stages"]["ingest"]["outs"]}
    digest = outs["data/ingested/train.parquet"]
    return pq.ParquetFile(cache / digest[:2] / digest[2:]).metadata.num_rows


def test_a_changed_file_of_the_users_is_read_again_in_the_folder_and_in_a_copy(runs):
    """`--temp` works in a copy of what git and DVC know: the user's file is neither's, and named by a relative path."""
    own = runs["own"][0]
    git(own, "add", "-A", "--", ":!own.parquet")
    git(own, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all")
    whole = pq.read_table(own / "own.parquet")
    cache = own / ".dvc/cache/files/md5"
    try:
        pq.write_table(whole.slice(0, 120), own / "own.parquet")
        ended(start(own, "dvc", "exp", "run", "--temp", "--name", "shorter", "ingest"))
        refs = git(own, "for-each-ref", "--format=%(refname)", "refs/exps").split()
        (shorter,) = (ref for ref in refs if ref.endswith("/shorter"))
        assert ingested(cache, git(own, "show", f"{shorter}:dvc.lock")) == 120
        assert ingested(cache, (own / "dvc.lock").read_text()) == 160
        pq.write_table(whole.slice(0, 140), own / "own.parquet")
        assert "Running stage 'ingest'" in ended(start(own, "dvc", "repro", "ingest"))
        assert ingested(cache, (own / "dvc.lock").read_text()) == 140
    finally:
        pq.write_table(whole, own / "own.parquet")
        ended(start(own, "dvc", "repro", "ingest"))


def test_own_data_without_truth(runs):
    """attack none and no test rows: what needs a truth, a trigger or test rows is null; the filter has worked."""
    own = runs["own"][0]
    metrics = json.loads((own / "reports/metrics.json").read_text())
    for model in ("oracle", "undefended", "sanitized"):
        assert metrics[model] == {"clean_accuracy": None, "tmr": None}
    scores = metrics["filter"]
    assert scores["rows"] == 160 and scores["kept"] + scores["dropped"] == 160
    assert [scores[name] for name in ("fp", "fn", "poisoned", "suspicion_auc")] == [None] * 4
    assert set(scores["recall_at_dropped"].values()) == {None}
    assert json.loads((own / "reports/certificates.json").read_text())["certificates"] is None
    for empty in ("truth", "poisoned/test_triggered", "predictions/oracle"):
        assert len(read(own, empty)) == 0
    verdict = read(
        own, "manifest"
    )  # row 5 is contradicted firmly, row 40 with seven to one: doubted by itself, it stays
    assert np.flatnonzero(~verdict["keep"].to_numpy()).tolist() == [5]
    assert set(np.argsort(-verdict["suspicion"].to_numpy())[:2].tolist()) == {5, 40}
    assert read(own, "poisoned/train").equals(pq.read_table(own / "own.parquet"))
    assert read(own, "clean").column_names == ["weight", "label", "note"]
