"""What becomes of rows and classes that cannot be judged, and data of every kind, from the file to the verdict."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.errors import BadInput
from sanitize.execution import inline
from sanitize.filter_file import filter_file
from sanitize.filter_options import Options, Rules
from tests import small
from tests.voters import INLINE

KIND = np.arange(small.ROWS) % 3


def run(table, folder, rules=None, **options):
    pq.write_table(table, folder / "in.parquet")
    done = filter_file(
        folder / "in.parquet",
        folder / "kept",
        INLINE,
        manifest=folder / "manifest",
        options=Options(rules=rules or Rules(), **options),
        map=inline,
    )
    return done, pq.read_table(folder / "manifest")


def dropped(manifest):
    return np.flatnonzero(~manifest["keep"].to_numpy()).tolist()


def labelled(values, **columns):
    columns = columns or {"features": pa.array(list(small.vectors()), pa.list_(pa.float32()))}
    return pa.table({**columns, "label": values})


@pytest.mark.parametrize(
    "labels",
    [
        pa.array(small.labels(), pa.int8()),
        pa.array(small.labels(), pa.uint64()),
        pa.array(np.array(small.NAMES)[small.labels()], pa.large_string()),
        pa.array(np.array(small.NAMES)[small.labels()], pa.string_view()),
        pa.array(np.array(small.NAMES)[small.labels()]).dictionary_encode(),
        pa.array(small.labels() * 100 - 100).dictionary_encode(),
    ],
    ids=lambda labels: str(labels.type),
)
def test_labels_of_every_kind(labels, tmp_path):
    done, manifest = run(labelled(labels), tmp_path)
    assert dropped(manifest) == small.WRONG
    kept = pq.read_table(tmp_path / "kept")["label"]
    assert kept.type == pq.read_schema(tmp_path / "in.parquet").field("label").type
    assert len(done.classes) == 3


def test_booleans_as_labels(tmp_path):
    truth = KIND == 0
    given = truth.copy()
    given[small.WRONG] = ~given[small.WRONG]
    done, manifest = run(labelled(pa.array(given)), tmp_path)
    assert dropped(manifest) == small.WRONG
    assert list(done.classes) == ["False", "True"]


def test_numbers_booleans_categories_and_dates_with_holes(tmp_path):
    day = np.datetime64("2024-01-01") + 40 * KIND
    size = [None if row % 11 == 0 else 3.0 * KIND[row] + small.vectors()[row, 4] for row in range(small.ROWS)]
    table = labelled(
        pa.array(small.labels()),
        size=pa.array(size),
        day=pa.array(day),
        colour=pa.array([None if row % 13 == 0 else ["red", "green", "blue"][KIND[row]] for row in range(small.ROWS)]),
        sold=pa.array(KIND == 1),
        name=pa.array([f"item-{row}" for row in range(small.ROWS)]),
    )
    done, manifest = run(table, tmp_path)
    assert dropped(manifest) == small.WRONG
    assert done.columns.modality == "tabular"
    assert done.columns.inputs == ("size", "day", "colour", "sold")
    assert "date columns 'day'; category columns 'colour'" in done.columns.found
    assert done.columns.found.endswith("such as 'item-0': 120 different ones in 120 rows)")


def test_text(tmp_path):
    words = [["ants carry leaves", "bees make honey", "cats sleep all day"][kind] for kind in KIND]
    text = [f"{words[row]} said number {row}" for row in range(small.ROWS)]
    text[4] = "\ufffd \U0001f41d bees make honey"
    done, manifest = run(labelled(pa.array(small.labels()), text=pa.array(text)), tmp_path)
    assert done.columns.modality == "text"
    assert set(small.WRONG) <= set(dropped(manifest)) and len(dropped(manifest)) <= 6


def test_images_and_numbers_together(tmp_path):
    from tests.data.pictures import image_column

    sizes = small.vectors()[:, 0]
    table = labelled(pa.array(small.labels()), image=image_column(small.image_blobs()), size=pa.array(sizes))
    choice = INLINE.model_copy(update={"data": INLINE.data.model_copy(update={"inputs": ["image", "size"]})})
    pq.write_table(table, tmp_path / "in.parquet")
    done = filter_file(tmp_path / "in.parquet", tmp_path / "k", choice, manifest=tmp_path / "m", map=inline)
    assert done.columns.modality == "image + tabular"
    assert set(small.WRONG) <= set(dropped(pq.read_table(tmp_path / "m")))


def few():
    """The small vectors, and nine rows of two further classes among them."""
    values = np.array(small.NAMES)[small.labels()].astype(object)
    values[10:19] = "dog"
    values[19] = "eel"
    return labelled(pa.array(list(values)))


def test_classes_too_small_to_judge_are_kept_with_a_reason(tmp_path):
    done, manifest = run(few(), tmp_path)
    rows = manifest.slice(10, 10).to_pylist()
    assert [row["reason"] for row in rows] == ["too few to judge: class dog has 9 rows"] * 9 + [
        "too few to judge: class eel has 1 rows"
    ]
    assert all(row["keep"] and row["suspicion"] is None and row["vote"] is None for row in rows)
    assert done.unjudged == {"too few to judge": 10}
    assert dropped(manifest) == small.WRONG  # none of them among those ten
    assert (done.classes["dog"], done.classes["eel"]) == ((9, 0), (1, 0))


def test_small_classes_may_be_rejected_or_judged(tmp_path):
    done, manifest = run(few(), tmp_path, Rules(on_small_class="reject"))
    assert dropped(manifest) == sorted([*range(10, 20), *small.WRONG])
    assert done.reasons["too few to judge"] == 10
    done, manifest = run(few(), tmp_path, Rules(least_class=1))  # four are needed, one per component
    assert done.unjudged == {"too few to judge": 1}
    assert manifest["suspicion"].null_count == 1


def test_two_classes_must_be_left(tmp_path):
    table = labelled(pa.array(["ant"] * 102 + ["bee"] * 9 + ["cat"] * 9))
    with pytest.raises(BadInput, match=r"one class only, 'ant' with 10 rows or more; 2 others have fewer; must have"):
        run(table, tmp_path)


def test_rows_that_cannot_be_read_in_a_sample_and_in_the_stream(tmp_path):
    features = [None if row % 9 == 5 else vector for row, vector in enumerate(small.vectors())]
    labels = [None if row == 50 else value for row, value in enumerate(small.labels())]
    table = labelled(pa.array(labels, pa.int64()), features=pa.array(features, pa.list_(pa.float32())))
    null = sorted({50, *range(5, 120, 9)})
    for name, options in (("memory", {}), ("stream", {"fit_rows": 100})):  # more than a twentieth
        (tmp_path / name).mkdir()
        done, manifest = run(table, tmp_path / name, max_unreadable=1.0, **options)
        reasons = manifest["reason"].to_pylist()
        assert [row for row, reason in enumerate(reasons) if reason.startswith("unreadable")] == null
        assert done.reasons["unreadable"] == len(null)
        assert set(small.WRONG) <= set(dropped(manifest))
        given = pq.read_table(tmp_path / name / "in.parquet")
        assert pq.read_table(tmp_path / name / "kept").equals(given.filter(manifest["keep"].combine_chunks()))
