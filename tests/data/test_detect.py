"""Which column is the label, which are inputs, and as what; in words."""

import pyarrow as pa
import pytest

from sanitize.data.detect import choose
from sanitize.data.looks import look_at
from sanitize.errors import BadInput
from tests.data.pictures import encoded

PNG = encoded()
LONG = [f"some words about row {row}" for row in range(8)]
LABELS = pa.array(["a", "b"] * 4)


def choice(_options=None, **columns):
    table = pa.table({**columns, "label": LABELS})
    return choose(table.schema, table, **(_options or {}))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([1] * 8), "number"),
        (pa.array([True] * 8), "boolean"),
        (pa.array([None] * 8, pa.decimal128(5, 2)), "number"),
        (pa.array([0] * 8, pa.timestamp("s")), "date"),
        (pa.array([0] * 8, pa.duration("s")), "date"),
        (pa.array(["x", "y"] * 4), "category"),
        (pa.array(["x", None] * 4), "category"),
        (pa.array(LONG).dictionary_encode(), "category"),
        (pa.array(LONG), "text"),
        (pa.array(LONG, pa.string_view()), "text"),
        (pa.array([f"id-{row}" for row in range(8)]), None),
        (pa.array([f"row {row}" for row in range(8)]), None),
        (pa.array([None] * 8, pa.string()), None),
        (pa.nulls(8), None),
        (pa.array([["x"]] * 8), None),
        (pa.array([[1.5]] * 8), "vector"),
        (pa.array([b"x"] * 8), "category"),
        (pa.array([b"\x00x"] * 8), None),
        (pa.array([PNG, PNG[:30], b"x", None]), "image"),
    ],
)
def test_kinds(values, kind):
    assert look_at(values.type, pa.chunked_array([values])).kind == kind


def test_images_then_vectors_then_text_then_the_rest():
    columns = {
        "n": [1] * 8,
        "t": LONG,
        "v": [[1.0]] * 8,
        "i": [PNG] * 8,
        "k": ["x", "y"] * 4,
        "id": [f"u{i}" for i in range(8)],
    }
    for left, inputs, modality in (("i", ("i",), "image"), ("v", ("v",), "vector"), ("t", ("t",), "text")):
        found = choice(**columns)
        assert (found.inputs, found.modality) == (inputs, modality)
        del columns[left]
    found = choice(**columns)
    assert (found.inputs, found.modality) == (("n", "k"), "tabular")
    assert found.found == (
        "label column 'label' by its name; number columns 'n'; category columns 'k' by type; not looked at: 'id' "
        "(names or identifiers, such as 'u0': 8 different ones in 8 rows)"
    )


def test_named_columns_win_over_what_is_found():
    found = choice({"inputs": ["id", "n"]}, n=[1] * 8, t=LONG, id=[f"u{i}" for i in range(8)])
    assert found.kinds == (("id", "text"), ("n", "number"))
    assert found.modality == "text + tabular"


@pytest.mark.parametrize(
    ("columns", "options", "words"),
    [
        ({"a": [["x"]] * 8}, {}, r"no input columns beside label 'label' \(a: list<.*\); needed is a column of images"),
        ({"a": [["x"]] * 8}, {"inputs": ["a"]}, "column 'a' has type list<.*>; an input must be an image"),
        ({"i": [PNG] * 8, "j": [PNG] * 8}, {}, "several image columns: 'i', 'j'; name the one"),
        ({"y": [1] * 8}, {}, "several columns could be the label: 'label', 'y'"),
    ],
)
def test_what_cannot_be_found(columns, options, words):
    with pytest.raises(BadInput, match=words):
        choice(options, **columns)
