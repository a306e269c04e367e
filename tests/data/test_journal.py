"""put_in_place and complete: all places new, or none, whatever comes in between."""

import json
import os

import pytest

from sanitize.data import journal
from sanitize.data.journal import complete, put_in_place
from sanitize.errors import BadInput
from tests.killed import killed_at

NEW = {"a": "new a", "b/c": "new c", "d": None}  # d is a folder with one file


def laid(folder, old):
    """Drafts in `folder`/drafts, and what stands at the places before; (draft, place) of each."""
    pairs = []
    for number, (name, text) in enumerate(NEW.items()):
        draft, place = folder / "drafts" / str(number), folder / name
        draft.parent.mkdir(parents=True, exist_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            draft.mkdir()
            (draft / "file").write_text("new file")
        else:
            draft.write_text(text)
        if name in old:
            place.write_text(old[name])
        pairs.append((draft, str(place)))
    return pairs


def seen(folder):
    """Each place's text, a folder's file's; None where nothing is."""
    found = {}
    for name in NEW:
        path = folder / name
        path = path / "file" if path.is_dir() else path
        found[name] = path.read_text() if path.exists() else None
    return found


ALL_NEW = {"a": "new a", "b/c": "new c", "d": "new file"}


def test_all_are_moved_and_the_journal_tells_of_it(tmp_path):
    put_in_place(laid(tmp_path, {"a": "old a"}), tmp_path / "journal", {"rows": 3})
    assert seen(tmp_path) == ALL_NEW
    assert complete(tmp_path / "journal") == {"rows": 3}
    assert seen(tmp_path) == ALL_NEW
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "d", "drafts", "journal"]
    assert os.listdir(tmp_path / "drafts") == []


def test_without_a_journal_there_is_nothing_to_complete(tmp_path):
    assert complete(tmp_path / "journal") is None


def test_what_is_no_journal_is_refused(tmp_path):
    for text in ("", "[]", '{"moves": [["a"]], "note": {}}', json.dumps({"moves": []})):
        (tmp_path / "journal").write_text(text)
        with pytest.raises(BadInput, match=r"journal: is no journal of outputs \(.*\); remove its folder"):
            complete(tmp_path / "journal")


@pytest.mark.parametrize("old", [{}, {"a": "old a"}, {"a": "old a", "b/c": "old c"}])
@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_move_that_fails_undoes_the_others(tmp_path, monkeypatch, old, failing):
    pairs = laid(tmp_path, old)
    before = seen(tmp_path)
    moves = iter(range(9))
    real = os.replace

    def replace(source, target):
        if str(source).startswith(str(tmp_path / "drafts")) and next(moves) == failing:
            raise OSError("no space left")
        real(source, target)

    monkeypatch.setattr(journal.os, "replace", replace)
    with pytest.raises(OSError, match="no space left"):
        put_in_place(pairs, tmp_path / "journal", {})
    assert seen(tmp_path) == before
    assert [draft.exists() for draft, _ in pairs] == [True, True, True]
    assert complete(tmp_path / "journal") is None
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize("old", [{}, {"a": "old a", "b/c": "old c"}])
@pytest.mark.parametrize("fails", [False, True])
def test_killed_at_any_point_it_is_completed_or_never_began(tmp_path, monkeypatch, old, fails):
    """Before every single file operation of the moves, and, with `fails`, of those that undo them."""
    for number in range(99):
        folder = tmp_path / str(number)
        pairs = laid(folder, old)
        before = seen(folder)

        def work(folder=folder, pairs=pairs):
            if fails:
                real = os.replace

                def replace(source, target):
                    if str(source) == str(pairs[2][0]):
                        raise OSError("no space left")
                    real(source, target)

                journal.os.replace = replace
            try:
                put_in_place(pairs, folder / "journal", {"n": 1})
            except OSError:
                assert fails

        killed = killed_at(number, folder, work)
        note = complete(folder / "journal")
        if note is None:
            assert seen(folder) == before
        else:
            assert note == {"n": 1}
            assert seen(folder) == ALL_NEW
        if not killed:
            break
        assert not [name for name in os.listdir(folder) if name.endswith(".old")]
    assert number > 6
    assert (note is None) == fails
