"""Beyond a limit: no kept rows and no voters, but manifest, rejected rows, report and summary, all or none of them."""

import hashlib
import json
import os

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sanitize import filter_file as filter_module
from sanitize.cli import app
from sanitize.errors import BadInput
from sanitize.execution import inline
from sanitize.filter_file import filter_file
from sanitize.filter_options import Options
from sanitize.io.claims import Claim
from sanitize.io.origin import SIGNS
from sanitize.params import resolve
from tests import small
from tests.io.test_transaction import tree
from tests.killed import killed_at
from tests.test_filter_resume import QUICK

PARAMS = resolve(QUICK)
BEYOND = 0.001  # of 120 rows: less than one
EVIDENCE = ["manifest", "page", "rejected"]
ALL = ["kept", *EVIDENCE, "voters/voters.safetensors"]


@pytest.fixture(autouse=True)
def unsynced(monkeypatch):
    """What the system has been given outlives a killed process; the disk would make these tests slow."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module", params=["one file", "several"])
def source(request, tmp_path_factory):
    """The small vectors, as one file or as three."""
    place = tmp_path_factory.mktemp("source")
    whole = small.vector_file(place / "whole.parquet")
    if request.param == "one file":
        return whole
    table = pq.read_table(whole)
    for name, first, rows in (("a.parquet", 0, 50), ("b/c.parquet", 50, 40), ("d.parquet", 90, 30)):
        (place / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.slice(first, rows), place / "in" / name)
    return place / "in"


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    """The files of a run within its limits, by name."""
    out = tmp_path_factory.mktemp("whole")
    run(source, out)
    return content(out)


def run(source, out, *, told=None, steps=filter_module.no_steps, voters=True, **more):
    options = Options(report=out / "page", save_voters=out / "voters" if voters else None, **more)
    return filter_file(
        source,
        out / "kept",
        PARAMS,
        rejected=out / "rejected",
        manifest=out / "manifest",
        options=options,
        map=inline,
        tell=(told if told is not None else []).append,
        steps=steps,
    )


def content(out):
    return {name: (out / name).read_bytes() for name in tree(out)}


def evidence(whole):
    """What of a run's files is written beyond a limit, but for the page, which tells of the limit."""
    return {name: blob for name, blob in whole.items() if name.startswith(("manifest", "rejected"))}


def unfitted(label, total):
    raise AssertionError(f"{label}: was done again")


def digest_of(source, out, name, whole):
    """As `Source.sha256` has it, by hand."""
    if source.is_file():
        return hashlib.sha256(whole[name]).hexdigest()
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.parquet"))
    lines = [f"{one}\0{hashlib.sha256(whole[f'{name}/{one}']).hexdigest()}\n" for one in names]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_what_is_written_and_what_the_summary_says_of_it(source, whole, tmp_path):
    done = run(source, tmp_path, max_removed=BEYOND)
    found = content(tmp_path)
    page = found.pop("page")
    assert found == evidence(whole) and b"max_removed is 0.001, but" in page
    assert (done.exceeded, done.written) == (True, False)
    assert done.as_json()["outputs"] == {
        "kept": None,
        "rejected": {"sha256": digest_of(source, tmp_path, "rejected", whole), "rows": done.rejected},
        "manifest": {"sha256": hashlib.sha256(whole["manifest"]).hexdigest(), "rows": 120},
        "report": {"sha256": hashlib.sha256(page).hexdigest()},
        "voters": None,
    }
    assert sorted(os.listdir(tmp_path)) == EVIDENCE
    (tmp_path / "forced").mkdir()
    forced = run(source, tmp_path / "forced", max_removed=BEYOND, force=True)
    assert forced.written and forced.as_json()["outputs"] == {
        **done.as_json()["outputs"],
        "kept": {"sha256": digest_of(source, tmp_path, "kept", whole), "rows": done.kept},
        "voters": {"sha256": hashlib.sha256(whole["voters/voters.safetensors"]).hexdigest()},
    }
    assert content(tmp_path / "forced") == {**whole, "page": page}


def test_outputs_of_before_stay(source, tmp_path):
    (tmp_path / "voters").mkdir()
    for name in ("manifest", "page", "voters/voters.safetensors"):
        (tmp_path / name).write_text("before")
    if source.is_file():
        (tmp_path / "kept").write_text("before")
    run(source, tmp_path, max_removed=BEYOND)
    assert (tmp_path / "voters/voters.safetensors").read_text() == "before"
    assert (tmp_path / "kept").exists() == source.is_file()
    assert not source.is_file() or (tmp_path / "kept").read_text() == "before"
    assert (tmp_path / "manifest").read_bytes() != b"before" != (tmp_path / "page").read_bytes()
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_all_of_it_or_nothing(source, tmp_path, monkeypatch, failing):
    move, moved = Claim.move, []

    def moving(self, name, aside):
        moved.append(self.place.name)
        if len(moved) > failing:
            raise OSError("no")
        move(self, name, aside)

    (tmp_path / "manifest").write_text("before")
    monkeypatch.setattr(Claim, "move", moving)
    with pytest.raises(BadInput, match=r"cannot be put in place \(no\)"):
        run(source, tmp_path, max_removed=BEYOND)
    assert len(moved) == failing + 1 and "kept" not in moved and "voters.safetensors" not in moved
    assert content(tmp_path) == {"manifest": b"before"} and os.listdir(tmp_path) == ["manifest"]


def test_nothing_is_asked_for_that_could_be_written(source, tmp_path):
    options = Options(max_removed=BEYOND)
    done = filter_file(source, tmp_path / "deep" / "kept", PARAMS, options=options, map=inline)
    assert done.exceeded and not os.listdir(tmp_path)
    options = Options(max_removed=BEYOND, dry_run=True, save_voters=tmp_path / "v", report=tmp_path / "page")
    done = filter_file(source, None, PARAMS, manifest=tmp_path / "manifest", options=options, map=inline)
    assert done.exceeded and sorted(os.listdir(tmp_path)) == ["manifest", "page"]


def test_folders_made_for_what_is_not_written_go(source, tmp_path):
    options = Options(max_removed=BEYOND)
    place = tmp_path / "deep" / "kept"
    filter_file(source, place, PARAMS, manifest=tmp_path / "other" / "m", options=options, map=inline)
    assert os.listdir(tmp_path) == ["other"] and os.listdir(tmp_path / "other") == ["m"]


def in_place(out):
    """Names of the outputs -> their bytes."""
    return {name: blob for name, blob in content(out).items() if not name.startswith((".", "voters/."))}


@pytest.mark.parametrize("resume", [False, True])
def test_killed_at_many_points(source, whole, tmp_path, resume):
    """The same command with --resume ends with the evidence; and --force --resume then writes all."""
    given = {"max_removed": BEYOND, "resume": resume}
    known = run(source, tmp_path / "plain", max_removed=BEYOND)
    wanted = content(tmp_path / "plain")
    points, killed, moved = iter(range(3, 10_000, 7)), True, 0
    while killed:
        number = next(points)
        out = tmp_path / str(number)
        out.mkdir()
        killed = killed_at(number, out, lambda out=out: run(source, out, **given))
        if not killed:
            break
        told = []
        try:
            done = run(source, out, told=told, max_removed=BEYOND, resume=True)
            moved += any("the outputs but" in line and "kept, " in line for line in told)
            assert done.as_json() | {"seconds": 0} == known.as_json() | {"seconds": 0}
            assert in_place(out) == wanted, number
            if not (out / ".kept.sanitize" / "about.json").exists() and source.is_dir():
                continue  # the rejected rows are in their place, and nobody knows whose they are
            forced = run(source, out, max_removed=BEYOND, resume=True, force=True)
            assert forced.written and content(out) == {**whole, "page": wanted["page"]}, number
        except BadInput as error:  # killed when all was in place: a folder of rejected rows is not written over
            assert not resume and source.is_dir() and "rejected is a folder with files in it" in str(error), number
            assert in_place(out) == wanted, number
    assert moved > 0


def test_killed_while_all_is_put_in_the_place_of_some(source, whole, tmp_path):
    """The run that goes on from one beyond its limit, killed: its folder of rejected rows gives way to the new one."""
    page = None
    for number in range(0, 400, 5):
        out = tmp_path / str(number)
        out.mkdir()
        run(source, out, max_removed=BEYOND, resume=True)
        page = (out / "page").read_bytes()
        forced = {"max_removed": BEYOND, "force": True, "resume": True}
        killed = killed_at(number, out, lambda out=out, forced=forced: run(source, out, **forced))
        place = out / ".kept.sanitize"
        if killed and place.exists() and {*os.listdir(place)} - {*SIGNS}:
            assert run(source, out, **forced).written
        assert {name: blob for name, blob in content(out).items() if not name.startswith(".")} == {
            **whole, "page": page,
        }, number  # fmt: skip
        if not killed:
            break
    assert number > 50 and not killed


@pytest.mark.parametrize("more", [{"force": True}, {"max_removed": 0.5}], ids=["forced", "a higher limit"])
def test_it_goes_on_without_fitting_again(source, whole, tmp_path, more):
    told = []
    run(source, tmp_path, told=told, max_removed=BEYOND, resume=True)
    assert told[-1] == f"{tmp_path / '.kept.sanitize'}: what is done is kept there; --resume goes on from it"
    again = run(source, tmp_path, max_removed=BEYOND, resume=True, steps=unfitted)
    assert not again.written and content(tmp_path).items() >= evidence(whole).items()
    page = (tmp_path / "page").read_bytes()
    done = run(source, tmp_path, **{"max_removed": BEYOND, **more}, resume=True, steps=unfitted)
    assert done.written and done.outputs["kept"].rows == done.kept
    assert content(tmp_path) == {**whole, "page": page if "force" in more else whole["page"]}
    assert sorted(os.listdir(tmp_path)) == ["kept", *EVIDENCE, "voters"]


def test_a_folder_of_rejected_rows_that_somebody_changed_does_not_give_way(source, whole, tmp_path):
    if source.is_file():
        pytest.skip("a file is replaced whatever it is")
    run(source, tmp_path, max_removed=BEYOND, resume=True)
    for note in (tmp_path / "rejected" / "note.txt", tmp_path / "rejected" / "b" / "note.txt"):
        note.write_text("mine")
        with pytest.raises(BadInput, match=r"rejected is a folder with files in it; .* name a new folder"):
            run(source, tmp_path, max_removed=BEYOND, resume=True, force=True)
        assert note.read_text() == "mine"
        note.unlink()
        with pytest.raises(BadInput):  # its folder has another time now
            run(source, tmp_path, max_removed=BEYOND, resume=True, force=True)
        for path in sorted((tmp_path / "rejected").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        run(source, tmp_path, max_removed=BEYOND, resume=True, steps=unfitted)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.parquet").write_bytes((source / "a.parquet").read_bytes())
    with pytest.raises(BadInput, match=r"rejected is a folder with files in it"):  # the key is of another input
        run(tmp_path / "in", tmp_path, max_removed=BEYOND, resume=True)
    assert run(source, tmp_path, resume=True, steps=unfitted).written
    assert {name: blob for name, blob in content(tmp_path).items() if not name.startswith("in/")} == whole


def test_the_same_run_writes_the_same_summary(source, tmp_path):
    """`dvc metrics diff` is empty: two runs, within and beyond a limit, and one that was killed in between."""
    quick = small.quick_file(tmp_path / "quick.yaml", **{name: QUICK[name] for name in ("learner", "selftrain")})
    found = []
    for name, more in (("a", []), ("b", []), ("c", ["--max-removed", "0.001"]), ("d", ["--max-removed", "0.001"])):
        out = tmp_path / name
        args = ["--params", quick, "--engine", "inline", "--manifest", out / "m", "--summary", out / "s.json"]
        args = ["filter", source, out / "kept", *args, *more]
        assert CliRunner().invoke(app, [str(arg) for arg in args]).exit_code == bool(more)
        found.append((out / "s.json").read_bytes())
    assert found[0] == found[1] != found[2] == found[3]
    assert json.loads(found[0])["outputs"]["kept"] and json.loads(found[2])["outputs"]["kept"] is None
