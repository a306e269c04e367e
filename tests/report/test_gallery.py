"""Gallery: which rows are shown, in which order, with which marks."""

import pytest

from sanitize.data.parquet import write_arrow
from sanitize.report import gallery
from sanitize.report.rows import open_rows
from tests.report.runs import HOSTILE, image_run, tabular_table, vector_run
from tests.report.test_findings import read


def chosen(folder):
    return gallery.choose(read(folder), open_rows(folder / "data/poisoned/train.parquet"))


def numbers(cards):
    return [card.row for card in cards]


def test_rows_by_hand(tmp_path):
    """Dropped: row 1 of class 0, row 3 of class 1. Kept, by suspicion: 4, 2, 0, 5, of which 4 is poisoned."""
    image_run(tmp_path)
    found = chosen(tmp_path)
    assert [(g.label, g.rows, g.dropped, g.clean, numbers(g.cards)) for g in found.groups] == [
        ("a", 2, 1, 1, [1]),
        (HOSTILE, 3, 1, 0, [3]),
    ]
    assert numbers(found.kept) == [4, 2, 0, 5] and numbers(found.missed) == [4]
    assert [card.poisoned for card in found.kept] == [True, False, False, False]
    assert found.kept[0].picture.startswith("data:image/png;base64,") and found.kept[0].values == ()
    assert found.names == () and found.more == 0


def test_limits(tmp_path, monkeypatch):
    image_run(tmp_path)
    monkeypatch.setattr(gallery, "SHOWN_CLASSES", 1)
    monkeypatch.setattr(gallery, "SHOWN_KEPT", 2)
    found = chosen(tmp_path)
    assert [g.label for g in found.groups] == ["a"] and found.more == 1
    assert numbers(found.kept) == [4, 2]


def test_without_truth_there_are_no_marks(tmp_path):
    image_run(tmp_path, truth=False)
    found = chosen(tmp_path)
    assert found.missed == () and [g.clean for g in found.groups] == [None, None]
    assert {card.poisoned for card in found.kept} == {None}


def test_vectors_show_their_first_values(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "SHOWN_VALUES", 2)
    vector_run(tmp_path)
    found = chosen(tmp_path)
    assert found.names == ("features[0]", "features[1]") and found.kept[0].values == ("4", "4")
    assert found.kept[0].picture == ""


@pytest.mark.parametrize(("columns", "shown"), [(("x", "z"), 2), ([f"c{n:02d}" for n in range(20)], 8)])
def test_tabular_rows_show_their_first_columns(tmp_path, columns, shown):
    vector_run(tmp_path)
    write_arrow(tabular_table(columns), tmp_path / "data/poisoned/train.parquet")
    found = chosen(tmp_path)
    assert found.names == tuple(columns[:shown]) and found.kept[1].values == ("2",) * shown
