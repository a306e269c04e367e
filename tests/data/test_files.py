"""Files are whole or not there."""

from pathlib import Path

import pytest

from sanitize.data.files import whole_files
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
