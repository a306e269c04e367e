"""Files are whole or not there."""

import os
from pathlib import Path

import pytest

from sanitize.errors import BadInput
from sanitize.io.atomic import atomic_write, clear_after, put_file, put_new
from sanitize.io.claims import Claim, unguessable
from sanitize.io.origin import HERE
from tests.killed import killed_at


def test_all_files_appear_together_and_missing_folders_are_made(tmp_path: Path) -> None:
    places = [tmp_path / "new" / "a", tmp_path / "b"]
    with atomic_write(*places) as drafts:
        for number, draft in enumerate(drafts):
            draft.write_text(str(number))
            assert draft.parent.parent == places[number].parent
            assert draft.parent.stat().st_mode & 0o777 == 0o700
        assert not any(place.exists() for place in places)
    assert [place.read_text() for place in places] == ["0", "1"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "new"]


def test_after_an_error_nothing_is_left_and_old_files_stay(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "a", tmp_path / "b") as drafts:
        drafts[0].write_text("half")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder; name a file"), atomic_write(tmp_path):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="folder cannot be made"), atomic_write(tmp_path / "file" / "x"):
        pass


def test_a_move_that_fails_undoes_the_moves_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third of four moves fails: a replaced file and new ones are as they were."""
    (tmp_path / "old").write_text("before")
    replace = os.replace

    def failing(source: str, target: str, **more: int) -> None:
        if target == "last" and len(source) == 16:
            raise OSError("no space left")
        replace(source, target, **more)

    monkeypatch.setattr(os, "replace", failing)
    places = [tmp_path / name for name in ("old", "new", "last", "never")]
    with pytest.raises(OSError, match="no space left"), atomic_write(*places) as drafts:
        for draft in drafts:
            draft.write_text("after")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "before"


def test_folders_that_were_made_for_nothing_are_removed(tmp_path: Path) -> None:
    with pytest.raises(KeyError), atomic_write(tmp_path / "a" / "b" / "file") as (draft,):
        draft.write_text("half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_killed_at_any_point_the_next_one_finds_a_whole_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    for number in range(99):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in ("a", "b"):
            (folder / name).write_text("old")

        def work(text: str, folder: Path = folder) -> None:
            with atomic_write(folder / "a", folder / "b") as drafts:
                for draft in drafts:
                    draft.write_text(text)

        killed = killed_at(number, folder, lambda work=work: work("new"))  # type: ignore[misc]
        assert {(folder / name).read_text() for name in ("a", "b")} <= {"old", "new"}
        work("newer")
        assert sorted(os.listdir(folder)) == ["a", "b"]
        assert {(folder / name).read_text() for name in ("a", "b")} == {"newer"}
        if not killed:
            break
    assert not killed and number > 10


def test_what_a_killed_writer_left_is_cleared_and_nothing_else_is(tmp_path: Path) -> None:
    """Names that look like drafts of old, and the user's own .a.old, are nobody's business."""
    others = [".a.old", ".a.1.tmp", ".a.00000000.draft", ".b.sanitize", "a.bak"]
    for name in others:
        (tmp_path / name).write_text("mine")
    claim = Claim(tmp_path / "a")
    claim.take()
    (claim.path / unguessable()).write_text("half")
    claim.release()
    assert (tmp_path / ".a.sanitize").is_dir()
    clear_after(tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == sorted(others)
    with atomic_write(tmp_path / "a", tmp_path / "c") as drafts:
        for draft in drafts:
            draft.write_text("new")
    assert sorted(os.listdir(tmp_path)) == sorted(["a", "c", *others])
    assert {(tmp_path / name).read_text() for name in others} == {"mine"}


def test_modes(tmp_path: Path) -> None:
    """A file has the mode of the one that it replaces, a new one what the umask says, and nobody reads a draft."""
    before = os.umask(0o027)
    try:
        for mode, expected in ((0o600, 0o600), (0o644, 0o644), (0o664, 0o664), (0o400, 0o400), (None, 0o640)):
            place = tmp_path / f"{mode}"
            if mode is not None:
                place.write_text("old")
                place.chmod(mode)
            with atomic_write(place) as (draft,):
                draft.write_text("new")
            assert place.stat().st_mode & 0o7777 == expected and place.read_text() == "new"
    finally:
        os.umask(before)


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    (tmp_path / "victim").write_text("precious")
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to(tmp_path / ("victim" if kind == "link" else "nowhere"))
    with pytest.raises(BadInput, match=r"is a folder; name a file|never written to or replaced"), atomic_write(place):
        pass
    assert (tmp_path / "victim").read_text() == "precious" and sorted(os.listdir(tmp_path)) == ["place", "victim"]


def test_a_file_of_a_private_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    for text in ("one", "two"):
        with put_file(tmp_path / "a") as draft:
            draft.write_text(text)
        assert (tmp_path / "a").read_text() == text
    with pytest.raises(KeyError), put_file(tmp_path / "a") as draft:
        draft.write_text("half")
        raise KeyError
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "two"
    tmp_path.chmod(0o777)
    with pytest.raises(BadInput, match="is a folder with mode 777"), put_file(tmp_path / "a"):
        pass


def test_a_new_file_is_made_in_place_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "a").symlink_to(tmp_path / "victim")
    put_new(tmp_path / "a").write_text("new")
    assert (tmp_path / "victim").read_text() == "precious" and not (tmp_path / "a").is_symlink()


def test_all_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each draft and its folder before the first move, the folder of the outputs after the last one."""
    seen: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted(descriptor: int) -> None:
        seen.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def moved(source: str, target: str, **more: int) -> None:
        if target != HERE:  # of no use after a loss of power, unlike the drafts
            seen.append(f"-> {target}")
        replace(source, target, **more)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(os, "replace", moved)
    with atomic_write(tmp_path / "a", tmp_path / "b") as drafts:
        for draft in drafts:
            draft.write_text("new")
    a, b = (draft.name for draft in drafts)
    assert seen == [a, ".a.sanitize", b, ".b.sanitize", "-> a", "-> b", tmp_path.name]
