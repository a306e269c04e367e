"""Stage certify: certificates of a small set, by hand."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.data.parquet import image_table, vector_table, write_arrow
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams
from stages import certify


def manifest(keep):
    rows = pa.array(np.arange(len(keep)))
    write_arrow(pa.table({"row": rows, "keep": pa.array(np.array(keep, bool))}), "data/manifest.parquet")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Class a at 0 (6 rows, and 1 poisoned row of class b), class b at 10 (4 rows); tests at 1 (a), 9 and 9 (b)."""
    monkeypatch.chdir(tmp_path)
    place = np.array([0, 0, 0, 0, 0, 0, 0, 10, 10, 10, 10], np.float32)[:, None]
    label = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    write_arrow(vector_table(place, label, ("a", "b")), "data/poisoned/train.parquet")
    test = vector_table(np.array([[1], [9], [9]], np.float32), np.array([0, 1, 1]), ("a", "b"))
    write_arrow(test, "data/ingested/test.parquet")
    manifest([1] * 6 + [0] + [1] * 4)
    (tmp_path / "params.yaml").write_text("certify: {k: 4, radius: 2, poisoning_sizes: [0, 1, 2, 3]}")
    return tmp_path


def test_certificates_by_hand(folder):
    """rNN, raw: votes (6, 1), (0, 4), (0, 4): gaps 5, 5, 5, so sizes 2, 2, 2. Sanitized: (6, 0): gap 6, size 2.

    kNN, k = 4, sanitized: votes (4, 0), (0, 4), (0, 4): gaps 4, 5, 5, sizes 1, 2, 2.
    Joint, rNN, raw, e = 3: two removals topple a test, and three are not enough for tests of both classes: the two of b
    fall, one test stands.
    """
    certify.main()
    summary = json.loads((folder / "reports/certificates.json").read_text())
    found = summary["certificates"]
    assert found["raw"]["rows"] == 11 and found["sanitized"]["rows"] == 10
    assert found["sanitized"]["knn"]["certified_accuracy"] == {
        "individual": {"0": 1.0, "1": 1.0, "2": 0.666667, "3": 0.0},
        "label_budgets": {"0": 1.0, "1": 1.0, "2": 0.666667, "3": 0.0},
    }
    alone, joint = {"0": 1.0, "1": 1.0, "2": 1.0, "3": 0.0}, {"0": 1.0, "1": 1.0, "2": 1.0, "3": 0.333333}
    assert found["raw"]["rnn"]["certified_accuracy"] == {
        "individual": alone, "random_groups": joint, "island": joint, "global": joint, "label_budgets": joint
    }  # fmt: skip
    assert found["raw"]["rnn"]["label_budgets_unproven"] == []
    assert found["raw"]["rnn"]["radius"] == 2.0 and found["raw"]["knn"]["k"] == 4
    assert "does not cover the original poisoning" in found["sanitized"]["covers"]
    assert summary["test_rows"] == 3 and summary["poisoning_size"].startswith("max(rows removed, rows added)")

    table = pq.read_table("data/certified_radii.parquet")
    assert table.schema.equals(certify.RADII)
    chosen = [r for r in table.to_pylist() if r["training"] == "sanitized" and r["method"] == "knn"]
    assert [(r["row"], r["label"], r["prediction"], r["radius"]) for r in chosen] == [
        (0, "a", "a", 1),
        (1, "b", "b", 2),
        (2, "b", "b", 2),
    ]

    lines = list(csv.reader((folder / "reports/plots/certified_accuracy.csv").open()))
    assert lines[0] == ["training", "method", "certificate", "poisoning_size", "certified_accuracy"]
    assert len(lines) == 1 + 2 * (2 + 5) * 4
    assert ["sanitized", "knn", "individual", "2", "0.666667"] in lines


def test_radius_from_test_rows_gives_the_same_classifier_when_given(folder):
    """Nearest other test rows at 8, 0, 0, median 0."""
    text = "certify: {k: 4, radius: %s, poisoning_sizes: [0, 1, 2]}"
    (folder / "params.yaml").write_text(text % "null")
    certify.main()
    chosen = json.loads((folder / "reports/certificates.json").read_text())["certificates"]["raw"]["rnn"]
    assert (
        chosen["radius"] == 0.0 and "number 1, an eighth of a label's rows (3 rows, 2 labels)" in chosen["radius_from"]
    )
    before = (folder / "reports/plots/certified_accuracy.csv").read_bytes()
    (folder / "params.yaml").write_text(text % chosen["radius"])
    certify.main()
    assert (folder / "reports/plots/certified_accuracy.csv").read_bytes() == before


def test_images_with_hog_agree_with_their_own_class_and_bytes_repeat(folder):
    """Vertical against horizontal edges: every test image's neighbours are its class."""
    draw = stream(0, "edges")

    def edges(rows):
        images = np.zeros((rows, 24, 24, 1), np.uint8)
        for row in range(rows):
            cut = int(draw.integers(8, 16))
            images[row, :, cut:] = 200
            if row % 2:
                images[row] = images[row].transpose(1, 0, 2)
        return image_table(images, np.arange(rows) % 2, ("upright", "level"))

    write_arrow(edges(40), "data/poisoned/train.parquet")
    write_arrow(edges(10), "data/ingested/test.parquet")
    manifest([1] * 40)
    (folder / "params.yaml").write_text("certify: {k: 9, radius: null, poisoning_sizes: [0, 4, 5]}")
    outputs = ["reports/certificates.json", "reports/plots/certified_accuracy.csv", "data/certified_radii.parquet"]
    runs = []
    for _ in range(2):
        certify.main()
        runs.append([(folder / output).read_bytes() for output in outputs])
    assert runs[0] == runs[1]
    found = json.loads((folder / "reports/certificates.json").read_text())["certificates"]["raw"]["knn"]
    assert found["certified_accuracy"]["individual"] == {"0": 1.0, "4": 1.0, "5": 0.0}  # gaps 9 or 10: size 4


def test_distance_and_precision_are_parameters(folder):
    """On a line L1 and L2 are one; the radius 2 stays 2."""
    curves = []
    for distance in ("l1", "l2"):
        (folder / "params.yaml").write_text(
            f"certify: {{k: 4, radius: 2, distance: {distance}, poisoning_sizes: [0, 1, 2, 3]}}"
        )
        certify.main()
        curves.append((folder / "reports/plots/certified_accuracy.csv").read_bytes())
        summary = json.loads((folder / "reports/certificates.json").read_text())
        assert summary["distance"] == f"{'L1' if distance == 'l1' else 'Euclidean'} between vector features, " + (
            "1 values of 32 bits a row"
        )
    assert curves[0] == curves[1]


def test_images_may_keep_float_features(folder):
    images = np.zeros((11, 6, 6, 1), np.uint8)
    images[6:, :, 3:] = 255
    write_arrow(image_table(images, np.array([0] * 6 + [1] * 5), ("a", "b")), "data/poisoned/train.parquet")
    write_arrow(image_table(images[[0, 10]], np.array([0, 1]), ("a", "b")), "data/ingested/test.parquet")
    manifest([1] * 11)
    found = []
    for quantise in ("true", "false"):
        (folder / "params.yaml").write_text(
            f"certify: {{features: raw, quantise: {quantise}, k: 5, radius: 0.5, poisoning_sizes: [0, 2]}}"
        )
        certify.main()
        found.append(json.loads((folder / "reports/certificates.json").read_text()))
    assert [one["distance"].split("values of ")[1] for one in found] == ["8 bits a row", "32 bits a row"]
    assert found[0]["certificates"] == found[1]["certificates"]  # black and white: no rounding
    assert found[0]["certificates"]["raw"]["rnn"]["certified_accuracy"]["individual"] == {"0": 1.0, "2": 1.0}


def test_no_test_rows_say_so(folder):
    write_arrow(pq.read_table("data/ingested/test.parquet").slice(0, 0), "data/ingested/test.parquet")
    certify.main()
    summary = json.loads((folder / "reports/certificates.json").read_text())
    assert summary["certificates"] is None and summary["reason"].startswith("there are no test rows")
    assert (folder / "reports/plots/certified_accuracy.csv").read_text().count("\n") == 1
    assert pq.read_table("data/certified_radii.parquet").num_rows == 0


def test_bad_parameters_and_manifests_are_refused(folder):
    (folder / "params.yaml").write_text("certify: {k: 11, radius: 2}")
    with pytest.raises(BadParams, match=r"certify.k is 11; must be 1\.\.10, the rows of the smallest training set"):
        certify.main()
    manifest([1] * 10)
    with pytest.raises(BadInput, match=r"has 10 verdicts; must have one for each of the training set's rows 0\.\.10"):
        certify.main()
    assert not (folder / "reports").exists()
