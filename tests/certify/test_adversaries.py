"""Certificates end to end: training files changed within the poisoning size, certified again by the command's code."""

import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from tests.certify.adversaries import SIZES, Answer, broken, certified, tried, world, write

SETS = {"knn": 40, "rnn": 40, "dpa": 32, "finite_aggregation": 32, "run_off": 32, "bagging": 8}


@pytest.mark.parametrize("method", SETS)
@pytest.mark.filterwarnings("ignore")  # scikit-learn's about rows at the end of float32
def test_no_attack_within_the_size_changes_what_is_certain(method, tmp_path):
    counts, wrong = tried(tmp_path, method, range(SETS[method] // 4), 4)
    assert wrong == []
    assert counts["sets"] > SETS[method] / 2 and counts["certain"] >= SETS[method] / 4 and counts["joint"]


def test_an_attack_beyond_the_size_would_be_seen(tmp_path):
    """The same attacks against certificates that promise two rows more."""
    assert any("became" in one for one in tried(tmp_path, "knn", range(6), 4, bold=2)[1])


def test_the_command_says_the_same_in_a_process_of_its_own(tmp_path):
    method = "finite_aggregation"
    given = world(method, 6)
    before = certified(tmp_path, given.train, given)
    rows = [((0.0,) * len(given.train[0][0]), "!"), *given.train]
    write(tmp_path / "poisoned.parquet", rows, given.image)
    settings = {name: given.params.model_dump(mode="json")[name] for name in ("certify", "ensemble", "learner", "seed")}
    (tmp_path / "params.yaml").write_text(json.dumps(settings))
    options = ["--method", method, "--params", "params.yaml", "--engine", "inline", "--out", "radii.parquet", "--json"]
    command = [sys.executable, "-m", "sanitize", "certify", "poisoned.parquet", "test.parquet", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    radii = pq.read_table(tmp_path / "radii.parquet").to_pydict()
    after = Answer(before.summary, radii["label"], radii["prediction"], radii["radius"])
    assert broken(before, after, 0, 1) == [] and any(radius >= 1 for radius in before.radius)
    assert list(json.loads(done.stdout)["certified_accuracy"]["individual"]) == [str(size) for size in SIZES]
