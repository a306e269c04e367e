"""Columns of every kind as numbers: worked out by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from sanitize.data.arrow import decode_table, image_table
from sanitize.data.detect import choose
from sanitize.data.recipe import TEXT_WIDTH, Recipe, fit_recipe, hashed_text
from sanitize.errors import BadInput
from tests.data.pictures import encoded, gradient, image_column


def recipe_of(table, size=None, **options):
    choice = choose(table.schema, table, **options)
    return fit_recipe(table, choice, ("a", "b"), size)


def decoded(table, other=None, **options):
    recipe = recipe_of(table, **options)
    return recipe.decode(table if other is None else other)


def column(values, kind=None, **more):
    return pa.table({"x": pa.array(values, kind), **more, "label": ["a", "b"] * (len(values) // 2)})


@pytest.mark.parametrize(
    ("values", "kind", "numbers"),
    [
        ([1, 2, 3, 6], pa.int16(), [[1], [2], [3], [6]]),
        ([1.5, None, float("nan"), 2.5], pa.float64(), [[1.5, 0], [2, 1], [2, 1], [2.5, 0]]),
        ([True, None, False, True], pa.bool_(), [[1, 0], [np.float32(2 / 3), 1], [0, 0], [1, 0]]),
        (
            [Decimal("1.25"), Decimal(2), None, Decimal("2.75")],
            pa.decimal128(9, 2),
            [[1.25, 0], [2, 0], [2, 1], [2.75, 0]],
        ),
        ([date(2024, 1, d) for d in (1, 2, 3, 6)], pa.date32(), [[-2], [-1], [0], [3]]),
        ([date(2024, 1, d) for d in (1, 2, 3, 6)], pa.date64(), [[-2], [-1], [0], [3]]),
        ([datetime(2024, 1, 1, 12 * h) for h in (0, 1)] * 2, pa.timestamp("ns"), [[-0.25], [0.25], [-0.25], [0.25]]),
        ([datetime(2024, 1, 1, tzinfo=UTC), None] * 2, pa.timestamp("s", "Asia/Tokyo"), [[0, 0], [0, 1]] * 2),
        ([0, 21600] * 2, pa.time32("s"), [[-0.125], [0.125]] * 2),
        ([0, 86400] * 2, pa.duration("s"), [[-0.5], [0.5]] * 2),
    ],
)
def test_scalars(values, kind, numbers):
    inputs, bad = decoded(column(values, kind))
    assert inputs.dtype == np.float32
    assert inputs.tolist() == np.array(numbers, np.float32).tolist()
    assert bad == {}


def test_infinite_numbers_are_bad_rows():
    inputs, bad = decoded(column([1.0, np.inf, -1e300, 3.0]))
    assert set(bad) == {1, 2} and "column 'x': is inf; must lie within float32" in bad[1]
    assert inputs.tolist() == [[1], [0], [0], [3]]


def test_categories_are_one_place_per_value_and_one_for_others():
    """b is most frequent, then a and c by name; what is missing or new takes the last place."""
    values = ["b", "a", "b", "c", None, "b"] * 2
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())):
        table = column(values, kind)
        hot, bad = decoded(table)
        assert hot.argmax(axis=1).tolist() == [0, 1, 0, 2, 3, 0] * 2
        assert hot.sum(axis=1).tolist() == [1] * 12 and not bad
        new, _ = decoded(table, column(["z", "c"], kind))
        assert new.argmax(axis=1).tolist() == [3, 2]
    years = pa.array([2001, 1999, 2001, None]).dictionary_encode()
    assert recipe_of(column([0] * 4, z=years), inputs=["z"]).features[0].values == ("2001", "1999")


def test_text_is_hashed_words_and_pairs():
    one, same, other, none = hashed_text(["a red cat", "A  red, CAT!", "a blue cat", None])
    assert one.shape == (TEXT_WIDTH,)
    assert (one == same).all() and (none == 0).all()
    assert np.count_nonzero(one) == 5  # a, red, cat, a red, red cat
    assert one @ one == pytest.approx(1)
    assert one @ other == pytest.approx(2 / 5)  # a and cat


def test_several_columns_stand_side_by_side():
    table = pa.table(
        {
            "size": [1.0, 2.0, 3.0, 4.0],
            "image": image_column([encoded("RGB", color=51)] * 4),
            "vector": [[1.0, -1.0]] * 4,
            "kind": ["p", "q", "q", "q"],
            "label": ["a", "b"] * 2,
        }
    )
    recipe = recipe_of(table, inputs=["vector", "image", "size", "kind"])
    inputs, bad = recipe.decode(table)
    assert (recipe.modality, recipe.shape, bad) == ("vector", (2 + 16 * 16 * 3 + 1 + 3,), {})
    assert inputs[:, :2].tolist() == [[1, -1]] * 4
    assert np.allclose(inputs[:, 2:-4], 0.2)  # 51 / 255
    assert inputs[:, -4:].tolist() == [[1, 0, 1, 0], [2, 1, 0, 0], [3, 1, 0, 0], [4, 1, 0, 0]]
    assert recipe.seen.startswith(
        "label column 'label' by its name; vector columns 'vector'; image columns 'image'; number columns 'size'; "
        "category columns 'kind' as named"
    )


@pytest.mark.parametrize(
    "table",
    [
        image_table(gradient(6, channels=3), np.arange(6) % 2, ("a", "b")),
        image_table(gradient(6), np.arange(6) % 2, ("a", "b")),
        column([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float64())),
        column([[1, 2], [3, 4]], pa.list_(pa.int8(), 2)),
        column([1, 2], z=pa.array([True, False])),
    ],
)
def test_plain_columns_are_what_the_pipeline_reads(table):
    plain, columns = decode_table(table)
    recipe = recipe_of(table)
    inputs, bad = recipe.decode(table)
    assert (recipe.modality, recipe.inputs) == (columns.modality, columns.inputs)
    assert inputs.dtype == plain.inputs.dtype and np.array_equal(inputs, plain.inputs)
    assert not bad


def test_vectors_that_are_odd():
    values = [[1.0, 2.0], None, [1.0], [np.nan, 1.0], [None, 1.0], [3.0, 4.0]]
    table = column(values, pa.list_(pa.float32()))
    with pytest.raises(BadInput, match="numbers of 2 shapes, the commonest: 4 of 5 rows looked at have 2 numbers"):
        decoded(table)  # one in five has another length
    inputs, bad = decoded(table, inputs=["x"])
    assert inputs.tolist() == [[1, 2], [0, 0], [0, 0], [0, 0], [0, 0], [3, 4]]
    assert set(bad) == {1, 2, 3, 4}
    assert bad[1].endswith("is null") and bad[2].endswith("vector has 1 values, others have 2")
    fixed = pa.array([[1.0, 2.0], None, [5.0, 6.0], [3.0, np.inf]], pa.list_(pa.float32(), 2))
    inputs, bad = decoded(column([0] * 4, v=fixed), inputs=["v"])
    assert inputs.tolist() == [[1, 2], [0, 0], [5, 6], [0, 0]] and set(bad) == {1, 3}


def test_a_recipe_is_json():
    recipe = recipe_of(column([1.5, None, 2.5, 3.0], z=pa.array(["p", "q"] * 2)))
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
