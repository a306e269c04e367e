"""Staging: one run at a time, what a killed one leaves, and that nothing of it stays."""

import os

import pytest

from sanitize.data.staging import Staging
from sanitize.errors import BadInput
from tests.killed import killed_at

KEY = {"input": "i", "version": "v"}


def places(folder):
    return [str(folder / "out"), str(folder / "deep" / "er" / "manifest")]


def run(folder, resume=False, key=KEY):
    """A run that writes its outputs in two steps, and remembers the first one."""
    with Staging(places(folder)) as staging:
        if staging.finished is not None:
            return staging.finished
        staging.begin(key, resume)
        staging.keep = True
        first = staging.folder / "first"
        if not first.exists():
            first.write_text("done")
        staging.drafts[0].mkdir(exist_ok=True)
        (staging.drafts[0] / "rows").write_text("rows")
        staging.drafts[1].write_text("manifest")
        staging.commit({"rows": 4})
    return {"rows": 4}


def finish(folder):
    """Another run, unless the first one had nothing left to do but to remove its folder."""
    with Staging(places(folder)) as staging:
        done = staging.finished is None and (folder / "out").exists()
        staging.keep = not done and staging.finished is None
        found = staging.finished
    if not done:
        assert (found or run(folder, resume=True)) == {"rows": 4}


def tree(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_run_leaves_its_outputs_alone(tmp_path):
    run(tmp_path)
    assert tree(tmp_path) == ["deep/er/manifest", "out/rows"]
    assert sorted(os.listdir(tmp_path)) == ["deep", "out"]


def test_killed_at_any_point_the_next_run_goes_on_and_nothing_is_left(tmp_path):
    for number in range(200):
        folder = tmp_path / str(number)
        folder.mkdir()
        killed = killed_at(number, folder, lambda folder=folder: run(folder))
        finish(folder)
        assert tree(folder) == ["deep/er/manifest", "out/rows"]
        assert sorted(os.listdir(folder)) == ["deep", "out"]
        if not killed:
            break
    assert number > 20


def test_killed_twice_at_any_point(tmp_path):
    for number in range(0, 200, 3):
        folder = tmp_path / str(number)
        folder.mkdir()
        killed = killed_at(number, folder, lambda folder=folder: run(folder))
        for again in (2, 7, 5):
            killed_at(again, folder, lambda folder=folder: run(folder, resume=True))
        finish(folder)
        assert sorted(os.listdir(folder)) == ["deep", "out"]
        if not killed:
            break
    assert tree(folder) == ["deep/er/manifest", "out/rows"]


def left(folder, resume=True, key=KEY):
    """What `begin` says of what an earlier run with KEY has left, and whether its first step is still there."""
    with Staging(places(folder)) as staging:
        staging.begin(KEY, False)
        (staging.folder / "first").write_text("done")
        staging.keep = True
    with Staging(places(folder)) as staging:
        told = staging.begin(key, resume)
        return told, (staging.folder / "first").exists(), staging.resumed


def test_it_goes_on_from_the_same_run_only(tmp_path):
    folder = tmp_path / ".out.sanitize"
    assert left(tmp_path) == (f"going on from {folder}", True, True)
    assert left(tmp_path, key={"input": "i", "version": "w"}) == (
        f"{folder}: is of another version; removed, beginning anew", False, False,
    )  # fmt: skip
    assert left(tmp_path, key={"input": "j", "version": "w"})[0] == (
        f"{folder}: is of another input and version; removed, beginning anew"
    )
    told, there, _ = left(tmp_path, resume=False)
    assert told == f"{folder}: what a killed run has left is removed; --resume would have gone on from it"
    assert not there
    with Staging(places(tmp_path)) as staging:
        assert staging.begin(KEY, True) == f"{folder}: nothing is there to go on from; beginning anew"
    assert os.listdir(tmp_path) == []


def test_folders_that_were_made_go_with_it_and_others_stay(tmp_path):
    (tmp_path / "deep").mkdir()
    with Staging(places(tmp_path)) as staging:
        staging.begin(KEY, False)
        staging.drafts[1].write_text("half")
        assert (tmp_path / "deep" / "er").is_dir()
    assert os.listdir(tmp_path) == ["deep"] and os.listdir(tmp_path / "deep") == []


def test_one_run_at_a_time(tmp_path):
    with Staging(places(tmp_path)) as staging:
        staging.begin(KEY, False)
        with pytest.raises(BadInput, match=r"\.out\.sanitize: another run is writing there; wait for it"):
            Staging(places(tmp_path)).__enter__()
        assert staging.folder.is_dir()


@pytest.mark.parametrize("kind", ["link", "file", "writable"])
def test_a_folder_that_others_can_write_to_is_not_believed(tmp_path, kind):
    folder = tmp_path / ".out.sanitize"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    elif kind == "file":
        folder.write_text("")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with pytest.raises(BadInput, match=r"\.out\.sanitize: is no folder that this user alone can write to; remove it"):
        Staging(places(tmp_path)).__enter__()


def test_a_draft_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("precious")
    with Staging([str(tmp_path / "out")]) as staging:
        draft = staging.drafts[0]
        draft.symlink_to(tmp_path / "victim")
        staging.begin(KEY, False)
        draft.write_text("new")
        staging.commit({})
    assert (tmp_path / "victim").read_text() == "precious"
    assert (tmp_path / "out").read_text() == "new" and not (tmp_path / "out").is_symlink()


def test_addresses_alone_have_no_lasting_folder():
    with Staging(["memory://somewhere/out"]) as staging:
        folder = staging.folder
        assert not staging.lasting and folder.is_dir()
    assert not folder.exists()
