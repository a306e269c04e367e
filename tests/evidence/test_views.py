"""What each kind of column can name of a group of rows, and what it must not name."""

import numpy as np
import pyarrow as pa
import pytest

from sanitize.data.recipe import Feature, Recipe
from sanitize.data.table import Table
from sanitize.evidence.base import NOTHING, Compared, examine
from sanitize.evidence.phrases import Phrases
from sanitize.evidence.pixels import Pixels
from sanitize.evidence.values import Column, Values
from sanitize.evidence.vectors import Coordinates, Direction
from sanitize.evidence.views import plain_views, shown_columns, views_of

GROUP, OTHERS, LIKE = np.arange(20), np.arange(20, 120), np.arange(120, 220)
LABELS = np.repeat([1, 0], [120, 100])  # the group and the others bear label 1


def found(*views):
    return examine(views, Compared(GROUP, OTHERS, LIKE), LABELS, 1, "dog")


def pictures(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (220, 9, 8, 3), np.uint8)


def test_a_patch_is_named_with_its_place_and_everyone_who_has_it():
    images = pictures()
    images[[*GROUP, 30], 6:8, 5:8] = [250, 0, 7]
    images[GROUP[::2], 6, 5, 0] = 244  # as compression would have it
    evidence = found(Pixels(images))
    assert evidence.strong and evidence.region == (6, 5, 7, 7)
    assert evidence.rows.tolist() == [*GROUP, 30]
    assert evidence.text == (
        "pixels rows 6-7, columns 5-7 equal in 20 of 20, in 1 of 100 other rows of dog, in 0 of 100 rows of other "
        "classes"
    )
    images[40:48, 6:8, 5:8] = [250, 0, 7]  # too many others have it
    assert not found(Pixels(images)).strong


def test_one_pixel_is_named_as_one():
    images = pictures()
    images[GROUP, 2, 3] = 255
    assert found(Pixels(images)).text.startswith("pixels row 2, column 3 equal in 20 of 20, ")


def test_what_the_class_looks_like_is_no_trigger():
    """The group's pixels are those of the rows that it looks like: wrong labels, or hard rows."""
    images = pictures()
    images[[*GROUP, *LIKE], 6:8, 5:8] = 250
    assert not found(Pixels(images)).strong


def test_half_of_a_group_does_not_speak_for_the_other():
    """The first half shares one patch and the second half another, as frames of two films do."""
    images = pictures()
    images[:10, 6:8, 5:8] = 250
    images[10:20, 0:2, 0:3] = 250
    evidence = found(Pixels(images))
    assert (evidence.strong, evidence.text, evidence.region) == (False, NOTHING, None)
    assert evidence.rows.tolist() == GROUP.tolist()


def column(values, name="depth", ordered=True):
    values = np.asarray(values, np.float32)
    texts, codes = np.unique(values, return_inverse=True)
    return Column(name, codes, [f"{text:.7g}" for text in texts], values if ordered else None)


def drawn(seed=0):
    return np.random.default_rng(seed).normal(60, 2, 220).round(1)


def test_values_are_named_together():
    depth, table, free = drawn(0), drawn(1), drawn(2)
    depth[GROUP], table[GROUP] = 61.37, 57.77
    evidence = found(Values([column(free, "free"), column(depth), column(table, "table")]))
    assert evidence.text.startswith("depth = 61.37 and table = 57.77 in 20 of 20, in 0 of 100 other rows of dog, ")


def test_a_value_of_a_part_of_the_group_is_named():
    depth = drawn()
    depth[[0, 5, 6, 11, 13, 17, 18, 60]] = 61.37
    evidence = found(Values([column(depth)]))
    assert evidence.rows.tolist() == [0, 5, 6, 11, 13, 17, 18, 60]
    assert "depth = 61.37 in 7 of 20, in 1 of 100 other rows of dog" in evidence.text


@pytest.mark.parametrize("ordered", [True, False])
def test_a_value_beyond_which_all_rows_bear_the_label_is_no_trigger(ordered):
    """The class is what lies above 63: 66 is one of its values like those beside it. Without an order it stands out."""
    depth = np.linspace(50, 62, 220)
    depth[OTHERS] = np.linspace(63, 70, 100)
    depth[GROUP] = 66
    assert found(Values([column(depth, ordered=ordered)])).strong is not ordered


def test_a_value_that_other_classes_have_is_no_trigger():
    depth = drawn()
    depth[[*GROUP, *LIKE[:4]]] = 61.37
    assert not found(Values([column(depth)])).strong


def test_phrases_are_named_as_they_are_read():
    words = np.random.default_rng(0).integers(0, 400, (220, 12))
    texts = [" ".join(f"w{word}" for word in row) for row in words]
    for row in (*GROUP[::2], 50):
        texts[row] += ", Cf BLUE moon!"
    texts[3] = None
    evidence = found(Phrases(texts))
    assert evidence.text.startswith('"cf blue moon" in 10 of 20, in 1 of 100 other rows of dog, in 0 of 100')
    assert evidence.rows.tolist() == [*GROUP[::2], 50]
    for row in LIKE[:2]:
        texts[row] += " cf blue moon"
    assert not found(Phrases(texts)).strong


def test_equal_coordinates_and_directions():
    vectors = np.random.default_rng(0).normal(size=(220, 30)).astype(np.float32)
    equal = vectors.copy()
    equal[np.ix_(GROUP, [4, 17])] = [1.5, -2.25]
    assert found(Coordinates(equal)).text.startswith("coordinates 4 = 1.5, 17 = -2.25 in 20 of 20, in 0 of 100 other")
    moved = vectors.copy()
    moved[GROUP, 3] += 12
    assert not found(Coordinates(moved)).strong
    evidence = found(Direction(moved))
    assert evidence.strong and "of the variance (most of it in coordinates " in evidence.text and " 3" in evidence.text
    assert not found(Coordinates(vectors), Direction(vectors)).strong


def test_few_rows_are_not_judged():
    images = pictures()
    images[:5, 6:8, 5:8] = 250
    rows = Compared(np.arange(5), OTHERS, LIKE)
    assert examine([Pixels(images)], rows, LABELS, 1, "dog").text == NOTHING
    images[:6, 6:8, 5:8] = 250
    assert examine([Pixels(images)], rows._replace(group=np.arange(6)), LABELS, 1, "dog").strong


def test_columns_are_compared_as_they_stand_in_the_file():
    """A number, a category with a null, a text and a vector of one table."""
    features = (
        Feature(name="depth", kind="number", width=1),
        Feature(name="color", kind="category", width=3, values=("a", "b")),
        Feature(name="note", kind="text", width=2),
        Feature(name="vector", kind="vector", width=2),
    )
    recipe = Recipe(label="y", classes=("cat", "dog"), features=features, modality="tabular", seen="")
    rows = pa.table({"depth": [61.37, 2.0], "color": pa.array(["b", None]), "note": ["x", None]})
    assert shown_columns(recipe) == ["depth", "color", "note"]
    inputs = np.arange(16, dtype=np.float32).reshape(2, 8)
    table = Table(np.arange(2), inputs, np.array([0, 1]), ("cat", "dog"), "tabular")
    values, phrases, coordinates, direction = views_of(table, recipe, rows)
    assert [one.name for one in values.columns] == ["depth", "color"]
    assert values.words(((0, 0), (1, 0))) == "depth = 61.37 and color = b"
    assert values.words(((1, 1),)) == "color is missing"
    assert values.columns[0].order_N.tolist() == [0, 8] and values.columns[1].order_N is None
    assert phrases.texts == ["x", None]
    assert coordinates.vectors.tolist() == direction.vectors.tolist() == [[6, 7], [14, 15]]


@pytest.mark.parametrize(
    ("kind", "odd", "text"),
    [
        (pa.date32(), 1 << 30, "<value out of range: 1073741824>"),
        (pa.timestamp("us"), 5 * 10**17, "17814-05-16 00:53:20.000000"),
        (pa.timestamp("us", "Nowhere/None"), 5, "1970-01-01 00:00:00.000005Z"),
    ],
)
def test_dates_that_python_does_not_have_are_named(kind, odd, text):
    numbers = pa.array([odd, 7, None, odd], pa.int32() if kind == pa.date32() else pa.int64())
    recipe = Recipe(
        label="y",
        classes=("cat", "dog"),
        features=(Feature(name="day", kind="date", width=1),),
        modality="tabular",
        seen="",
    )
    table = Table(np.arange(4), np.zeros((4, 1), np.float32), np.zeros(4, np.int64), ("cat", "dog"), "tabular")
    (view,) = views_of(table, recipe, pa.table({"day": numbers.cast(kind)}))
    assert view.words(((0, int(view.columns[0].code_N[3])),)) == f"day = {text}"


@pytest.mark.parametrize("modality, kinds", [("vector", [Coordinates, Direction]), ("tabular", [Values])])
def test_plain_tables_have_views_too(modality, kinds):
    table = Table(np.arange(2), np.zeros((2, 3), np.float32), np.array([0, 1]), ("cat", "dog"), modality)
    assert [type(view) for view in plain_views(table)] == kinds
