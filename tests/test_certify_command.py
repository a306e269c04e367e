"""`sanitize certify`: what stands on stdout and stderr, options over files, exit codes."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from sanitize.certify_command import certify_command
from sanitize.data.parquet import vector_table, write_arrow

app = typer.Typer(pretty_exceptions_enable=False)
app.command("certify")(certify_command)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Class a at 0 (6 rows), class b at 10 (5 rows); tests at 1 (a) and 9 (b)."""
    monkeypatch.chdir(tmp_path)
    places = np.array([0] * 6 + [10] * 5, np.float32)[:, None]
    write_arrow(vector_table(places, np.array([0] * 6 + [1] * 5), ("a", "b")), "train.parquet")
    write_arrow(vector_table(np.array([[1], [9]], np.float32), np.array([0, 1]), ("a", "b")), "test.parquet")
    return tmp_path


def call(*options, train="train.parquet", test="test.parquet"):
    return CliRunner().invoke(app, [train, test, *options])


def test_the_table_by_hand(files):
    """Votes (6, 0) and (0, 5): gaps 6 and 6, sizes 2 and 2; at 3 three removals for each of two labels are too many."""
    done = call("--method", "rnn", "--radius", "1", "--poisoning-size", "2,3,10")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[:7] == [
        "rnn: distance l1, features vector, dimensions 1, bits 32, radius 1.0",
        "11 training rows, 2 test rows; accuracy without poison 100.0%; certified accuracy:",
        "",
        "poisoning size  individual  random_groups  island  global  label_budgets",
        "             2      100.0%         100.0%  100.0%  100.0%         100.0%",
        "             3        0.0%          50.0%   50.0%   50.0%          50.0%",
        "            10        0.0%           0.0%    0.0%    0.0%           0.0%",
    ]
    assert "confidence: certain" in done.stdout and "covers every training set within" in done.stdout
    assert "votes: 1/1" in done.stderr and "votes" not in done.stdout


def test_json_and_radii(files):
    done = call("--k", "5", "--poisoning-size", "0,2", "--json", "--quiet", "--out", "out/radii.parquet")
    assert done.exit_code == 0 and done.stderr == ""
    (line,) = done.stdout.splitlines()
    document = json.loads(line)
    assert document["method"] == "knn" and document["settings"]["k"] == 5
    assert document["certified_accuracy"]["individual"] == {"0": 1.0, "2": 1.0}  # gaps 5 and 6
    assert pq.read_table("out/radii.parquet")["radius"].to_pylist() == [2, 2]


def test_notes_go_to_stderr(files):
    done = call("--k", "12", "--poisoning-size", "0", "--labels-fixed")
    assert "note: certify.k is 12, and there are 11 training rows: all of them vote" in done.stderr
    assert "labels_fixed: the user vouches" in done.stdout and "note" not in done.stdout


def test_options_win_over_a_file(files):
    (files / "p.yaml").write_text("certify: {k: 3, poisoning_sizes: [1]}")
    (files / "params.yaml").write_text("certify: {k: 2}")
    documents = [json.loads(call("--params", "p.yaml", "--json", *more).stdout) for more in ([], ["--k", "5"])]
    assert [one["settings"]["k"] for one in documents] == [3, 5]
    assert [list(one["certified_accuracy"]["individual"]) for one in documents] == [["1"], ["1"]]


def test_bagging_states_its_confidence(files):
    (files / "p.yaml").write_text("learner: {name: sklearn}")
    options = ("--method", "bagging", "--members", "5", "--bag", "4", "--alpha", "0.01", "--engine", "inline")
    done = call(*options, "--params", "p.yaml", "--poisoning-size", "0")
    assert done.exit_code == 0 and "confidence: all certificates together, 99%" in done.stdout
    assert "base learners: 5/5" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--k", "0"], 2, "certify.k is 0; must be a whole number in [1, inf)"),
        (["--method", "rnn", "--radius", "-1"], 2, "command line: certify.radius is -1"),
        (["--method", "svm"], 2, "method is 'svm'; must be one of knn, rnn, dpa"),
        (["--poisoning-size", "5,x"], 2, "--poisoning-size is '5,x'; must be whole numbers with commas"),
        (["--distance", "l3"], 2, "certify.distance is 'l3'; must be 'l1', 'l2' or 'cosine'"),
        (["--label", "digit"], 3, "test.parquet: no column 'digit'"),
        (["--address", "a:1"], 2, "address is 'a:1', but engine is 'processes'; only engine 'ray' has one"),
        (["--out", "train.parquet"], 2, "output train.parquet is the input train.parquet"),
    ],
)
def test_errors_have_a_message_and_a_code(files, options, code, message):
    done = call("--poisoning-size", "0", "--k", "5", *options, "--json")
    assert done.exit_code == code
    told = json.loads(done.stdout)
    assert message in told["error"] and told["exit_code"] == code
    assert f"sanitize: {told['error']}" in done.stderr


def test_a_missing_test_file_is_input(files):
    done = call(test="nothing.parquet")
    assert done.exit_code == 3 and done.stdout == "" and "nothing.parquet: no such file" in done.stderr


def test_usage_is_2(files):
    assert CliRunner().invoke(app, ["train.parquet"]).exit_code == 2
