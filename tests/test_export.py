"""`sanitize report --export`: what other tools read, whole or not there."""

import base64
import csv
import io
import json
import os
import signal
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.report.export import _cell
from sanitize.report_file import _new
from tests import small

FORMULA = "=HYPERLINK(1)"
UNLABELED = 118


def run(*words):
    return CliRunner().invoke(app, list(map(str, words)))


def judged(folder, table):
    pq.write_table(table, folder / "in.parquet")
    quick = ("--params", small.quick_file(folder / "quick.yaml", engine="inline"), "--quiet")
    done = run("filter", folder / "in.parquet", folder / "out", "--manifest", folder / "m", *quick)
    assert done.exit_code == 0, done.output
    return pq.read_table(folder / "m").to_pandas()


def exported(folder, kind, place, *words):
    return run("report", folder / "in.parquet", "--manifest", folder / "m", "--export", kind, "-o", place, *words)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """120 grey images of three classes that differ by a bar, some with the label of another; the last is damaged."""
    folder = tmp_path_factory.mktemp("images")
    draws, labels = np.random.default_rng(0), np.arange(120) % 3
    pixels = draws.integers(0, 60, (120, 12, 10), np.uint8)
    for row, label in enumerate(labels):
        pixels[row, 3 * label : 3 * label + 3] = 220
    given = labels.copy()
    given[small.WRONG] = (given[small.WRONG] + 1) % 3
    blobs = []
    for one in pixels:
        file = io.BytesIO()
        Image.fromarray(one).save(file, "PNG")
        blobs.append(file.getvalue())
    blobs[-1] = b"no image"
    names = [("ant", "<bee>", FORMULA)[label] for label in given]
    names[UNLABELED] = None
    table = pa.table({"image": blobs, "label": names})
    return folder, judged(folder, table), pixels


def test_fiftyone(images, tmp_path):
    folder, manifest, pixels = images
    done = exported(folder, "fiftyone", tmp_path / "fo")
    dropped = manifest[~manifest.keep]
    assert done.exit_code == 0 and f"{len(dropped)} rows for fiftyone" in done.output
    told = json.loads((tmp_path / "fo" / "labels.json").read_text())
    assert told["classes"] == ["<bee>", FORMULA, "ant"]
    readable = dropped[dropped.index != 119]
    assert len(told["labels"]) == len(readable) >= 4 and 119 in dropped.index
    for (name, one), row in zip(sorted(told["labels"].items()), readable.to_dict("records"), strict=True):
        drawn = np.asarray(Image.open(tmp_path / "fo" / "data" / f"{name}.png"))
        assert (drawn == pixels[row["row"]]).all()
        if row["row"] == UNLABELED:  # FiftyOne's parser takes it for unlabeled; {"label": null} for the class "None"
            assert one is None
            continue
        assert told["classes"][one["label"]] == row["label"]
        assert one["confidence"] == pytest.approx(1 - row["suspicion"])
        assert one["attributes"]["reason"] == row["reason"] and one["attributes"]["verdict"] == "drop"
    lines = list(csv.DictReader((tmp_path / "fo" / "labels.csv").open(newline="")))
    assert {line["label"] for line in lines} <= {"ant", "<bee>", f"'{FORMULA}", ""}
    assert UNLABELED in dropped.index
    assert [line["filepath"] for line in lines] == [f"data/{name}.png" for name in sorted(told["labels"])]


def test_a_killed_export_leaves_nothing_for_long(images, tmp_path):
    place = tmp_path / "fo"
    if not (child := os.fork()):
        with _new(place, file=False) as draft:
            (draft / "half").write_text("x")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not place.exists() and len(list(tmp_path.iterdir())) == 1
    assert exported(images[0], "fiftyone", place).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["fo"]
    assert sorted(path.name for path in place.iterdir()) == ["data", "labels.csv", "labels.json"]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff20"])
def test_signs_that_begin_a_formula(sign):
    assert _cell(f"{sign}cmd") == f"'{sign}cmd" and _cell(f"x{sign}") == f"x{sign}" and _cell("-1.5") == "-1.5"


def test_label_studio(images, tmp_path):
    folder, manifest, pixels = images
    assert exported(folder, "label-studio", tmp_path / "ls", "--all").exit_code == 0
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text())
    assert len(tasks) == 120
    for task, row in zip(tasks, manifest.to_dict("records"), strict=True):
        (prediction,) = task["predictions"]
        (result,) = prediction["result"]
        assert result["value"]["choices"] == ["keep" if row["keep"] else "drop"]
        assert task["data"]["row"] == row["row"] and task["data"]["reason"] == row["reason"]
    blob = base64.b64decode(tasks[5]["data"]["image"].removeprefix("data:image/png;base64,"))
    assert (np.asarray(Image.open(io.BytesIO(blob))) == pixels[5]).all()
    assert tasks[119]["data"]["image"] == "" and tasks[119]["predictions"][0]["score"] == 0
    view = ET.parse(tmp_path / "ls" / "config.xml").getroot()
    assert view.find("Image").get("name") == view.find("Choices").get("toName") == result["to_name"]
    assert view.find("Choices").get("name") == result["from_name"]
    assert {choice.get("value") for choice in view.iter("Choice")} == {"keep", "drop"}


def test_csv_defuses_formulas_and_is_replaced(tmp_path):
    table = pq.read_table(small.vector_file(tmp_path / "v.parquet"))
    names = [FORMULA if label == "ant" else label for label in table["label"].to_pylist()]
    first, second = np.array(table["features"].to_pylist())[:, :2].T
    table = pa.table({"x": first.round(2), "z": second.round(2), "label": names})
    judged(tmp_path, table)
    for _ in range(2):
        done = exported(tmp_path, "csv", tmp_path / "rows.csv", "--all")
        assert done.exit_code == 0, done.output
    lines = list(csv.DictReader((tmp_path / "rows.csv").open(newline="")))
    assert len(lines) == 120 and {line["row"] for line in lines} == set(map(str, range(120)))
    assert {line["label"] for line in lines} == {f"'{FORMULA}", "bee", "cat"}
    assert [float(line["value of x"]) for line in lines] == table["x"].to_pylist()  # negative ones are numbers


@pytest.mark.parametrize(
    "kind, place, code, message",
    [
        ("excel", "x", 2, "--export is 'excel'; must be fiftyone, label-studio or csv"),
        ("csv", "x", 2, "writes a file: name it *.csv"),
        ("fiftyone", "x.csv", 2, "writes a folder"),
        ("fiftyone", "there", 3, "is there already"),
        ("label-studio", "s3://bucket/x", 2, "must be a local file"),
    ],
)
def test_what_does_not_fit_is_refused(images, tmp_path, kind, place, code, message):
    (tmp_path / "there").mkdir()
    at = place if place.startswith("s3") else tmp_path / place
    done = exported(images[0], kind, at)
    assert done.exit_code == code and message in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_fiftyone_needs_images_and_leaves_nothing_without(tmp_path):
    judged(tmp_path, pq.read_table(small.vector_file(tmp_path / "v.parquet")))
    before = sorted(tmp_path.iterdir())
    done = exported(tmp_path, "fiftyone", tmp_path / "fo")
    assert done.exit_code == 3 and "has no column of images" in done.output
    assert sorted(tmp_path.iterdir()) == before
    assert (
        run(
            "report", tmp_path / "in.parquet", "--manifest", tmp_path / "m", "-o", tmp_path / "p.html", "--all"
        ).exit_code
        == 2
    )
