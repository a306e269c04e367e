"""State folders that came with the data, by `git clone` (mode 755) or tar (700): nothing of them is believed, and even
one that was made here is believed only as far as this program writes such things."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.errors import BadInput
from sanitize.io.atomic import atomic_write
from sanitize.io.claims import Claim
from sanitize.io.state import stamp
from sanitize.io.transaction import Transaction
from sanitize.scratch import Remembered
from tests import small
from tests.voters import vector_voters

NAME = "0123456789abcdef"
KEY = {"input": "i"}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """An input and voters."""
    folder = tmp_path_factory.mktemp("given")
    small.vector_file(folder / "in.parquet")
    vector_voters(folder)
    return folder


@pytest.fixture
def home(tmp_path):
    """A home with what is precious, and beside it the folder `repo` that somebody else has filled."""
    (tmp_path / "home" / "precious").mkdir(parents=True)
    for name in (".bashrc", "id_rsa", "precious/file"):
        (tmp_path / "home" / name).write_text("mine")
    (tmp_path / "repo").mkdir()
    return tmp_path / "home"


def mine(home):
    return {path.relative_to(home).as_posix(): path.read_text() for path in home.rglob("*") if path.is_file()}


def journal(moves=(), uploads=()):
    return {"journal.json": {"moves": [*moves], "uploads": [*uploads], "note": {}}}


def about(drafts, made=()):
    return {"about.json": {"key": {}, "drafts": drafts, "uploads": [], "made": [*made]}}


def shipped(home):
    """name -> {hidden folder of repo: {file: JSON or text}}."""
    repo = home.parent / "repo"
    out = str(repo / "clean.parquet")
    done = {"note": {"key": {}, "summary": {}}, "stamps": []}
    return {
        "upload": {".clean.parquet.sanitize": journal(uploads=[["notes.txt", f"local://{home}/.bashrc"]])},
        "leak": {".clean.parquet.sanitize": journal(uploads=[[f"{home}/id_rsa", f"local://{home.parent}/leaked"]])},
        "move": {
            ".clean.parquet.sanitize": journal([[f"{repo}/x", "../../home/id_rsa"]]),
            ".x.sanitize": {"keep": "keep"},
        },
        "move to any place": {".clean.parquet.sanitize": {**journal([[f"{home}/.bashrc", NAME]]), NAME: "evil"}},
        "clear": {".clean.parquet.sanitize": about([[out, "../../home/precious"]])},
        "made": {".clean.parquet.sanitize": about([[out, NAME]], [str(home / "precious")])},
        "old": {".clean.parquet.sanitize": {f"{NAME}.old": "evil", "x.old": "evil"}},
        "done": {".clean.parquet.sanitize": {"done.json": done}},
        "signed": {
            ".clean.parquet.sanitize": {
                "done.json": done,
                "here": {"name": ".clean.parquet.sanitize", "mode": 448, "inode": 1, "born": [2, 3]},
                "born/.gitkeep": "",
            }
        },
        "second output": {".manifest.parquet.sanitize": {f"{NAME}.old": "evil"}},
    }


def plant(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))


def all_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


KINDS = [
    "upload", "leak", "move", "move to any place", "clear", "made", "old", "done", "signed", "second output",
]  # fmt: skip


def filtering(given, repo, *more):
    out = [repo / "clean.parquet", "--manifest", repo / "manifest.parquet"]
    arguments = ["filter", given / "in.parquet", *out, "--voters", given / "voters", "--engine", "inline"]
    return CliRunner().invoke(app, [str(argument) for argument in [*arguments, *more]])


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("mode", [0o755, 0o700])
@pytest.mark.parametrize("kind", KINDS)
def test_what_came_with_the_data_is_refused_and_untouched(given, home, kind, mode, resume):
    repo = home.parent / "repo"
    (repo / "data.txt").write_text("data")
    for folder, files in shipped(home)[kind].items():
        plant(repo / folder, files)
        (repo / folder).chmod(mode)
    before, own, refused = all_of(repo), mine(home), next(iter(shipped(home)[kind]))
    done = filtering(given, repo, *(["--resume"] if resume else []))
    assert done.exit_code == 3, done.stderr
    assert f"{refused}: was not made by sanitize here" in done.stderr and "remove it" in done.stderr
    after = {name: content for name, content in all_of(repo).items() if name in before or "clean" not in name}
    assert (
        (after, mine(home)) == (before, own)
        and not (repo / "clean.parquet").exists()
        and not (home.parent / "leaked").exists()
    )
    shutil.rmtree(repo / refused)
    done = filtering(given, repo)
    assert done.exit_code == 0, done.stderr
    assert mine(home) == own


def test_an_empty_folder_with_mode_700_is_taken_over_and_one_with_another_mode_is_refused(given, home):
    """The first is what a run leaves that is killed before it can sign its folder."""
    repo = home.parent / "repo"
    hidden = repo / ".clean.parquet.sanitize"
    for half in ([], ["born"], ["born", "here.tmp"]):
        hidden.mkdir(mode=0o700)
        for name in half:
            (hidden / name).mkdir() if name == "born" else (hidden / name).write_text("{")
        assert filtering(given, repo).exit_code == 0
        assert sorted(os.listdir(repo)) == ["clean.parquet", "manifest.parquet"]
    hidden.mkdir(mode=0o755)
    done = filtering(given, repo)
    assert done.exit_code == 3 and "was not made by sanitize here (mode 755" in done.stderr


def left(repo):
    """A folder that a run to `repo`/clean.parquet has made here and left."""
    with Transaction([str(repo / "clean.parquet"), str(repo / "manifest.parquet")]) as staging:
        staging.begin(KEY, False)
        staging.keep = True
        (staging.folder / "fit.json").write_text("{}")
        return staging.folder


@pytest.mark.parametrize("way", ["copied", "renamed", "restored"])
def test_a_folder_that_was_made_here_and_copied_or_renamed_is_not_believed(given, home, way):
    """Also one whose inodes' numbers are right by chance."""
    repo = home.parent / "repo"
    folder = left(repo)
    if way == "copied":
        shutil.copytree(folder, repo / "copy")
        shutil.rmtree(folder)
        (repo / "copy").rename(folder)
    elif way == "renamed":
        folder.rename(repo / ".other.parquet.sanitize")
        shutil.rmtree(repo / ".manifest.parquet.sanitize")
        with pytest.raises(BadInput, match="was not made by sanitize here"), atomic_write(repo / "other.parquet"):
            pass
        return
    else:  # the same numbers, made anew
        sign = json.loads((folder / "here").read_text())
        sign["born"][1] -= 1
        (folder / "here").write_text(json.dumps(sign))
    done = filtering(given, repo, "--resume")
    assert done.exit_code == 3 and "was not made by sanitize here" in done.stderr
    assert (folder / "fit.json").exists()


@pytest.mark.parametrize("kind", ["upload", "leak", "move", "move to any place", "clear", "made"])
def test_notes_in_a_folder_that_was_made_here_lead_nowhere_else(given, home, kind):
    repo = home.parent / "repo"
    folder = left(repo)
    plant(folder, next(iter(shipped(home)[kind].values())))
    own = mine(home)
    done = filtering(given, repo)
    assert done.exit_code == 3 and ".clean.parquet.sanitize: is damaged" in done.stderr, done.stderr
    assert mine(home) == own and not (home.parent / "leaked").exists() and not (repo / "clean.parquet").exists()


@pytest.mark.parametrize("stamps", ["none", "one", "changed", "more", "absent"])
def test_done_must_be_all_outputs_as_they_are(given, home, stamps):
    repo = home.parent / "repo"
    folder = left(repo)
    outputs = [str(repo / "clean.parquet"), str(repo / "manifest.parquet")]
    for place in outputs if stamps != "absent" else []:
        with open(place, "w") as file:
            file.write("x")
    found = [[place, stamp(place)] for place in outputs]
    found = {"none": [], "one": found[:1], "more": [*found, [f"{home}/.bashrc", stamp(f"{home}/.bashrc")]]}.get(
        stamps, found
    )
    if stamps == "changed":
        found[1][1][2] += 1
    plant(folder, {"done.json": {"note": {"key": {}, "summary": {}}, "stamps": found}})
    done = filtering(given, repo, "--resume")
    assert done.exit_code == 0 and "is not all outputs of this command as they are now; ignored" in done.stderr
    assert (repo / "clean.parquet").read_bytes()[:4] == b"PAR1"


def test_of_a_made_folder_what_is_no_draft_is_never_put_in_place(tmp_path):
    claim = Claim(tmp_path / "out")
    claim.take()
    for name in ("x.old", "..old", f"{NAME}x.old"):
        (claim.path / name).write_text("evil")
    claim.clear()
    claim.release()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_results_of_learners_that_came_with_the_data_are_not_believed(tmp_path, mode):
    (tmp_path / "vote").mkdir(mode=mode)
    (tmp_path / "vote" / NAME).write_text("made up")
    with pytest.raises(BadInput, match="vote: was not made by sanitize here"):
        Remembered(lambda *_: iter(()), tmp_path / "vote")
    assert os.listdir(tmp_path / "vote") == [NAME]
