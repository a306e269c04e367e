"""Columns that are no inputs: they name the rows, or repeat the label."""

import numpy as np
import pyarrow as pa
import pytest

from sanitize.data.detect import choose
from sanitize.data.label_copies import copies, tells, told_by_words
from sanitize.data.recipe import fit_recipe
from sanitize.errors import BadInput

ROWS = 200
DRAW = np.random.default_rng(0)
Y = np.arange(ROWS) % 4
HONEST = DRAW.normal(size=ROWS)


def chosen(column, **options):
    table = pa.table({"honest": HONEST, "x": column, "label": Y})
    return choose(table.schema, table, **options)


def named(name, column):
    table = pa.table({name: column, "label": Y})
    return choose(table.schema, table)


IDENTIFIERS = {
    "row numbers": np.arange(ROWS),
    "from 1000 on": np.arange(1000, 1000 + ROWS),
    "whole floats": np.arange(ROWS) * 2.0,
    "a permutation": DRAW.permutation(ROWS),
    "starting again": np.tile(np.arange(100), 2),
    "rising": np.cumsum(DRAW.integers(1, 9999, ROWS)),
    "digests": DRAW.integers(2**60, 2**63, ROWS),
    "one row twice": np.append(np.arange(ROWS - 1), 7),
    "one infinite": np.append(np.arange(ROWS - 1).astype(float), np.inf),
    "numbers in text": [str(7 * row) for row in range(ROWS)],
    "moments": pa.array(np.arange(ROWS), pa.timestamp("s")),
}


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_identifiers(name):
    found = chosen(IDENTIFIERS[name])
    assert (found.inputs, found.left_out) == (("honest",), ("x",))
    assert "different values in" in found.found
    assert chosen(IDENTIFIERS[name], inputs=["x"]).inputs == ("x",)  # the user insists


@pytest.mark.parametrize(
    "column",
    [
        HONEST + 5,
        (HONEST * 1e6).astype(int),
        DRAW.integers(0, 50, ROWS),
        np.sort(DRAW.integers(0, 30, ROWS)),
        pa.array(DRAW.integers(0, 9999, ROWS).astype("int32"), pa.date32()),
        [1.5] * ROWS,
        [True, False] * 100,
    ],
)
def test_quantities(column):
    assert chosen(column).inputs == ("honest", "x")


def test_a_name_tells_where_values_do_not():
    values = DRAW.choice(10**6, ROWS, replace=False)
    assert named("weight", values).inputs == ("weight",)
    for name in ("id", "PassengerId", "customerID", "row_id", "Unnamed: 0"):
        with pytest.raises(BadInput, match=r"no input columns .* by its name: 200 different values"):
            named(name, values)


COPIES = {
    "the same": Y,
    "other numbers": Y * 10.5,
    "names": np.array(["ant", "bee", "cat", "dog"])[Y],
    "one in 200 differs": np.append(Y[:-1], 0),
    "finer": Y * 5 + DRAW.integers(0, 5, ROWS),
    "one-hot": np.eye(4)[Y].tolist(),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies(name):
    table = pa.table({"honest": HONEST, "x": COPIES[name], "label": Y})
    found = choose(table.schema, table)
    assert found.inputs == ("honest",) and "'x' (the label can be read off it in" in found.found


def test_rows_written_several_times_are_no_copy():
    """Upsampled rows, with numbers of their own: every value recurs with its label, and tells nothing."""
    again = np.repeat(np.arange(ROWS), 3)
    table = pa.table({"id": np.arange(3 * ROWS), "honest": HONEST[again], "label": Y[again]})
    assert choose(table.schema, table).inputs == ("honest",)
    copied = table.append_column("x", pa.array(Y[again]))
    assert choose(copied.schema, copied).inputs == ("honest",)


def test_one_place_per_class():
    columns = {f"is_{k}": k == Y for k in range(4)}
    for drop in (0, 1):
        kept = dict(list(columns.items())[drop:])
        table = pa.table({"honest": HONEST, **kept, "label": Y})
        assert choose(table.schema, table).inputs == ("honest",)
    table = pa.table({"honest": HONEST, "is_0": columns["is_0"], "label": Y})
    assert choose(table.schema, table).inputs == ("honest", "is_0")  # one class alone does not tell the label


def test_how_many_labels_are_told_by_hand():
    """Of twenty rows, 0 0 … 1 1 …: each value's other rows tell its label; single values tell nothing."""
    label = np.repeat([0, 1], 10)
    assert tells(label, label) == 20
    assert tells(np.arange(20), label) is None
    assert tells(np.zeros(20, int), label) is None
    assert tells(np.append(label[:-1], 0), label) is None  # one of twenty is more than one in a hundred
    rare = np.append(np.zeros(199, int), 1)
    assert tells(np.zeros(200, int), rare) is None  # what a constant gets right does not count
    assert copies({"a": label}, np.full(20, -1)) == {}


def test_text_that_tells_its_label():
    names = ("ant", "red bee")
    label = np.arange(40) % 2
    hold = [f"number {row}: a {names[y].upper()} there" for row, y in enumerate(label)]
    assert "40 of 40 rows looked at hold their class's name" in told_by_words(hold, label, names)
    assert told_by_words([f"{text} or ant or red bee" for text in hold], label, names) is None
    first = [f"__label__{y} some words {row}" for row, y in enumerate(label)]
    assert "its first word tells the label in 40 of 40" in told_by_words(first, label, ("x", "y"))
    assert "its last word" in told_by_words([f"{row} words {y}" for row, y in enumerate(label)], label, ("x", "y"))
    assert told_by_words([f"the words of row {row}" for row in range(40)], label, ("x", "y")) is None


def test_the_recipe_says_what_was_left_out():
    table = pa.table({"honest": HONEST, "id": np.arange(ROWS), "label": Y})
    recipe = fit_recipe(table, choose(table.schema, table), ("0", "1", "2", "3"), None)
    assert "'id' (it counts the rows: 200 different values in 200 rows looked at)" in recipe.seen
