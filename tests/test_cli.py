"""The `sanitize` command: what it prints, writes and leaves with."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from sanitize import __version__, cli
from sanitize.cli import app
from sanitize.command_options import chosen_params
from sanitize.params import DEFAULT_PRESET, AttackParams, Params, load_params, resolve
from tests import small

THERE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
HELP_SECONDS = 1.0  # of processor time; it takes 0.2 s on an idle machine
HEAVY = ("torch", "pyarrow", "numpy", "pandas", "sklearn", "rich", "PIL")
KEYS = {
    "schema_version", "rows", "kept", "rejected", "reasons", "label_column", "input_columns", "modality", "seconds",
    "parameters_sha256", "input_sha256", "verdict", "warnings", "kept_unjudged", "files", "max_removed",
    "limit_exceeded", "written", "max_removed_class", "classes", "unreadable", "max_unreadable", "groups", "unstable",
    "version", "preset", "seed", "outputs",
}  # fmt: skip


def sanitize(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def python(*args):
    return subprocess.run([sys.executable, *args], check=False, capture_output=True, text=True, env=THERE)


@pytest.fixture
def quick(tmp_path):
    return small.quick_file(tmp_path / "quick.yaml", engine="inline")


@pytest.fixture
def source(tmp_path):
    return small.vector_file(tmp_path / "in.parquet")


@pytest.mark.parametrize("args", [["--help"], ["filter", "--help"], ["init", "--help"], ["--version"]])
def test_help_answers_at_once(args):
    code = (
        "import sys, time, sanitize.cli\n"
        f"sys.argv = ['sanitize', *{args!r}]\n"
        "try: sanitize.cli.main()\n"
        f"finally: print(time.process_time(), *(m for m in {HEAVY!r} if m in sys.modules), file=sys.stderr)\n"
    )
    done = [python("-c", code) for _ in range(3)]
    assert [d.returncode for d in done] == [0, 0, 0]
    said = [d.stderr.split() for d in done]
    assert [words[1:] for words in said] == [[], [], []]
    assert min(float(words[0]) for words in said) < HELP_SECONDS


def test_help_names_the_default_preset():
    """Help is written out, since reading the parameters' module would take longer than all the rest."""
    assert f"[default: {DEFAULT_PRESET}]" in " ".join(python("-m", "sanitize", "filter", "--help").stdout.split())


def test_version():
    done = python("-m", "sanitize", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


def test_json_is_one_document_and_stderr_is_for_people(source, quick, tmp_path):
    kept, rejected, manifest = (tmp_path / f"{name}.parquet" for name in ("kept", "rejected", "manifest"))
    done = sanitize(
        "filter", source, kept, "--rejected", rejected, "--manifest", manifest, "--params", quick, "--json"
    )  # fmt: skip
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert set(answer) == KEYS
    assert sum(answer.pop("reasons").values()) == 4
    assert answer.pop("seconds") > 0
    groups = answer.pop("groups")
    assert 0 <= answer.pop("unstable") <= 4
    assert sum(group["rows"] for group in groups) == 4 and {group["strength"] for group in groups} == {"weak"}
    assert (
        f"{groups[0]['id']}  {groups[0]['rows']} row" in done.stderr and "  weak: too few rows to tell" in done.stderr
    )
    assert answer == {
        "schema_version": 1,
        "rows": 120,
        "kept": 116,
        "rejected": 4,
        "label_column": "label",
        "input_columns": ["features"],
        "modality": "vector",
        "kept_unjudged": {},
        "files": 1,
        "classes": {
            "ant": {"rows": 39, "rejected": 0},
            "bee": {"rows": 38, "rejected": 1},
            "cat": {"rows": 43, "rejected": 3},
        },
        "max_removed": None,
        "max_removed_class": None,
        "unreadable": 0,
        "max_unreadable": 0.05,
        "limit_exceeded": False,
        "written": True,
        "parameters_sha256": load_params(quick).sha256(),
        "input_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "verdict": "rows_dropped",
        "warnings": [],
        "version": __version__,
        "preset": "fast",
        "seed": 0,
        "outputs": {
            "kept": {"sha256": hashlib.sha256(kept.read_bytes()).hexdigest(), "rows": 116},
            "rejected": {"sha256": hashlib.sha256(rejected.read_bytes()).hexdigest(), "rows": 4},
            "manifest": {"sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(), "rows": 120},
            "report": None,
            "voters": None,
        },
    }
    assert [pq.read_metadata(p).num_rows for p in (kept, rejected, manifest)] == [116, 4, 120]
    for line in (
        "ISPL runs: 1/1",
        f"{source}: 120 rows; label column 'label' by its name; vector columns 'features' by type",
        "kept 116, dropped 4 in ",
        "dropped by class: bee: 1 of 38, cat: 3 of 43",
        f"kept rows: {kept}",
        f"rejected rows: {rejected}",
        f"manifest: {manifest}",
    ):
        assert line in done.stderr


def test_quiet_says_nothing_and_seed_and_names_are_taken(source, quick, tmp_path):
    args = ["--params", quick, "--label", "label", "--inputs", "features", "--seed", "5", "--net", "linear"]
    done = sanitize("filter", source, tmp_path / "kept.parquet", *args, "--quiet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.parquet", "kept.parquet", "quick.yaml"]


def test_images_are_filtered_at_the_size_asked_for(quick, tmp_path):
    source = small.image_file(tmp_path / "in.parquet")
    before = source.read_bytes()
    args = ["--image-size", "12", "--params", quick, "--json", "--rejected", tmp_path / "rejected.parquet"]
    done = sanitize("filter", source, tmp_path / "kept.parquet", *args)
    answer = json.loads(done.stdout)
    assert (answer["modality"], answer["input_columns"]) == ("image", ["image"])
    assert pq.read_table(tmp_path / "rejected.parquet").equals(pq.read_table(source).take(small.WRONG))
    assert b"huggingface" in pq.read_schema(tmp_path / "kept.parquet").metadata
    assert answer["parameters_sha256"] != load_params(quick).sha256()  # another size can give other rows
    assert source.read_bytes() == before


def test_engine_and_workers_never_change_a_byte(source, quick, tmp_path):
    digests = []
    for name, how in (
        ("inline", ["--engine", "inline"]),
        ("one", ["--engine", "processes", "--workers", "1"]),
        ("two", ["--engine", "processes", "--workers", "2"]),
    ):
        folder = tmp_path / name
        outputs = ["--rejected", folder / "rejected.parquet", "--manifest", folder / "manifest.parquet"]
        assert sanitize("filter", source, folder / "kept.parquet", *outputs, "--params", quick, *how).exit_code == 0
        digests.append([hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())])
    assert len(digests[0]) == 3
    assert digests[0] == digests[1] == digests[2]


def test_options_win_over_the_file_and_the_file_over_the_preset(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("preset: fast\nseed: 3\ndata: {label: kind}\nlearner: {net: mlp, lr: 0.3}\nvote: null\n")
    chosen = chosen_params(
        file, {"preset": "paper", "seed": None}, {"data": {"label": "species"}, "learner": {"net": "linear"}}
    )
    assert (chosen.seed, chosen.data.label, chosen.learner.net, chosen.learner.lr) == (3, "species", "linear", 0.3)
    assert chosen.vote == resolve({"preset": "paper"}).vote
    assert load_params(file).learner.net == "mlp"


def test_a_params_file_in_the_folder_is_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("seed: 9\nispl: {runs: 1}\n")
    assert chosen_params(None, {"seed": None}, {"data": {}, "learner": {"net": None}}) == resolve({"preset": "strong"})


def test_interrupted_it_tells_what_it_leaves_and_goes_on(source, tmp_path):
    long = small.quick_file(tmp_path / "long.yaml", engine="inline", ispl={"runs": 64, "components": 4})
    command = [sys.executable, "-m", "sanitize", "filter", source, tmp_path / "kept.parquet", "--params", long]
    # a background shell job starts with SIGINT ignored, and its children inherit that
    hears = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=THERE, preexec_fn=hears) as process:  # noqa: PLW1509
        assert process.stderr.readline().startswith("ISPL runs: 16/64")
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    left = tmp_path / ".kept.parquet.sanitize"
    assert [line for line in err.splitlines() if not line.startswith("ISPL runs")] == [
        f"{left}: what is done is kept there; --resume goes on from it",
        "sanitize: interrupted; no file is half-written",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == [left.name, "in.parquet", "long.yaml"]
    assert len(list((left / "fits").iterdir())) >= 16


def test_a_full_disk_is_told_and_leaves_what_was_there(source, quick, tmp_path):
    kept, manifest = tmp_path / "kept.parquet", tmp_path / "manifest.parquet"
    kept.write_text("from before")
    args = ["filter", str(source), str(kept), "--manifest", str(manifest), "--params", str(quick), "--quiet", "--json"]
    code = (
        "import resource, sys, sanitize.cli\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n"
        f"sys.argv = ['sanitize', *{args!r}]\n"
        "sanitize.cli.main()\n"
    )
    done = python("-B", "-c", code)
    assert done.returncode == 3
    answer = json.loads(done.stdout)
    assert answer["exit_code"] == 3
    assert "this process may write no larger file; raise ulimit -f" in answer["error"]
    assert done.stderr == f"sanitize: {answer['error']}\n"
    assert kept.read_text() == "from before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.parquet", "kept.parquet", "quick.yaml"]


def test_init_writes_parameters_that_resolve_to_the_default(tmp_path):
    done = sanitize("init", tmp_path / "new")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"wrote {tmp_path / 'new' / 'params.yaml'}\n")
    written = load_params(tmp_path / "new" / "params.yaml")
    assert written.data.source == "parquet"
    assert written.attack == AttackParams(name="none")
    assert written.model_copy(update={"data": resolve({}).data}) == resolve({})


def test_init_writes_every_parameter(tmp_path):
    sanitize("init", tmp_path)
    values = yaml.safe_load((tmp_path / "params.yaml").read_text())
    assert list(values) == list(Params.model_fields)
    for name, section in values.items():
        if name != "attack" and isinstance(section, dict):
            assert list(section) == list(Params.model_fields[name].annotation.model_fields)


def test_init_replaces_only_when_told(tmp_path):
    place = tmp_path / "params.yaml"
    place.write_text("seed: 4\n")
    done = sanitize("init", tmp_path)
    assert (done.exit_code, done.stderr) == (2, f"sanitize: {place} is there already; --force replaces it\n")
    assert place.read_text() == "seed: 4\n"
    assert sanitize("init", tmp_path, "--force").exit_code == 0
    assert load_params(place).seed == 0


def test_a_current_folder_that_is_gone_is_told(monkeypatch, tmp_path, capsys):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    monkeypatch.setattr(cli, "leave_current_folder", lambda: None)  # it and the next change this process
    monkeypatch.setattr(cli, "take_streams", lambda: None)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 3
    assert capsys.readouterr().err == (
        "sanitize: the current folder is gone (No such file or directory); change to one that is there, and run again\n"
    )
