"""Results of runs: read, not made twice, and told below tables; and the marks of the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import engine, gpu, growth, memory, runs
from benchmarks.runs import PAGE, RESULTS, ensure, keep, machine, put_tables, read, told
from sanitize.errors import BadInput
from tests.benchmarks.results import MACHINE, TOLD, leave
from tests.closure import ROOT


def test_a_result_is_kept_with_its_machine(tmp_path):
    on = machine()
    keep(tmp_path / "a" / "one.json", {"seconds": 1.5}, on)
    assert read(tmp_path / "a" / "one.json") == {"seconds": 1.5, "machine": on}
    assert on["cores"] >= 1 and on["processor"] and on["load"] >= 0
    assert read(tmp_path / "two.json") is None


@pytest.mark.parametrize(
    ("text", "why"), [("{", "is not JSON"), ("[]", "names no machine"), ("{}", "names no machine")]
)
def test_what_is_no_result_is_refused(tmp_path, text, why):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(BadInput, match=f"x.json.*{why}.*remove it"):
        read(tmp_path / "x.json")


def test_runs_are_not_made_twice(tmp_path, monkeypatch, capfd):
    """The module counts how often it was run."""
    (tmp_path / "counting.py").write_text(
        "import pathlib, sys\n"
        "n = pathlib.Path('n')\n"
        "n.write_text(n.read_text() + 'x' if n.exists() else 'x')\n"
        "pathlib.Path(sys.argv[2]).write_text(sys.argv[1])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    out = tmp_path / "out.json"
    assert ensure(out, ["counting", 7])
    assert out.read_text() == "7"
    assert not ensure(out, ["counting", 8])
    assert ensure(out, ["counting", 9], again=True)
    assert (out.read_text(), Path("n").read_text()) == ("9", "xx")
    assert f"python -m counting 7 {out}" in capfd.readouterr().err


def test_a_run_that_fails_is_no_result(tmp_path):
    leave(tmp_path / "out.json", seconds=1)
    with pytest.raises(BadInput, match=r"out.json: its run ended with exit code 1 and left no result"):
        ensure(tmp_path / "out.json", ["benchmarks.no_such_module"], again=True)
    assert read(tmp_path / "out.json") is None  # the old one is not taken for it


def test_machines_are_told_once():
    other = {"machine": {**MACHINE, "load": 3.0}}, {"machine": {**MACHINE, "gpu": "Loom", "bfloat16": False}}
    lines = told([{"machine": MACHINE}, *other])
    assert lines == [
        "",
        TOLD.replace("2 cores,", "2 cores, Loom,").replace("bfloat16 p", "no bfloat16 p"),
        TOLD,
    ] or lines == [
        "",
        TOLD,
        TOLD.replace("2 cores,", "2 cores, Loom,").replace("bfloat16 p", "no bfloat16 p"),
    ]


def test_the_page_has_a_place_for_every_table(tmp_path):
    nowhere = tmp_path / "nothing"
    tables = {
        **engine.tables(nowhere, 2, 5),
        **growth.tables(nowhere, 0.25),
        **memory.tables(nowhere),
        **gpu.tables(nowhere),
    }
    assert set(map(tuple, tables.values())) == {tuple(runs.EMPTY)}
    text = (ROOT / PAGE).read_text()
    assert set(re.findall(r"<!-- ([a-z0-9-]+) -->", text)) == {*tables, "repro"}
    page = tmp_path / "page.md"
    page.write_text(text)
    put_tables({name: [f"new {name}"] for name in tables}, page)
    written = page.read_text()
    assert all(f"<!-- {name} -->\nnew {name}\n<!-- /{name} -->" in written for name in tables)
    outside = re.compile(r"(<!-- ([a-z0-9-]+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)
    assert outside.sub(r"\1\3", written) == outside.sub(r"\1\3", text)


def test_make_bench_runs_them_all():
    recipe = (ROOT / "Makefile").read_text().partition("\nbench:")[2].partition("\n\n")[0]
    modules = re.findall(r"-m benchmarks\.(\w+) --write", recipe)
    assert modules == ["engine", "loops", "growth", "memory", "filter", "scaling", "repro", "gpu"]
    assert str(RESULTS) in (ROOT / PAGE).read_text()
