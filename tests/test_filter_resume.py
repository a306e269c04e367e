"""A filter run that is killed at any moment goes on where it was, and writes the bytes of an undisturbed one."""

import os
import signal
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from sanitize import filter_file as filter_module
from sanitize import filter_key
from sanitize.errors import BadInput, BadParams
from sanitize.execution import inline
from sanitize.filter_file import filter_file
from sanitize.filter_options import Options
from sanitize.io.atomic import clear_after
from sanitize.io.claims import Claim
from sanitize.io.origin import SIGNS
from sanitize.params import resolve
from tests import small
from tests.io.test_transaction import tree
from tests.killed import killed_at

QUICK = {
    **small.QUICK,
    "learner": {"name": "sklearn", "model": "logistic_regression"},
    "selftrain": {"epochs": 2, "every": 2, "learners": 1},
    "engine": "inline",
}
PARAMS = resolve(QUICK)
OUTPUTS = ["kept/a.parquet", "kept/b/c.parquet", "kept/d.parquet", "manifest", "page", "voters/voters.safetensors"]
OUTPUTS += [f"rejected/{name.removeprefix('kept/')}" for name in OUTPUTS[:3]]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Three shards of the small vectors."""
    folder = tmp_path_factory.mktemp("source") / "in"
    table = pq.read_table(small.vector_file(folder.parent / "whole.parquet"))
    for name, first, rows in (("a.parquet", 0, 50), ("b/c.parquet", 50, 40), ("d.parquet", 90, 30)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.slice(first, rows), folder / name)
    return folder


def run(source, out, *, resume=False, params=PARAMS, told=None, fit_rows=None, steps=None, **more):
    options = Options(resume=resume, report=out / "page", save_voters=out / "voters", fit_rows=fit_rows, **more)
    return filter_file(
        source,
        out / "kept",
        params,
        rejected=out / "rejected",
        manifest=out / "manifest",
        options=options,
        map=inline,
        tell=(told if told is not None else []).append,
        **({"steps": steps} if steps else {}),
    )


def content(out):
    return {name: (out / name).read_bytes() for name in tree(out)}


@pytest.mark.parametrize("fit_rows", [None, 100])
def test_killed_at_many_points_and_gone_on_with(source, tmp_path, fit_rows):
    """Before file operations all through the run; every fifth is killed twice."""
    whole = run(source, tmp_path / "undisturbed", fit_rows=fit_rows)
    wanted = content(tmp_path / "undisturbed")
    assert sorted(wanted) == sorted(OUTPUTS)
    points = iter(range(0, 10_000, 17))
    killed, runs = True, 0
    while killed:
        number = next(points)
        out = tmp_path / str(number)
        out.mkdir()
        killed = killed_at(number, out, lambda out=out: run(source, out, fit_rows=fit_rows))
        if killed and number % 5 == 0:
            killed_at(number, out, lambda out=out: run(source, out, fit_rows=fit_rows, resume=True))
        place = out / ".kept.sanitize"
        if place.exists() and (out / "kept").exists() and {*os.listdir(place)} <= {*SIGNS}:
            clear_after(out / "kept")  # all was done but this
        if place.exists() or not (out / "kept").exists():
            done = run(source, out, fit_rows=fit_rows, resume=True)
            assert done.as_json() | {"seconds": 0} == whole.as_json() | {"seconds": 0}
            assert done.classes == whole.classes
        assert content(out) == wanted, number
        assert sorted(os.listdir(out)) == ["kept", "manifest", "page", "rejected", "voters"]
        runs += 1
    assert runs > 10


@pytest.fixture(autouse=True)
def unsynced(monkeypatch):
    """What the system has been given outlives a killed process; the disk would make these tests slow."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class Stop(Exception):
    """Ends a run from inside."""


def stopped(source, out, monkeypatch, after, **more):
    """A run that ends when so many shards are done; what it has told."""
    told, done = [], []
    keep = filter_module.Memory.keep_shard

    def keep_shard(self, number, tally):
        keep(self, number, tally)
        done.append(number)
        if len(done) == after:
            raise Stop

    with monkeypatch.context() as patched, pytest.raises(Stop):
        patched.setattr(filter_module.Memory, "keep_shard", keep_shard)
        run(source, out, told=told, **more)
    return told


def test_what_is_done_is_not_done_again(source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    told = stopped(source, out, monkeypatch, 2)
    assert told == [f"{out / '.kept.sanitize'}: what is done is kept there; --resume goes on from it"]
    assert (out / ".kept.sanitize" / "voters.safetensors").is_file()
    labels, numbers, told = [], [], []

    def steps(label, total):
        labels.append(label)
        return filter_module.no_steps(label, total)

    keep = filter_module.Memory.keep_shard

    def keep_shard(self, number, tally):
        numbers.append(number)
        keep(self, number, tally)

    monkeypatch.setattr(filter_module.Memory, "keep_shard", keep_shard)
    run(source, out, resume=True, told=told, steps=steps)
    assert told == [f"going on from {out / '.kept.sanitize'}"]
    assert labels == []  # nothing is fitted
    assert numbers == [2]
    run(source, tmp_path / "undisturbed")
    assert content(out) == content(tmp_path / "undisturbed")


def test_a_shard_whose_file_was_touched_is_done_again(source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    stopped(source, out, monkeypatch, 2)
    (draft,) = out.glob(".kept.sanitize/*/a.parquet")
    draft.write_bytes(draft.read_bytes()[:-1])
    run(source, out, resume=True)
    run(source, tmp_path / "undisturbed")
    assert content(out) == content(tmp_path / "undisturbed")


@pytest.mark.parametrize("name", ["fit.json", "verdicts.parquet", "shard-00000000.json", "about.json"])
def test_what_is_damaged_is_told(source, tmp_path, monkeypatch, name):
    out = tmp_path / "out"
    stopped(source, out, monkeypatch, 1)
    (out / ".kept.sanitize" / name).write_bytes(b"{}")
    with pytest.raises(BadInput, match=r"\.kept\.sanitize: (is|what a killed run has left is) damaged \(.*remove"):
        run(source, out, resume=True)


def test_another_input_other_parameters_another_version(source, tmp_path, monkeypatch):
    out, place = tmp_path / "out", tmp_path / "out" / ".kept.sanitize"

    def told_by(again, **more):
        stopped(source, out, monkeypatch, 1)
        told = []
        run(again, out, told=told, **more)
        for name in ("kept", "rejected"):
            for path in (out / name).rglob("*.parquet"):
                path.unlink()
        return told

    other = tmp_path / "in"
    other.mkdir()
    (other / "a.parquet").write_bytes((source / "a.parquet").read_bytes())
    (other / "d.parquet").write_bytes((source / "d.parquet").read_bytes())
    anew = "removed, beginning anew"
    assert told_by(other, resume=True) == [f"{place}: is of another input; {anew}"]
    _empty(out)
    assert told_by(source, resume=True, params=resolve({**QUICK, "seed": 1})) == [
        f"{place}: is of another parameters; {anew}"
    ]
    _empty(out)
    assert told_by(source) == [f"{place}: what a killed run has left is removed; --resume would have gone on from it"]
    _empty(out)
    stopped(source, out, monkeypatch, 1)
    monkeypatch.setattr(filter_key, "code_version", lambda: "another")
    told = []
    run(source, out, told=told, resume=True)
    assert told == [f"{place}: is of another version; {anew}"]


def _empty(out):
    for folder in ("kept/b", "kept", "rejected/b", "rejected"):
        (out / folder).rmdir() if (out / folder).is_dir() else None


def test_beyond_the_limit_it_can_be_forced_without_fitting_again(source, tmp_path):
    """1 of 120 rows is more than 0.001 of them: nothing is written, all is kept, and --force then has only to move."""
    out, told, labels = tmp_path / "out", [], []

    def steps(label, total):
        labels.append(label)
        return filter_module.no_steps(label, total)

    done = run(source, out, told=told, resume=True, max_removed=0.001)
    place = out / ".kept.sanitize"
    assert (done.exceeded, done.written) == (True, False)
    assert told == [
        f"{place}: nothing is there to go on from; beginning anew",
        f"{place}: what is done is kept there; --resume goes on from it",
    ]
    assert not (out / "kept").exists()
    done = run(source, out, resume=True, max_removed=0.001, force=True, steps=steps)
    assert (done.exceeded, done.written, labels) == (True, True, [])
    run(source, tmp_path / "undisturbed", max_removed=0.5)
    for name in OUTPUTS[:4]:
        assert (out / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
    assert not place.exists()


def test_going_on_needs_a_local_output(source):
    with pytest.raises(BadParams, match="--resume is given, but no output is a local path"):
        filter_file(source, None, PARAMS, options=Options(dry_run=True, resume=True), map=inline)


def test_an_outcome_of_other_parameters_is_not_taken_for_ones_own(source, tmp_path):
    """Killed while outputs were moved, then resumed with another seed: the outputs are complete, and not this run's."""
    out = tmp_path / "out"
    out.mkdir()

    def dies():
        Claim.move = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        run(source, out)

    assert killed_at(100_000, out, dies)
    assert (out / ".kept.sanitize" / "journal.json").exists()
    with pytest.raises(BadInput, match="now holds the outcome of another input, other parameters or another version"):
        run(source, out, resume=True, params=resolve({**QUICK, "seed": 1}))
    assert sorted(tree(out)) == sorted(OUTPUTS)


def test_the_command_killed_with_its_workers_goes_on(tmp_path):
    """SIGKILL when voters are about to be fitted in two processes; --resume, then the bytes of an undisturbed run."""
    given = small.vector_file(tmp_path / "in.parquet")
    long = small.quick_file(tmp_path / "long.yaml", vote={"epochs": 400})
    for name in ("killed", "undisturbed"):
        (tmp_path / name).mkdir()

    def command(name, *more):
        out = tmp_path / name
        places = [out / "kept.parquet", "--rejected", out / "rejected.parquet", "--manifest", out / "manifest.parquet"]
        return [sys.executable, "-m", "sanitize", "filter", given, *places, "--params", long, "--workers", "2", *more]

    with subprocess.Popen(command("killed"), stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("ISPL runs: 1/1"):
                break
        process.kill()
    assert process.returncode == -9
    names = ("kept", "manifest", "rejected")
    assert sorted(os.listdir(tmp_path / "killed")) == [f".{name}.parquet.sanitize" for name in names]
    done = subprocess.run(command("killed", "--resume"), capture_output=True, text=True, check=True)
    place = tmp_path / "killed" / ".kept.parquet.sanitize"
    assert done.stderr.startswith(f"going on from {place}\n")
    assert f"going on: 1 of 1 results are in {place / 'fits'}" in done.stderr
    subprocess.run(command("undisturbed"), capture_output=True, check=True)
    assert content(tmp_path / "killed") == content(tmp_path / "undisturbed")
    assert tree(tmp_path / "killed") == ["kept.parquet", "manifest.parquet", "rejected.parquet"]
