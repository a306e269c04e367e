"""Transactions: one run at a time, what a killed one leaves, and that nothing of it stays."""

import json
import os
import signal
from contextlib import suppress

import pytest

from sanitize.errors import BadInput
from sanitize.io import claims
from sanitize.io.atomic import atomic_write
from sanitize.io.transaction import Transaction
from tests.killed import killed_at

KEY = {"input": "i", "version": "v"}


@pytest.fixture(autouse=True)
def unsynced(monkeypatch):
    """What the system has been given outlives a killed process; the disk would make these tests slow."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def places(folder):
    return [str(folder / "out"), str(folder / "deep" / "er" / "manifest")]


def contents(folder):
    return {places(folder)[0]: ["rows"]}


def run(folder, resume=False, key=KEY):
    """A run that writes its outputs in two steps, and remembers the first one."""
    with Transaction(places(folder)) as staging:
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
        staging.commit({"rows": 4}, contents(folder))
    return {"rows": 4}


def finish(folder):
    """Another run, unless the first one had nothing left to do but to remove its folder."""
    with Transaction(places(folder)) as staging:
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
    with Transaction(places(folder)) as staging:
        staging.begin(KEY, False)
        (staging.folder / "first").write_text("done")
        staging.keep = True
    with Transaction(places(folder)) as staging:
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
    with Transaction(places(tmp_path)) as staging:
        assert staging.begin(KEY, True) == f"{folder}: nothing is there to go on from; beginning anew"
    assert os.listdir(tmp_path) == []


def test_folders_that_were_made_go_with_it_and_others_stay(tmp_path):
    (tmp_path / "deep").mkdir()
    with Transaction(places(tmp_path)) as staging:
        staging.begin(KEY, False)
        staging.drafts[1].write_text("half")
        assert (tmp_path / "deep" / "er").is_dir()
    assert os.listdir(tmp_path) == ["deep"] and os.listdir(tmp_path / "deep") == []


def test_one_run_at_a_time(tmp_path):
    with Transaction(places(tmp_path)) as staging:
        staging.begin(KEY, False)
        with pytest.raises(BadInput, match=r"\.out\.sanitize: another run is writing out; wait for it"):
            Transaction(places(tmp_path)).__enter__()
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
    with pytest.raises(BadInput, match=r"\.out\.sanitize: is a .*no folder that this user alone can write to"):
        Transaction(places(tmp_path)).__enter__()


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "missing"])
def test_a_draft_that_this_run_did_not_write_is_not_put_in_place(tmp_path, kind):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "out").write_text("before")
    with Transaction([str(tmp_path / "out")]) as staging:
        staging.begin(KEY, False)
        draft = staging.drafts[0]
        if kind == "link":
            draft.symlink_to(tmp_path / "victim")
        elif kind == "hard link":
            draft.hardlink_to(tmp_path / "victim")
        elif kind == "pipe":
            os.mkfifo(draft)
        with pytest.raises(BadInput, match=r"this run wrote|has vanished"):
            staging.commit({})
    assert (tmp_path / "victim").read_text() == "precious"
    assert (tmp_path / "out").read_text() == "before" and sorted(os.listdir(tmp_path)) == ["out", "victim"]


@pytest.mark.parametrize("name", ["zz_evil", "sub/evil", "rows"])
def test_of_a_draft_folder_exactly_what_was_written_is_put_in_place(tmp_path, name):
    with Transaction(places(tmp_path)) as staging:
        staging.begin(KEY, False)
        draft = staging.drafts[0] / name
        draft.parent.mkdir(parents=True)
        draft.write_text("evil")
        staging.drafts[1].write_text("manifest")
        problem = "is missing" if name == "rows" else "was not written by this run"
        with pytest.raises(BadInput, match=problem):
            staging.commit({}, {places(tmp_path)[0]: ["rows", "more"]})
    assert os.listdir(tmp_path) == []


def test_names_of_drafts_differ_from_run_to_run(tmp_path):
    names = set()
    for _ in range(3):
        with Transaction([str(tmp_path / "out")]) as staging:
            staging.begin(KEY, False)
            names.add(staging.drafts[0].name)
            assert os.stat(staging.folder).st_mode & 0o777 == 0o700
    assert len(names) == 3 and all(len(name) == 16 for name in names)


def test_two_runs_that_share_an_output_do_not_both_win(tmp_path):
    """They share the second one alone, and name it first or last."""
    shared = str(tmp_path / "manifest")
    with Transaction([str(tmp_path / "a"), shared]) as first:
        first.begin(KEY, False)
        for others in ([str(tmp_path / "b"), shared], [shared, str(tmp_path / "b")]):
            with pytest.raises(BadInput, match="another run is writing manifest"), Transaction(others) as second:
                second.begin(KEY, False)
        with pytest.raises(BadInput, match="another run is writing manifest"), atomic_write(shared):
            pass
    with Transaction([str(tmp_path / "b"), shared]) as second:
        second.begin(KEY, False)
    assert os.listdir(tmp_path) == []


def test_another_run_leaves_alone_what_a_killed_one_may_go_on_with(tmp_path):
    """Both have the manifest; the first is killed while it moves, the second runs, then the first is completed."""
    shared = tmp_path / "manifest"

    def first():
        with Transaction([str(tmp_path / "a"), str(shared)]) as staging:
            staging.begin(KEY, False)
            for draft in staging.drafts:
                draft.write_text("first")
            real = os.replace

            def replace(source, target, **more):
                if target == "manifest":
                    os.kill(os.getpid(), signal.SIGKILL)
                real(source, target, **more)

            claims.os.replace = replace
            staging.commit({"n": 1})

    assert killed_at(10_000, tmp_path, first)
    assert (tmp_path / "a").read_text() == "first" and not shared.exists()
    with Transaction([str(tmp_path / "b"), str(shared)]) as staging:
        staging.begin(KEY, False)
        for draft in staging.drafts:
            draft.write_text("second")
        staging.commit({"n": 2})
    with atomic_write(shared) as (draft,):
        draft.write_text("third")
    with Transaction([str(tmp_path / "a"), str(shared)]) as staging:
        assert (staging.finished, staging.moved) == ({"n": 1}, True)
    assert (tmp_path / "b").read_text() == "second" and shared.read_text() == "first"
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "manifest"]


def test_what_a_watcher_completed_is_known_to_the_next_run(tmp_path):
    places = [str(tmp_path / "a"), str(tmp_path / "b")]

    def dies():
        with Transaction(places) as staging:
            staging.begin(KEY, False)
            for draft in staging.drafts:
                draft.write_text("new")
            staging._clear = lambda: os.kill(os.getpid(), signal.SIGKILL)
            staging.commit({"n": 1})

    for changed in (False, True):
        assert killed_at(10_000, tmp_path, dies)
        with Transaction(places[:1]) as watcher:
            assert watcher.finished == {"n": 1}
            watcher.keep = True
        if changed:  # it is no longer the outcome of that run
            (tmp_path / "b").write_text("of somebody else")
        with Transaction(places) as again:
            assert (again.finished, again.moved) == (None if changed else {"n": 1}, False)
        assert sorted(os.listdir(tmp_path)) == ["a", "b"]


NEW = {"a": "new a", "b/c": "new c", "d": None}  # d is a folder with one file
ALL_NEW = {"a": "new a", "b/c": "new c", "d": "new file"}


def laid(folder, old):
    """What stands at the places before; the places."""
    for name in NEW:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name in old:
            (folder / name).write_text(old[name])
    return [str(folder / name) for name in NEW]


def replaced(staging):
    """Write all drafts and put them in place."""
    staging.begin(KEY, False)
    staging.keep = True
    for draft, text in zip(staging.drafts, NEW.values(), strict=True):
        if text is None:
            draft.mkdir()
            (draft / "file").write_text("new file")
        else:
            draft.write_text(text)
    staging.commit({"n": 1}, {staging.places[2]: ["file"]})


def seen(folder):
    """Each place's text, a folder's file's; None where nothing is."""
    found = {}
    for name in NEW:
        path = folder / name
        path = path / "file" if path.is_dir() else path
        found[name] = path.read_text() if path.exists() else None
    return found


def failing_at(number):
    """os.replace, of which the `number`-th move of a draft into its place fails."""
    real, moves = os.replace, iter(range(99))

    def replace(source, target, **more):
        if target in ("a", "c", "d") and len(source) == 16 and next(moves) == number:
            raise OSError("no space left")
        real(source, target, **more)

    return replace


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("old", [{}, {"a": "old a"}, {"a": "old a", "b/c": "old c"}])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_move_that_fails_undoes_the_others(tmp_path, monkeypatch, old, number, links):
    places = laid(tmp_path, old)
    before = seen(tmp_path)
    monkeypatch.setattr(claims.os, "replace", failing_at(number))
    if not links:
        monkeypatch.setattr(claims.os, "link", lambda *_, **__: (_ for _ in ()).throw(PermissionError()))
    with pytest.raises(BadInput, match=r"cannot be put in place \(no space left\)"), Transaction(places) as staging:
        replaced(staging)
    assert seen(tmp_path) == before
    with Transaction(places) as staging:
        assert staging.finished is None
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize("old", [{}, {"a": "old a", "b/c": "old c"}])
@pytest.mark.parametrize("fails", [False, True])
def test_killed_at_any_point_the_moves_are_completed_or_never_began(tmp_path, monkeypatch, old, fails):
    """Before every single file operation of the moves, and, with `fails`, of those that undo them."""
    outcomes = []
    for number in range(40, 200):
        folder = tmp_path / str(number)
        folder.mkdir()
        places = laid(folder, old)
        before = seen(folder)

        def work(places=places):
            if fails:
                claims.os.replace = failing_at(2)
            with suppress(BadInput if fails else ()), Transaction(places) as staging:
                replaced(staging)

        killed = killed_at(number, folder, work)
        with Transaction(places) as staging:
            note = staging.finished
        if note is None and killed:
            assert seen(folder) in (before, ALL_NEW)
        elif note is not None:
            assert note == {"n": 1} and seen(folder) == ALL_NEW
        outcomes.append(note is not None)
        assert [name for name in os.listdir(folder) if name.startswith(".")] == []
        if not killed:
            break
    assert not killed and any(outcomes)
    assert seen(folder) == (before if fails else ALL_NEW)


def test_what_is_no_journal_is_refused(tmp_path):
    for text in ("", "[]", '{"moves": [["a"]], "note": {}, "uploads": []}', json.dumps({"moves": []})):
        with Transaction(places(tmp_path)) as staging:
            staging.begin(KEY, False)
            staging.keep = True
        (tmp_path / ".out.sanitize" / "journal.json").write_text(text)
        with pytest.raises(BadInput, match=r"\.out\.sanitize: is damaged \(journal.json: .*\); remove it"):
            Transaction(places(tmp_path)).__enter__()
        (tmp_path / ".out.sanitize" / "journal.json").unlink()


def test_long_names(tmp_path):
    for name in ("n" * 255, "\u00fc" * 127):
        with Transaction([str(tmp_path / name)]) as staging:
            staging.begin(KEY, False)
            staging.drafts[0].write_text("new")
            staging.commit({})
        assert os.listdir(tmp_path) == [name]
        (tmp_path / name).unlink()


def test_addresses_alone_have_no_lasting_folder():
    with Transaction(["memory://somewhere/out"]) as staging:
        folder = staging.folder
        assert not staging.lasting and folder.is_dir()
    assert not folder.exists()


def some(folder, keep, resume=False, note=None):
    """A run that leaves out its first output, a folder; the second, another folder, and a file are put in place."""
    three = [str(folder / name) for name in ("out", "more", "manifest")]
    with Transaction(three) as staging:
        if staging.finished is not None:
            return staging.finished, staging.left_out
        staging.begin(KEY, resume)
        staging.keep = keep
        for draft in staging.drafts[:2]:
            draft.mkdir(exist_ok=True)
            (draft / "rows").write_text("rows")
        staging.drafts[2].write_text("manifest")
        names = {key: ["rows"] for key in three[:2]}
        staging.commit({"rows": 4}, names, without=() if note == "all" else three[:1], keep=keep and note != "all")
    return {"rows": 4}, frozenset(three[:1])


@pytest.mark.parametrize("keep", [False, True])
def test_an_output_that_is_left_out_stays_as_it_was(tmp_path, keep):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    some(tmp_path, keep)
    assert [name for name in tree(tmp_path) if not name.startswith(".")] == ["manifest", "more/rows", "out/mine"]
    assert (tmp_path / ".out.sanitize").exists() == keep
    if not keep:
        assert sorted(os.listdir(tmp_path)) == ["manifest", "more", "out"]


@pytest.mark.parametrize("keep", [False, True])
def test_killed_at_any_point_of_a_commit_that_leaves_one_out(tmp_path, keep):
    for number in range(200):
        folder = tmp_path / str(number)
        folder.mkdir()
        killed = killed_at(number, folder, lambda folder=folder: some(folder, keep))
        if not killed:
            break
        found, left = (
            some(folder, keep, resume=True) if not done(folder, keep) else ({"rows": 4}, {str(folder / "out")})
        )
        assert (found, set(left)) == ({"rows": 4}, {str(folder / "out")})
        names = [name for name in tree(folder) if not name.startswith(".")]
        assert names == ["manifest", "more/rows"], number
    assert number > 20


def done(folder, keep):
    """Whether the outputs are there and nothing says so any more: a run that goes on would refuse the folder."""
    with Transaction([str(folder / name) for name in ("out", "more", "manifest")]) as staging:
        staging.keep = True
        there = (folder / "more").exists() and staging.finished is None
        return there and not (keep and staging.continues(KEY))


def test_a_folder_gives_way_to_the_next_run_alone(tmp_path):
    some(tmp_path, True)
    three = [str(tmp_path / name) for name in ("out", "more", "manifest")]
    with Transaction(three) as staging:
        staging.keep = True
        assert [staging.owns(place) for place in three] == [False, True, False]
        assert staging.continues(KEY) and not staging.continues({**KEY, "input": "j"})
    (tmp_path / "more" / "mine").write_text("mine")
    with Transaction(three) as staging:
        staging.keep = True
        assert not staging.owns(three[1])
    with pytest.raises(BadInput, match="cannot be put in place"):
        some(tmp_path, True, resume=True, note="all")
    assert tree(tmp_path / "more") == ["mine", "rows"] and not (tmp_path / "out").exists()
    with Transaction(three) as staging:
        staging.keep = True
    (tmp_path / "more" / "mine").unlink()
    (tmp_path / "more" / "rows").unlink()
    some(tmp_path, True, resume=True, note="all")
    assert tree(tmp_path) == ["manifest", "more/rows", "out/rows"]


def test_an_error_in_the_middle_puts_the_old_folder_back(tmp_path, monkeypatch):
    some(tmp_path, True)
    before = os.stat(tmp_path / "more").st_ino
    move = claims.Claim.move

    def moving(self, name, aside):
        if self.place.name == "manifest":
            raise OSError("no")
        move(self, name, aside)

    with monkeypatch.context() as patched, pytest.raises(BadInput, match=r"cannot be put in place \(no\)"):
        patched.setattr(claims.Claim, "move", moving)
        some(tmp_path, True, resume=True, note="all")
    assert os.stat(tmp_path / "more").st_ino == before and tree(tmp_path / "more") == ["rows"]
    assert not (tmp_path / "out").exists()
    some(tmp_path, True, resume=True, note="all")
    assert tree(tmp_path) == ["manifest", "more/rows", "out/rows"]
