"""Where people have the outcome written: names, modes, links, addresses, and what stands there already."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from tests.inputs.trial import FILTER, Check, Outcome, Trial, command, judged, plain_table, refused

LONG = "n" * 232 + ".parquet"  # 240 bytes
LONGEST = "n" * 247 + ".parquet"
WIDE = "\u00fc" * 116 + ".parquet"
OLD = "from before"
CERTIFY = ("--k", "5", "--engine", "inline", "--json")
Look = Callable[[Path], bool]


def _made(
    arguments: Sequence[str], setup: Callable[[Path], object] | None = None, folder: bool = False
) -> Callable[[Path], Sequence[str]]:
    """Makes in.parquet, or in/ with two files, and what stands at the outputs; {} in arguments is the folder."""

    def make(where: Path) -> Sequence[str]:
        if folder:
            (where / "in").mkdir()
            pq.write_table(plain_table().slice(0, 75), where / "in" / "a.parquet")
            pq.write_table(plain_table().slice(75), where / "in" / "b.parquet")
        else:
            pq.write_table(plain_table(), where / "in.parquet")
        if setup is not None:
            setup(where)
        return [argument.replace("{}", str(where)) for argument in arguments]

    return make


def _to(out: str, *more: str) -> list[str]:
    return ["filter", "in.parquet", out, *FILTER, *more]


def _many(out: str, *more: str) -> list[str]:
    return ["filter", "in", out, *FILTER, *more]


def _old(name: str = "out.parquet", mode: int = 0o644) -> Callable[[Path], object]:
    def setup(folder: Path) -> None:
        (folder / name).write_text(OLD)
        (folder / name).chmod(mode)

    return setup


def _good(**looks: Look) -> Check:
    """Exit code 0, and these hold; their names say what."""
    return _also(judged(), **looks)


def _mode(name: str, mode: int) -> Look:
    return lambda folder: stat.S_IMODE((folder / name).stat().st_mode) == mode


def _rows(name: str) -> Look:
    return lambda folder: pq.read_metadata(folder / name).num_rows > 140


def _text(name: str, text: str = OLD) -> Look:
    return lambda folder: (folder / name).read_text() == text


def _also(check: Check, **looks: Look) -> Check:
    """A check, and these hold as well."""

    def both(found: Outcome) -> str | None:
        problem = check(found)
        failed = [name for name, look in looks.items() if problem is None and not look(found.folder)]
        return problem or (f"not so: {failed[0].replace('_', ' ')}" if failed else None)

    return both


def _other_disk(folder: Path) -> Path:
    """A place on another file system that goes with the folder: its name is the folder's."""
    return Path("/dev/shm") / f"{folder.name}.parquet"


def _on_other_disk(found: Outcome) -> str | None:
    place = _other_disk(found.folder)
    try:
        return judged()(found) or (None if pq.read_metadata(place).num_rows > 140 else "rows are missing")
    finally:
        place.unlink(missing_ok=True)


def _to_other_disk(folder: Path) -> Sequence[str]:
    pq.write_table(plain_table(), folder / "in.parquet")
    return _to(str(_other_disk(folder)), "--manifest", "manifest.parquet")


MODES = [
    Trial("OUT replaces a file of mode 600", "medical data, private by chmod", _made(_to("out.parquet"),
          _old(mode=0o600)),
          _good(mode_600=_mode("out.parquet", 0o600), rows=_rows("out.parquet")),
          fails="another mode than before"),
    Trial("OUT replaces a file of mode 640", "a lab's group", _made(_to("out.parquet"), _old(mode=0o640)),
          _good(mode_640=_mode("out.parquet", 0o640)),
          fails="another mode than before"),
    Trial("OUT replaces a file of mode 664 under umask 077", "cron", _made(_to("out.parquet"), _old(mode=0o664)),
          _good(mode_664=_mode("out.parquet", 0o664)), shell='umask 077; "$@"',
          fails="another mode than before"),
    Trial("OUT replaces a file of mode 444", "read-only archives", _made(_to("out.parquet"), _old(mode=0o444)),
          _good(mode_444=_mode("out.parquet", 0o444)),
          fails="another mode than before"),
    Trial("the manifest replaces a file of mode 600", "audit logs", _made(command(), _old("manifest.parquet", 0o600)),
          _good(mode_600=_mode("manifest.parquet", 0o600)),
          fails="another mode than before"),
    Trial("a new OUT under umask 077", "HPC", _made(command()), shell='umask 077; "$@"',
          check=_good(mode_600=_mode("out.parquet", 0o600), manifest=_mode("manifest.parquet", 0o600))),
    Trial("a new OUT under umask 002", "a lab's group", _made(command()), shell='umask 002; "$@"',
          check=_good(mode_664=_mode("out.parquet", 0o664), manifest=_mode("manifest.parquet", 0o664))),
    Trial("a new OUT under umask 022", "the default", _made(command()), shell='umask 022; "$@"',
          check=_good(mode_644=_mode("out.parquet", 0o644), manifest=_mode("manifest.parquet", 0o644))),
    Trial("a new folder under umask 027", "HPC", _made(_many("out"), folder=True), shell='umask 027; "$@"',
          check=_good(folder_750=_mode("out", 0o750), file_640=_mode("out/a.parquet", 0o640))),
    Trial("an empty folder of mode 700 as OUT", "mkdir -m 700",
          _made(_many("out"), lambda folder: (folder / "out").mkdir(mode=0o700), folder=True),
          _good(mode_700=_mode("out", 0o700)),
          fails="another mode than before"),
    Trial("voters saved under umask 077", "HPC", _made(_to("out.parquet", "--save-voters", "voters")),
          _good(mode_600=_mode("voters/voters.safetensors", 0o600)), shell='umask 077; "$@"', leaves=("voters",)),
]  # fmt: skip

NAMES = [
    Trial("a name of 240 bytes", "hashes and parameters in names", _made(_to(LONG)), _good(rows=_rows(LONG)),
          leaves=(LONG,),
          fails="exit code 3: its hidden names are too long"),
    Trial("a name of 255 bytes", "the longest that there is", _made(_to(LONGEST)), _good(rows=_rows(LONGEST)),
          leaves=(LONGEST,),
          fails="its hidden names are too long"),
    Trial("a name of 240 bytes in two-byte letters", "file names in other languages", _made(_to(WIDE)),
          _good(rows=_rows(WIDE)), leaves=(WIDE,),
          fails="exit code 3: its hidden names are too long"),
    Trial("a name of 256 bytes", "one byte too long", _made(_to("n" + LONGEST)), refused("256 bytes", code=2),
          fails="refused by the system's own message, exit code 3"),
    Trial("a manifest with a name of 250 bytes", "hashes in names", _made(_to("out.parquet", "--manifest",
          LONGEST[5:])),
          _good(manifest=_rows(LONGEST[5:])), leaves=(LONGEST[5:],),
          fails="exit code 3: its hidden names are too long"),
    Trial("a name with a line break", "a script's mistake", _made(_to("two\nlines.parquet")),
          _good(rows=_rows("two\nlines.parquet")), leaves=("two\nlines.parquet",)),
    Trial("a name with spaces and quotes", "a person", _made(_to("my 'clean' \"set\".parquet")),
          _good(rows=_rows("my 'clean' \"set\".parquet")), leaves=("my 'clean' \"set\".parquet",)),
    Trial("a hidden name", "caches", _made(_to(".clean.parquet")), _good(rows=_rows(".clean.parquet")),
          leaves=(".clean.parquet",)),
    Trial("no suffix", "Unix", _made(_to("out")), _good(rows=_rows("out"))),
    Trial("a version for a suffix", "v1.2 naming", _made(_to("clean.v2")), _good(rows=_rows("clean.v2")),
          leaves=("clean.v2",)),
    Trial("suffix .pq", "Dask", _made(_to("clean.pq")), _good(rows=_rows("clean.pq")), leaves=("clean.pq",)),
    Trial("an empty name", "an unset variable in a script", _made(_to("")), refused("is a folder; name a file")),
    Trial("a slash at the end, one file", "rsync habit", _made(_to("out/")), refused("is the name of a folder", code=2),
          quick=True,
          fails="a file in place of the folder, exit code 0"),
    Trial("a slash at the end, several files", "rsync habit", _made(_many("out/"), folder=True),
          _good(rows=lambda folder: pq.read_metadata(folder / "out" / "a.parquet").num_rows > 70)),
    Trial("a place by ..", "scripts that change folders", _made(_to("deep/../out.parquet"),
          lambda f: (f / "deep").mkdir()),
          _good(rows=_rows("out.parquet"))),
    Trial("from a folder below", "make -C", _made(["filter", "../in.parquet", "../out.parquet", *FILTER],
          lambda folder: (folder / "deep").mkdir()), _good(rows=_rows("out.parquet")), shell='cd deep && "$@"'),
    Trial("folders that are not there", "dated runs", _made(_to("out/2024/05/clean.parquet")),
          _good(rows=_rows("out/2024/05/clean.parquet"))),
]  # fmt: skip

ADDRESSES = [
    Trial("OUT as file:///", "fsspec, Spark", _made(_to("file://{}/out.parquet")), _good(rows=_rows("out.parquet")),
          fails="written to a folder called file: in the current one"),
    Trial("OUT as file://localhost/", "RFC 8089, Java", _made(_to("file://localhost{}/out.parquet")),
          _good(rows=_rows("out.parquet")),
          fails="written to a folder called file: in the current one"),
    Trial("OUT as file:/", "Hadoop's Path", _made(_to("file:{}/out.parquet")), _good(rows=_rows("out.parquet")),
          fails="written to a folder called file: in the current one"),
    Trial("OUT as FILE://", "Windows habit", _made(_to("FILE://{}/out.parquet")), _good(rows=_rows("out.parquet")),
          fails="out.parquet is not there"),
    Trial("OUT as local://", "fsspec", _made(_to("local://{}/out.parquet")), _good(rows=_rows("out.parquet"))),
    Trial("rejected and manifest as file://", "fsspec",
          _made(_to("out.parquet", "--rejected", "file://{}/rejected.parquet", "--manifest",
          "file://{}/manifest.parquet")),
          _good(rejected=lambda folder: (folder / "rejected.parquet").is_file(), rows=_rows("manifest.parquet")),
          fails="written to a folder called file: in the current one"),
    Trial("report and voters as file://", "fsspec",
          _made(_to("out.parquet", "--report", "file://{}/page.html", "--save-voters", "file://{}/voters")),
          _good(page=lambda folder: "<html" in (folder / "page.html").read_text(),
                voters=lambda folder: (folder / "voters" / "voters.safetensors").is_file()), leaves=("page.html",
          "voters"),
          fails="written to a folder called file: in the current one"),
    Trial("a folder as file://", "Spark", _made(_many("file://{}/out"), folder=True),
          _good(rows=lambda folder: (folder / "out" / "b.parquet").is_file()),
          fails="written to a folder called file: in the current one"),
    Trial("a folder that holds something as file://", "Spark",
          _made(_many("file://{}/out"), lambda f: (f / "out").mkdir() or _old("out/x")(f), folder=True),
          refused("files in it"),
          fails="written to a folder called file: in the current one"),
    Trial("the input as file:// OUT", "a slip", _made(_to("file://{}/in.parquet")), refused("is the input", code=2),
          fails="written to a folder called file: in the current one"),
    Trial("certify --out as file://", "fsspec",
          _made(["certify", "in.parquet", "in.parquet", *CERTIFY, "--out", "file://{}/out.parquet"]),
          _good(rows=_rows("out.parquet")),
          fails="exit code 3, and a draft is left behind"),
    Trial("init to file://", "fsspec", _made(["init", "file://{}/deep"]), leaves=("deep",),
          check=_good(there=lambda folder: (folder / "deep" / "params.yaml").is_file()),
          fails="written to a folder called file: in the current one"),
    Trial("OUT on another file system than the manifest", "scratch disks", _to_other_disk, _on_other_disk),
    Trial("OUT in a file system that takes no files", "a slip", _made(_to("/proc/out.parquet")), refused("/proc")),
    Trial("OUT /dev/null", "benchmarks", _made(_to("/dev/null")), refused("device")),
    Trial("OUT /dev/stdout", "pipes", _made(_to("/dev/stdout")), refused("/dev/stdout", code=2)),
]  # fmt: skip

FORMATS = [
    Trial("OUT.csv", "pandas", _made(_to("out.csv")), refused("parquet, never .csv", code=2), quick=True,
          fails="parquet under that name, exit code 0"),
    Trial("OUT.CSV", "Windows", _made(_to("OUT.CSV")), refused("never .csv", code=2),
          fails="parquet under that name, exit code 0"),
    Trial("OUT.json", "pandas", _made(_to("out.json")), refused("never .json", code=2),
          fails="parquet under that name, exit code 0"),
    Trial("OUT.jsonl", "Hugging Face", _made(_to("out.jsonl")), refused("never .jsonl", code=2),
          fails="parquet under that name, exit code 0"),
    Trial("OUT.arrow", "Hugging Face", _made(_to("out.arrow")), refused("never .arrow", code=2),
          fails="parquet under that name, exit code 0"),
    Trial("OUT.feather", "R", _made(_to("out.feather")), refused("never .feather", code=2),
          fails="parquet under that name, exit code 0"),
    Trial("OUT.parquet.gz", "Hive", _made(_to("out.parquet.gz")), refused("never .gz", code=2),
          fails="parquet under that name, exit code 0"),
    Trial("rejected.tsv", "R", _made(_to("out.parquet", "--rejected", "rejected.tsv")), refused("--rejected", code=2),
          fails="parquet under that name, exit code 0"),
    Trial("manifest.csv", "Excel", _made(_to("out.parquet", "--manifest", "manifest.csv")), refused("--manifest",
          code=2),
          fails="parquet under that name, exit code 0"),
    Trial("manifest.html", "a slip", _made(_to("out.parquet", "--manifest", "m.html")), refused("--manifest", code=2),
          fails="parquet under that name, exit code 0"),
    Trial("report.parquet", "a slip", _made(_to("out.parquet", "--report", "p.parquet")), refused("is HTML", code=2),
          fails="HTML under that name, exit code 0"),
    Trial("report.json", "CI", _made(_to("out.parquet", "--report", "report.json")), refused("is HTML", code=2),
          fails="HTML under that name, exit code 0"),
    Trial("a folder called out.csv", "Spark", _made(_many("out.csv"), folder=True), refused("never .csv", code=2),
          fails="parquet under that name, exit code 0"),
    Trial("certify --out radii.csv", "Excel",
          _made(["certify", "in.parquet", "in.parquet", *CERTIFY, "--out", "radii.csv"]), refused("--out", code=2),
          fails="parquet under that name, exit code 0"),
]  # fmt: skip


def _pipe(name: str) -> Callable[[Path], object]:
    return lambda folder: os.mkfifo(folder / name)


def _link(name: str, target: str) -> Callable[[Path], object]:
    def setup(folder: Path) -> None:
        (folder / "other").write_text(OLD)
        (folder / name).symlink_to(folder / target)

    return setup


def _private(name: str, mode: int) -> Callable[[Path], object]:
    def setup(folder: Path) -> None:
        (folder / name).mkdir()
        (folder / name / "mine").write_text(OLD)
        (folder / name).chmod(mode)

    return setup


def _several(*setups: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: [setup(folder) for setup in setups]


def _twins(folder: Path) -> None:
    (folder / "out.parquet").write_text(OLD)
    os.link(folder / "out.parquet", folder / "manifest.parquet")


THERE = [
    Trial("a file called .OUT.old", "vim, backups",
          _made(command(), _several(_old(".out.parquet.old"), _old("out.parquet"))),
          _good(untouched=_text(".out.parquet.old"), rows=_rows("out.parquet")),
          fails="the user's .OUT.old is removed"),
    Trial("files that look like drafts of another program", "editors, downloads",
          _made(command(), _several(_old(".out.parquet.1.tmp"), _old(".out.parquet.0badcafe.draft"),
          _old("out.parquet.part"))),
          _good(tmp=_text(".out.parquet.1.tmp"), draft=_text(".out.parquet.0badcafe.draft"),
          part=_text("out.parquet.part"))),
    Trial("OUT and the manifest are one file by two names", "hard links, deduplicating backups",
          _made(command(), _twins), refused("is named twice", code=2)),
    Trial("OUT is a hard link of the input", "cp -l", _made(command(), lambda f: os.link(f / "in.parquet",
          f / "out.parquet")),
          refused("is the input", code=2)),
    Trial("OUT is a hard link of something else", "cp -l snapshots",
          _made(command(), _several(_old("snapshot"), lambda f: os.link(f / "snapshot", f / "out.parquet"))),
          _good(snapshot_untouched=_text("snapshot"), rows=_rows("out.parquet"))),
    Trial("OUT is a link", "latest -> run-7", _made(command(), _link("out.parquet", "other")),
          _also(refused("is a link", code=2), other=_text("other"))),
    Trial("OUT is a link to nothing", "cleaned caches", _made(command(), _link("out.parquet", "nothing")),
          _also(refused("is a link", code=2), nothing=lambda folder: not (folder / "nothing").exists())),
    Trial("the report is a link to nothing", "cleaned caches",
          _made(_to("out.parquet", "--report", "page.html"), _link("page.html", "nothing")), refused("is a link",
          code=2)),
    Trial("a named pipe at OUT", "process substitution", _made(command(), _pipe("out.parquet")), refused("pipe")),
    Trial("a named pipe at the manifest", "process substitution", _made(command(), _pipe("manifest.parquet")),
          refused("pipe")),
    Trial("init onto a link", "dotfiles", _made(["init", "--force"], _link("params.yaml", "other")),
          _also(refused("is a link"), other=_text("other")),
          fails="the link is replaced, exit code 0"),
    Trial("init onto a link to nothing", "dotfiles", _made(["init"], _link("params.yaml", "nothing")),
          _also(refused("is a link"), nothing=lambda folder: not (folder / "nothing").exists()),
          fails="the link is replaced, exit code 0"),
    Trial("certify --out onto a link", "latest -> run-7", _made(
          ["certify", "in.parquet", "in.parquet", *CERTIFY, "--out", "out.parquet"], _link("out.parquet", "other")),
          _also(refused("is a link"), other=_text("other")),
          fails="the link is replaced, exit code 0"),
    Trial("certify --out onto a pipe", "process substitution", _made(
          ["certify", "in.parquet", "in.parquet", *CERTIFY, "--out", "out.parquet"], _pipe("out.parquet")),
          refused("pipe"),
          fails="does not say what it is"),
    Trial("a folder under the hidden name, open to all", "a stranger in /tmp",
          _made(command(), _private(".out.parquet.sanitize", 0o777)),
          _also(refused("that this user alone can write to"), untouched=_text(".out.parquet.sanitize/mine"))),
    Trial("a link under the hidden name", "a stranger in /tmp",
          _made(command(), _several(_private("mine", 0o700),
          lambda f: (f / ".out.parquet.sanitize").symlink_to(f / "mine"))),
          _also(refused("is a link"), untouched=_text("mine/mine")),
          fails="does not say what it is"),
    Trial("a folder under the manifest's hidden name, open to all", "a stranger in /tmp",
          _made(command(), _private(".manifest.parquet.sanitize", 0o777)),
          _also(refused("that this user alone can write to"), untouched=_text(".manifest.parquet.sanitize/mine")),
          fails="the manifest is claimed by nobody"),
    Trial("rejected rows inside the folder OUT", "one folder for all", _made(_many("out", "--rejected", "out/bad"),
          folder=True),
          refused("lie in each other", code=2),
          fails="refused after the work, by the system's own message"),
    Trial("the manifest inside the folder OUT", "one folder for all",
          _made(_many("out", "--manifest", "out/manifest.parquet"), folder=True), refused("lie in each other", code=2),
          fails="refused after the work, by the system's own message"),
    Trial("OUT below a file", "a slip", _made(_to("in.parquet/out.parquet")), refused("in.parquet is no folder")),
    Trial("the same run twice", "cron", _made(command()), _good(rows=_rows("out.parquet")),
          shell='"$@" >/dev/null; "$@"'),
    Trial("the same run twice with --resume", "SLURM --requeue", _made(command("in.parquet", "--resume")),
          _good(rows=_rows("out.parquet")), shell='"$@" >/dev/null; "$@"'),
    Trial("two runs at once with one manifest", "GNU parallel",
          _made(["filter", "in.parquet", *FILTER, "--manifest", "manifest.parquet"]),
          _good(rows=_rows("manifest.parquet")), leaves=("a", "b"),
          shell='"$@" a >/dev/null 2>&1 & "$@" b >b.json 2>b.err; x=$?; wait $!; y=$?; cat b.json; rm b.json b.err; '
          '[ $x = 0 ] || [ $y = 0 ]'),
]  # fmt: skip

TRIALS = [*MODES, *NAMES, *ADDRESSES, *FORMATS, *THERE]
