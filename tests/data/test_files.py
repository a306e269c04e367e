"""Files are whole or not there."""

import os
from pathlib import Path

import pytest

from sanitize.data.files import whole_files, whole_places
from sanitize.errors import BadInput


def test_all_files_appear_together_and_missing_folders_are_made(tmp_path: Path) -> None:
    places = [tmp_path / "new" / "a", tmp_path / "b"]
    with whole_files(*places) as drafts:
        for number, draft in enumerate(drafts):
            draft.write_text(str(number))
            assert draft.parent == places[number].parent
        assert not any(place.exists() for place in places)
    assert [place.read_text() for place in places] == ["0", "1"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "new"]


def test_after_an_error_nothing_is_left_and_old_files_stay(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), whole_files(tmp_path / "a", tmp_path / "b") as drafts:
        drafts[0].write_text("half")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder; name a file"), whole_files(tmp_path):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="folder cannot be made"), whole_files(tmp_path / "file" / "x"):
        pass


def test_a_move_that_fails_undoes_the_moves_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third of four moves fails: a replaced file, a new file and a new folder are as they were."""
    (tmp_path / "old").write_text("before")
    places = [tmp_path / "old", tmp_path / "new", tmp_path / "last", tmp_path / "never"]
    replace = os.replace

    def failing(source: Path, target: Path) -> None:
        if Path(target).name == "last" and str(source).endswith(".tmp"):
            raise OSError("no space left")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="no space left"), whole_places(places) as drafts:
        drafts[0].write_text("after")
        drafts[1].mkdir()
        (drafts[1] / "file").write_text("after")
        drafts[2].write_text("after")
        drafts[3].write_text("after")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "before"


def test_folders_that_were_made_for_nothing_are_removed(tmp_path: Path) -> None:
    with pytest.raises(KeyError), whole_places([tmp_path / "a" / "b" / "file"]) as drafts:
        drafts[0].write_text("half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_files_and_folders_together(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()  # empty
    with whole_places([tmp_path / "folder", tmp_path / "file"]) as drafts:
        drafts[0].mkdir()
        (drafts[0] / "inside").write_text("1")
        drafts[1].write_text("2")
    assert (tmp_path / "folder" / "inside").read_text() + (tmp_path / "file").read_text() == "12"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
