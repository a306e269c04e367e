"""Bad input, end to end: a message with name, value, bound and remedy; the exit code; no file made, none changed."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from sanitize.cli import app
from stages import ingest, partition
from tests import small
from tests.data.pictures import encoded, image_column

PARAMETERS, INPUT = 2, 3
ROOT = str(Path(__file__).parents[1])


def contents(folder: Path) -> dict[str, str]:
    """Every file of the folder with a digest of its bytes, what a stage notes for itself left out."""
    files = [p for p in folder.rglob("*") if p.is_file() and ".scratch" not in p.parts]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def refused(folder, args, code, words):
    """Run `sanitize filter … --json` in the folder; it must leave with `code`, say `words`, and change nothing."""
    before = contents(folder)
    done = CliRunner().invoke(app, ["filter", *(str(arg) for arg in args), "--json", "--quiet"])
    assert done.exit_code == code
    assert contents(folder) == before
    answer = json.loads(done.stdout)
    assert answer == {"schema_version": 1, "error": answer["error"], "exit_code": code}
    assert done.stderr == f"sanitize: {answer['error']}\n"
    for word in words:
        assert word in answer["error"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small.quick_file(tmp_path / "quick.yaml", engine="inline")
    small.vector_file(tmp_path / "in.parquet")
    return tmp_path


def quick(*more):
    outputs = ["out.parquet", "--rejected", "rejected.parquet", "--manifest", "manifest.parquet"]
    return ["in.parquet", *outputs, "--params", "quick.yaml", *more]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("isp: {runs: 1}", ["own.yaml: isp is no parameter", "ispl, learner", "did you mean ispl?"]),
        ("ispl: {rnus: 1}", ["own.yaml: ispl.rnus is no parameter", "momentum, runs", "did you mean ispl.runs?"]),
        ("ispl: {runs: three}", ["ispl.runs is 'three'", "must be a whole number in [1, 64]", "uses 3"]),
        ("ispl: {expansion: 1.4}", ["ispl.expansion is 1.4", "must be a number in (0, 1]", "uses 0.25"]),
        ("ispl: 5", ["own.yaml: ispl is 5", "must be a section"]),
        (
            "preset: best",
            ["own.yaml: preset is 'best'", "must be one of fast, paper, strong", "the default is 'strong'"],
        ),
        ("engine: threads", ["engine is 'threads'", "must be 'inline', 'processes' or 'ray'", "the default is"]),
        ("ispl: [", ["own.yaml: is not YAML"]),
        ("just words", ["own.yaml: must hold keys and values", "got str"]),
        (
            "{learner: {name: xgboost}, engine: inline}",
            ["learner.name is 'xgboost'", "must be one of sklearn, torch"],
        ),
    ],
)
def test_parameters_in_a_file(folder, text, words):
    (folder / "own.yaml").write_text(text)
    refused(folder, ["in.parquet", "out.parquet", "--params", "own.yaml"], PARAMETERS, words)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--params", "no.yaml"], ["no.yaml: no such file", "`sanitize init` writes one"]),
        (["--seed", "-1"], ["command line: seed is -1", "must be a whole number in [0, 9", "the default is 0"]),
        (["--preset", "best"], ["command line: preset is 'best'", "fast, paper, strong"]),
        (["--device", "gpu"], ["command line: learner.device is 'gpu'", "must be 'auto', 'cpu' or 'cuda'"]),
        (["--engine", "threads"], ["command line: engine is 'threads'", "must be 'inline', 'processes' or 'ray'"]),
        (["--workers", "0"], ["command line: workers is 0", "must be a whole number in [1, 1024]"]),
        (["--max-removed", "5"], ["--max-removed is 5", "must be a number in [0, 1]", "such as 0.05"]),
        (["--fit-rows", "1"], ["--fit-rows is 1", "must be at least 2"]),
        (["--on-bad-row", "drop"], ["--on-bad-row is 'drop'", "must be keep, reject or fail"]),
        (["--on-small-class", "drop"], ["--on-small-class is 'drop'", "must be keep, reject or fail"]),
        (["--least-class", "0"], ["--least-class is 0", "must be at least 1"]),
        (["--voters", "v", "--fit-rows", "50"], ["--voters and --fit-rows are given", "leave it out"]),
        (["--embeddings", "features", "--inputs", "features"], ["--embeddings is 'features' and --inputs is given"]),
        (["--image-size", "2"], ["data.image_size is 2", "must be a whole number in [4, 1024]"]),
        (["--net", "vgg"], ["learner.net is 'vgg'", "must be auto or one of cnn, linear, mlp"]),
        (["--net", "cnn"], ["learner.net is 'cnn'", "needs images", "use 'mlp' or 'linear' for 5 features"]),
        (["--inputs", "features,features"], ["data.inputs is ['features', 'features']", "must name each column once"]),
        (["--inputs", "label", "--label", "label"], ["data.inputs is ['label']", "must not hold the label column"]),
    ],
)
def test_parameters_on_the_command_line(folder, args, words):
    refused(folder, quick(*args), PARAMETERS, words)


def test_no_place_for_the_rows(folder):
    refused(folder, ["in.parquet"], PARAMETERS, ["no place for the kept rows", "name OUT, or ask for a dry run"])


@pytest.mark.parametrize("args", [[], ["in.parquet", "out.parquet", "--seed", "x"], ["a", "b", "--nett"]])
def test_usage(folder, args):
    before = contents(folder)
    done = CliRunner().invoke(app, ["filter", *args])
    assert (done.exit_code, done.stdout) == (PARAMETERS, "")
    assert "Usage:" in done.stderr
    assert contents(folder) == before


def test_cuda_where_there_is_none(folder):
    command = [sys.executable, "-m", "sanitize", "filter", *quick("--device", "cuda")]
    before = contents(folder)
    alone = {**os.environ, "PYTHONPATH": ROOT, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=alone)
    assert (done.returncode, done.stdout) == (PARAMETERS, "")
    assert done.stderr == (
        "sanitize: learner.device is 'cuda', but no CUDA device can be used here; set it to 'cpu' or 'auto'\n"
    )
    assert contents(folder) == before


def vectors(**changed):
    """The small vector file's columns, some of them changed."""
    table = pq.read_table("in.parquet")
    for name, values in changed.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, values if isinstance(values, pa.Array) else pa.array(values))
    return table


def labelled(values):
    return vectors(label=values)


def with_nan():
    features = small.vectors()
    features[17, 2] = np.nan
    return vectors(features=pa.array(list(features), pa.list_(pa.float32())))


def pictures(*odd):
    """Forty images of 4 x 3 pixels, the last ones as given."""
    blobs = [encoded()] * (40 - len(odd)) + list(odd)
    return pa.table({"image": image_column(blobs), "label": [0, 1] * 20})


THIRD = list(small.NAMES) * 40
DATA = {
    "one class": (
        lambda: labelled(["ant"] * 120),
        ["in.parquet: label column 'label' has one class only, 'ant'", "must have at least 2", "add rows"],
    ),
    "labels with fractions": (
        lambda: labelled([0.5, 1.5] * 60),
        ["label column 'label' is 0.5 in row 0", "labels that are numbers must be whole", "write the classes as text"],
    ),
    "no label column": (
        lambda: pq.read_table("in.parquet").rename_columns(["id", "features", "kind", "note"]),
        ["in.parquet: no label column found", "columns are 'id', 'features', 'kind', 'note'", "--label NAME"],
    ),
    "several label columns": (
        lambda: pq.read_table("in.parquet").append_column("target", pa.array(THIRD)),
        ["several columns could be the label: 'label', 'target'", "--label NAME"],
    ),
    "no input columns": (
        lambda: pq.read_table("in.parquet").drop_columns(["features"]),
        ["in.parquet: no input columns beside label 'label'", "needed is a column of images"],
    ),
    "no rows": (
        lambda: pq.read_table("in.parquet").slice(0, 0),
        ["in.parquet: has no rows", "must have at least 1"],
    ),
}
FAIL = ("--on-bad-row", "fail")
BAD_ROWS = {
    "null labels": (
        lambda: labelled([None if row in (3, 9) else name for row, name in enumerate(THIRD)]),
        ["in.parquet: row 3, label column 'label': is null", "mend or drop such rows, or let them be kept or rejected"],
    ),
    "a ClassLabel beyond its names": (
        lambda: labelled(pa.array([7, *[0, 1] * 59, 0])).replace_schema_metadata(
            {"huggingface": '{"info": {"features": {"label": {"_type": "ClassLabel", "names": ["ant", "bee"]}}}}'}
        ),
        ["in.parquet: row 0, label column 'label': is 7, which is none of the classes"],
    ),
    "NaN": (with_nan, ["in.parquet: row 17, column 'features': value 2 is nan", "must be finite", "drop such rows"]),
    "ragged vectors": (
        lambda: vectors(features=[[1.0, 2.0]] * 119 + [[1.0]]),
        ["row 119, column 'features': vector has 1 values, others have 2"],
    ),
    "a null vector": (lambda: vectors(features=[[1.0, 2.0]] * 119 + [None]), ["row 119, column 'features': is null"]),
    "an infinite number": (
        lambda: vectors(features=[row % 7 + 0.5 for row in range(118)] + [np.inf, 1e300]),
        ["row 118, column 'features': is inf; must lie within float32"],
    ),
    "a corrupt image": (
        lambda: pictures(encoded()[:-30]),
        ["row 39, column 'image': image is corrupt (PNG: image file is truncated)", "mend or drop such rows"],
    ),
    "an SVG": (lambda: pictures(b"<svg/>"), ["row 39, column 'image': image is corrupt or of another format than PNG"]),
    "a null image": (lambda: pictures(None), ["row 39, column 'image': image is null"]),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_rows_that_cannot_be_read_where_they_shall_fail(folder, name):
    make, words = BAD_ROWS[name]
    pq.write_table(make(), "new.parquet")
    os.replace("new.parquet", "in.parquet")
    refused(folder, quick(*FAIL), INPUT, words)


def test_a_class_too_small_to_judge_where_it_shall_fail(folder):
    pq.write_table(labelled(["ant"] * 60 + ["bee"] * 57 + ["cat"] * 3), "new.parquet")
    os.replace("new.parquet", "in.parquet")
    words = ["in.parquet: row 117, too few to judge: class cat has 3 rows", "mend or drop such rows"]
    refused(folder, quick("--on-small-class", "fail"), INPUT, words)


def test_when_hardly_a_row_can_be_read(folder):
    pq.write_table(pictures(*[b"no image"] * 36), "new.parquet")
    os.replace("new.parquet", "in.parquet")
    refused(folder, quick(), INPUT, ["4 of 40 rows looked at begin as an image; another begins with b'no image'"])
    words = ["in.parquet: of the rows that can be read class '0' has 2", "two classes with 4 rows each are needed",
             "36 rows cannot be read, such as in.parquet: row 4, column 'image': image is corrupt"]  # fmt: skip
    refused(folder, quick("--inputs", "image"), INPUT, words)


@pytest.mark.parametrize("name", DATA)
def test_data(folder, name):
    make, words = DATA[name]
    pq.write_table(make(), "new.parquet")
    os.replace("new.parquet", "in.parquet")
    refused(folder, quick(), INPUT, words)


def test_a_missing_file(folder):
    (folder / "in.parquet").unlink()
    refused(folder, quick(), INPUT, ["in.parquet: no such file", "check the path"])


def test_a_folder(folder):
    (folder / "in.parquet").unlink()
    (folder / "in.parquet").mkdir()
    refused(folder, quick(), INPUT, ["in.parquet: holds no parquet files", "name a file, or mend the path"])


@pytest.mark.parametrize("cut", [0, 100, -9])
def test_no_parquet_file(folder, cut):
    whole = (folder / "in.parquet").read_bytes()
    (folder / "in.parquet").write_bytes(whole[:cut])
    refused(folder, quick(), INPUT, ["in.parquet: cannot be read as parquet (", "write it again as a parquet file"])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--label", "kind"], ["in.parquet: no column 'kind'", "columns are 'id', 'features'", "(--label)"]),
        (["--inputs", "features,size"], ["in.parquet: no column 'size'", "columns are 'id'", "(--inputs)"]),
        (["--inputs", "note"], ["column 'note' has type list<", "an input must be an image", "leave it out"]),
        (["--embeddings", "id"], ["column 'id' has type string", "embeddings must be lists of numbers"]),
    ],
)
def test_columns_that_are_not_there_or_cannot_be_used(folder, args, words):
    refused(folder, quick(*args), INPUT, words)


@pytest.mark.parametrize("option", ["OUT", "--rejected", "--manifest"])
def test_an_output_is_the_input(folder, option):
    (folder / "link.parquet").symlink_to("in.parquet")
    args = ["in.parquet", *(["link.parquet"] if option == "OUT" else ["out.parquet", option, "link.parquet"])]
    words = ["output link.parquet is the input in.parquet", "name another file", "never overwritten"]
    refused(folder, args, PARAMETERS, words)


def test_two_outputs_are_one(folder):
    words = ["output out.parquet is named twice", "name one file for each output"]
    refused(folder, ["in.parquet", "out.parquet", "--manifest", "./out.parquet"], PARAMETERS, words)


@pytest.mark.parametrize("option", ["OUT", "--rejected", "--manifest"])
def test_an_output_folder_that_cannot_be(folder, option):
    below = "quick.yaml/out.parquet"  # nothing can be made below a file, not even by root
    args = ["in.parquet", *([below] if option == "OUT" else ["out.parquet", option, below])]
    words = [f"output {below}: ", "quick.yaml is no folder", "name another place"]
    refused(folder, args, INPUT, words)


def test_an_output_is_a_folder(folder):
    (folder / "out.parquet").mkdir()
    refused(folder, quick(), INPUT, ["output out.parquet is a folder", "name a file"])


def stage(folder, module, code, words):
    before = contents(folder)
    done = CliRunner().invoke(module.app, [])
    assert done.exit_code == code
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert contents(folder) == before


def test_a_stage_run_as_dvc_runs_it(folder):
    (folder / "params.yaml").write_text("ispl: {expansion: 1.4}")
    before = contents(folder)
    there = {**os.environ, "PYTHONPATH": ROOT}
    command = [sys.executable, "-m", "stages.partition"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=there)
    assert (done.returncode, done.stdout) == (PARAMETERS, "")
    assert done.stderr == (
        "partition: params.yaml: ispl.expansion is 1.4; must be a number in (0, 1]; the paper preset uses 0.25\n"
    )
    assert contents(folder) == before


def test_stages_without_parameters(folder):
    for module, name in ((partition, "partition"), (ingest, "ingest")):
        stage(folder, module, PARAMETERS, [f"{name}: params.yaml: no such file", "`sanitize init` writes one"])


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        ({"source": "imagenet"}, PARAMETERS, ["data.source is 'imagenet'", "must be one of cifar10, digits"]),
        ({"source": "parquet"}, PARAMETERS, ["data.train is null", "set it to your parquet file"]),
        ({"source": "parquet", "train": "no.parquet"}, INPUT, ["no.parquet: no such file", "check the path"]),
        ({"source": "parquet", "train": "quick.yaml"}, INPUT, ["quick.yaml: cannot be read as parquet"]),
        ({"source": "parquet", "train": "in.parquet", "label": "kind"}, INPUT, ["no column 'kind'", "data.label"]),
        (
            {"source": "parquet", "train": "in.parquet", "test": "other.parquet"},
            INPUT,
            ["other.parquet: label column 'label' is cow in row 0 (40 such rows)", "one of the classes 'ant', 'bee'"],
        ),
    ],
)
def test_stage_ingest(folder, data, code, words):
    pq.write_table(labelled(["cow", "bee", "cat"] * 40), "other.parquet")
    (folder / "params.yaml").write_text(yaml.safe_dump({"data": data}))
    stage(folder, ingest, code, words)


def test_stage_partition_with_data_that_no_component_can_share(folder):
    pq.write_table(labelled(["ant"] * 117 + ["bee"] * 3), "few.parquet")
    small.quick_file(folder / "params.yaml", engine="inline")
    before = contents(folder)
    done = CliRunner().invoke(partition.app, ["--train", "few.parquet"])
    assert done.exit_code == INPUT
    assert done.stderr == (
        "partition: class 'bee' has 3 rows; the voters need at least 4, one per component; "
        "lower ispl.components, or merge or remove the class\n"
    )
    assert contents(folder) == before
