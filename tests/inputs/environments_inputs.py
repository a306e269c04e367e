"""Machines, shells and habits: the same plain file, run where and how other people run things."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.inputs.trial import Trial, command, judged, labels, plain_table, refused, vector_column, vectors

TWO = ("--engine", "processes", "--workers", "2")
# As the installed script begins, without the variable that the other inputs are protected by.
SCRIPT = 'unset PYTHONSAFEPATH; S="$(dirname "$1")/sanitize"; shift 3; exec "$S" "$@"'
NOBODY = "setpriv --reuid 4711 --regid 4711 --clear-groups"
HOSTILE = "open('executed', 'a').write(__file__)\nraise ImportError('hostile')\n"
Made = Callable[[Path], Sequence[str]]


def _plain(*more: str, planted: Sequence[str] = (), **files: str) -> Made:
    """The plain file, with hostile modules and other files beside it; names of files with __ in place of the dot."""

    def make(folder: Path) -> list[str]:
        pq.write_table(plain_table(), folder / "in.parquet")
        for name in planted:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(HOSTILE)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text)
        folder.chmod(0o777)  # for those who run it as somebody else
        return command("in.parquet", *more)

    return make


def _absolute(*more: str) -> Made:
    def make(folder: Path) -> list[str]:
        args = _plain(*more)(folder)
        places = ("in.parquet", "out.parquet", "rejected.parquet", "manifest.parquet")
        return [str(folder / arg) if arg in places else arg for arg in args]

    return make


def _named(name: bytes | str, *more: str) -> Made:
    def make(folder: Path) -> list[str]:
        import os

        file = os.fsdecode(name)
        pq.write_table(plain_table(), folder / "plain")  # Arrow takes no such name
        (folder / "plain").rename(folder / file)
        return command(file, *more)

    return make


def _classes(*names: str) -> Made:
    def make(folder: Path) -> list[str]:
        table = {"emb": vector_column(vectors()), "label": pa.array([names[label] for label in labels()])}
        pq.write_table(pa.table(table), folder / "in.parquet")
        return command()

    return make


def _params(text: str | bytes) -> Made:
    def make(folder: Path) -> list[str]:
        content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        (folder / "params.yaml").write_bytes(content)
        return _plain("--params", "params.yaml")(folder)

    return make


def _code(folder: str, text: str) -> str:
    return f"mkdir -p {folder}; {text}"


PLANTED = [
    Trial(
        "copy.py beside the data",
        "a planted file",
        _plain(*TWO, planted=["copy.py"]),
        judged(),
        shell=SCRIPT,
        fails="executed",
    ),
    Trial(
        "numpy.py, torch.py, pyarrow.py and yaml.py beside the data",
        "a planted file",
        _plain(*TWO, planted=["numpy.py", "torch.py", "pyarrow.py", "yaml.py"]),
        judged(),
        shell=SCRIPT,
        fails="executed",
    ),
    Trial(
        "sitecustomize.py and usercustomize.py beside the data",
        "a planted file",
        _plain(*TWO, planted=["sitecustomize.py", "usercustomize.py"]),
        judged(),
        shell=SCRIPT,
    ),
    Trial(
        "a package sanitize beside the data",
        "a planted folder",
        _plain(*TWO, planted=["sanitize/__init__.py", "sanitize/preload.py", "sanitize/execution.py"]),
        judged(),
        shell=SCRIPT,
        fails="executed",
    ),
    Trial(
        "socket.py, pickle.py, json.py, selectors.py and signal.py beside the data",
        "homework folders",
        _plain(*TWO, planted=["socket.py", "pickle.py", "json.py", "selectors.py", "signal.py", "struct.py"]),
        judged(),
        shell=SCRIPT,
        fails="executed, a traceback",
    ),
    Trial(
        "numba's settings beside the data name a cache folder",
        "a planted file",
        _plain(*TWO, _numba_config__yaml="cache_dir: cache\n", __numba_config__yaml="cache_dir: executed\n"),
        judged(5, ".numba_config.yaml in the current folder is not read"),
        shell=SCRIPT,
    ),
    Trial(
        "an entry point of a planted distribution",
        "a planted folder",
        _plain(*TWO, planted=["evil.py", "evil-1.0.dist-info/METADATA"]),
        judged(),
        shell="printf '[pydantic]\\nevil = evil\\n' >evil-1.0.dist-info/entry_points.txt; " + SCRIPT,
        leaves=("evil-1.0.dist-info",),
    ),
    Trial(
        "python -m sanitize in a folder with copy.py, numpy.py and torch.py",
        "a habit",
        _plain(*TWO, planted=["copy.py", "numpy.py", "torch.py"]),
        judged(),
        env={"PYTHONSAFEPATH": ""},
    ),
    Trial(
        "python -m sanitize with PYTHONPATH=.",
        "a habit",
        _plain(*TWO, planted=["copy.py", "numpy.py", "yaml.py"]),
        judged(),
        shell='unset PYTHONSAFEPATH; export PYTHONPATH="$PYTHONPATH:."; exec "$@"',
    ),
    Trial(
        "a learner's class in a file beside the data",
        "a params.yaml of somebody else",
        _plain(
            "--params", "params.yaml", planted=["mine.py"], params__yaml="learner: {name: sklearn, model: mine:Model}\n"
        ),
        refused("mine:Model", "PYTHONPATH", code=2),
        shell=SCRIPT,
    ),
]

STOP = "kill -STOP -- -$p; sleep 1.6; kill -CONT -- -$p; wait $p"
SIGNALS = [
    Trial(
        "suspended and gone on with", "Ctrl-Z, fg", _plain(*TWO), judged(), shell=f'setsid "$@" & p=$!; sleep 1; {STOP}'
    ),
    Trial(
        "suspended while it computes",
        "a batch system",
        _plain(*TWO),
        judged(),
        shell=f'setsid "$@" & p=$!; sleep 3; {STOP}',
    ),
    Trial(
        "suspended three times",
        "a batch system",
        _plain(*TWO),
        judged(),
        shell='setsid "$@" & p=$!; for i in 1 2 3; do sleep .7; kill -STOP -- -$p; sleep 1.1; kill -CONT -- -$p; done; '
        "wait $p",
    ),
    Trial(
        "the first process alone is suspended",
        "kill -STOP PID",
        _plain(),
        judged(),
        shell='"$@" & p=$!; sleep 1; kill -STOP $p; sleep 1.6; kill -CONT $p; wait $p',
    ),
    Trial(
        "nohup, and the terminal goes away",
        "nohup",
        _plain(*TWO),
        judged(),
        shell='nohup "$@" & p=$!; sleep 1; kill -HUP $p; wait $p',
    ),
    Trial("a session of its own", "setsid", _plain(*TWO), judged(), shell='setsid -w "$@"'),
    Trial("in the background, SIGINT ignored", "a script", _plain(*TWO), judged(), shell='trap "" INT; "$@" & wait $!'),
    Trial("SIGCHLD ignored", "a careless daemon", _plain(*TWO), judged(), shell='trap "" CHLD; exec "$@"'),
    Trial("SIGPIPE at its default", "a shell's child", _plain(*TWO), judged(), shell='trap - PIPE; exec "$@"'),
    Trial("timeout(1) around it", "continuous integration", _plain(*TWO), judged(), shell='timeout 250 "$@"'),
    Trial("nice, one core", "a shared machine", _plain(*TWO), judged(), shell='nice -n 1 taskset -c 0 "$@"'),
]

LOST = "stdout cannot be written"
STREAMS = [
    Trial(
        "nobody reads stdout",
        "| true",
        _plain(),
        judged(5, LOST),
        shell='"$@" | true; test ${PIPESTATUS[0]} = 3',
        fails="exit code 1 with all written",
    ),
    Trial(
        "stdout is full",
        "a full disk",
        _plain(),
        judged(5, LOST, "No space left"),
        shell='"$@" >/dev/full; test $? = 3',
        fails="a traceback",
    ),
    Trial(
        "stdout is closed", ">&-", _plain(), judged(5, LOST), shell='"$@" >&-; test $? = 3', fails="a fault in sanitize"
    ),
    Trial(
        "stdout can only be read",
        "1</dev/null",
        _plain(),
        judged(5, LOST),
        shell='"$@" 1</dev/null; test $? = 3',
        fails="a traceback",
    ),
    Trial(
        "stderr is closed", "2>&-", _plain(*TWO), judged(), shell='exec "$@" 2>&-', fails="exit code 3, nothing said"
    ),
    Trial(
        "stderr is full",
        "a log on a full disk",
        _plain(),
        judged(),
        shell='exec "$@" 2>/dev/full',
        fails="exit code 1, work left behind",
    ),
    Trial(
        "nobody reads stderr",
        "2> >(true)",
        _plain(),
        judged(),
        shell='exec "$@" 2> >(true)',
        fails="exit code 1, work left behind",
    ),
    Trial("stdin is closed", "<&-", _plain(), judged(), shell='exec "$@" <&-'),
    Trial(
        "all three are closed",
        "a daemon",
        _plain(*TWO),
        judged(),
        shell='"$@" <&- >&- 2>&-; test $? = 3 && test -s out.parquet',
        fails="exit code 1, nothing said",
    ),
    Trial(
        "as cron starts it",
        "cron",
        _plain(*TWO, "--quiet"),
        judged(),
        shell='exec env -i PYTHONPATH="$PYTHONPATH" PYTHONSAFEPATH=1 SHELL=/bin/sh PATH=/usr/bin:/bin "$@" <&- 2>&-',
        fails="exit code 3, nothing said",
    ),
    Trial(
        "both into one pipe that nobody reads",
        "|& true",
        _plain(),
        judged(),
        shell='"$@" |& true; test ${PIPESTATUS[0]} = 3',
        fails="exit code 1, work left behind",
    ),
    Trial(
        "an error, and stdout is full",
        "a full disk",
        _plain("--label", "nothing"),
        refused("no column 'nothing'"),
        shell='exec "$@" >/dev/full',
        fails="a traceback",
    ),
    Trial(
        "a limit exceeded, and nobody reads",
        "| true",
        _plain("--max-removed", "0", "--on-bad-row", "keep", "--label", "emb"),
        lambda found: None if found.code in (2, 3) else f"exit code {found.code}",
        shell='"$@" | true; exit ${PIPESTATUS[0]}',
        fails="exit code 1 for an error",
    ),
    Trial(
        "a terminal of 20 columns",
        "script(1)",
        _plain(*TWO),
        judged(),
        shell='C="stty cols 20 rows 5; $(printf " %q" "$@")"; script -qec "$C" /dev/null >/dev/null',
    ),
]

LIMITS = [
    Trial("20 open files", "ulimit -n", _plain(*TWO), judged(), shell='ulimit -n 20; exec "$@"'),
    Trial("40 open files", "ulimit -n", _plain(*TWO), judged(), shell='ulimit -n 40; exec "$@"'),
    Trial(
        "no second thread",
        "ulimit -u",
        _plain(*TWO),
        refused("ulimit -u"),
        shell=f'ulimit -u 1; exec {NOBODY} "$@"',
    ),
    Trial(
        "two processes and no thread",
        "ulimit -u",
        _plain(*TWO),
        refused("ulimit -u"),
        shell=f'ulimit -u 2; exec {NOBODY} "$@"',
    ),
    Trial(
        "files of 8 KiB at the most", "ulimit -f", _plain(*TWO), refused("ulimit -f"), shell='ulimit -f 8; exec "$@"'
    ),
    Trial(
        "address space of 300 MiB",
        "ulimit -v",
        _plain(*TWO),
        lambda found: (
            None if found.code == 3 and "memory" in found.said else f"exit code {found.code}: {found.said[-300:]}"
        ),
        shell='ulimit -v 300000; exec "$@"',
    ),
    Trial("address space of 6 GiB", "ulimit -v", _plain(*TWO), judged(), shell='ulimit -v 6000000; exec "$@"'),
    Trial("a stack of 256 KiB", "ulimit -s", _plain(*TWO), judged(), shell='ulimit -s 256; exec "$@"'),
    Trial(
        "no locked memory, no core files",
        "ulimit -l -c",
        _plain(*TWO),
        judged(),
        shell='ulimit -l 0; ulimit -c 0; exec "$@"',
    ),
]

FOLDERS = [
    Trial(
        "a TMPDIR of 300 signs",
        "HPC scratch",
        _plain(*TWO),
        judged(),
        shell='export TMPDIR="/tmp/sanitize-scratch/$(printf "job-%0200d" 1)/$(printf "of-%090d" 2)"; '
        'mkdir -p "$TMPDIR"; "$@"; c=$?; '
        "rm -r /tmp/sanitize-scratch; exit $c",
    ),
    Trial("a TMPDIR that is not there", "a job that ended", _plain(*TWO), judged(), env={"TMPDIR": "/nowhere/at/all"}),
    Trial("a TMPDIR that is a file", "a slip", _plain(*TWO), judged(), env={"TMPDIR": "/etc/hostname"}),
    Trial("an empty TMPDIR", "a slip", _plain(*TWO), judged(), env={"TMPDIR": ""}),
    Trial(
        "/dev/shm is read-only",
        "AWS Lambda",
        _plain(*TWO),
        judged(),
        shell='exec unshare -m bash -c \'mount -t tmpfs -o ro none /dev/shm && exec "$@"\' bash "$@"',
    ),
    Trial(
        "/dev/shm is full",
        "Docker's 64 MiB",
        _plain(*TWO),
        judged(),
        shell="exec unshare -m bash -c 'mount -t tmpfs -o size=4k none /dev/shm && "
        'head -c 4096 /dev/zero >/dev/shm/a && exec "$@"\' bash "$@"',
    ),
    Trial(
        "nobody may write to /dev/shm",
        "a locked-down pod",
        _plain(*TWO),
        judged(),
        shell=f'exec unshare -m bash -c \'mount -t tmpfs -o mode=000 none /dev/shm && exec {NOBODY} "$@"\' bash "$@"',
    ),
    Trial(
        "/tmp and /var/tmp are read-only",
        "a read-only container",
        _plain(*TWO),
        judged(),
        shell='exec unshare -m bash -c \'H=$PWD; mkdir -p /mnt/w; mount --bind "$H" /mnt/w; '
        'mount -t tmpfs -o ro none /var/tmp; cd /mnt/w; mount -t tmpfs -o ro none /tmp; exec "$@"\' bash "$@"',
    ),
    Trial(
        "there is no /proc",
        "a chroot",
        _plain(*TWO),
        judged(),
        shell='chmod 700 .; exec unshare -m bash -c \'mount -t tmpfs none /proc && exec "$@"\' bash "$@"',
    ),
    Trial(
        "there is no /proc, and others may rename in the folder",
        "a chroot",
        _plain(*TWO),
        refused("others can rename files in", "set the sticky bit (chmod +t)"),
        shell='exec unshare -m bash -c \'mount -t tmpfs none /proc && exec "$@"\' bash "$@"',
    ),
    Trial("no HOME", "systemd", _plain(*TWO), judged(), shell='unset HOME; exec "$@"'),
    Trial("a HOME that is not there", "a service", _plain(*TWO), judged(), env={"HOME": "/nonexistent"}),
    Trial("a HOME that is a device", "sudo -u nobody", _plain(*TWO), judged(), env={"HOME": "/dev/null"}),
    Trial(
        "no place for machine code",
        "a read-only home",
        _plain(*TWO),
        judged(),
        env={"NUMBA_CACHE_DIR": "/proc/nowhere", "HOME": "/proc", "XDG_CACHE_HOME": "/proc"},
    ),
    Trial(
        "the current folder is gone",
        "a slip",
        _absolute(*TWO),
        refused("the current folder is gone"),
        shell='mkdir d; cd d; rmdir ../d; exec "$@"',
    ),
    Trial(
        "the current folder cannot be read",
        "another's home",
        _absolute(*TWO),
        judged(),
        shell=f'mkdir d; chmod 711 d; cd d; {NOBODY} "$@"; c=$?; cd ..; rmdir d; exit $c',
    ),
    Trial(
        "the current folder cannot be written to",
        "a mounted archive",
        _plain(*TWO),
        refused("in.parquet", code=3) and (lambda found: None if found.code == 3 else f"exit code {found.code}"),
        shell=f'chmod 755 .; exec {NOBODY} "$@"',
    ),
]

WORDS = [
    Trial(
        "a name in Japanese, LC_ALL=POSIX",
        "a container",
        _named("データ.parquet"),
        judged(),
        env={"LC_ALL": "POSIX"},
    ),
    Trial(
        "a name in Japanese, plain ASCII",
        "an old image",
        _named("データ.parquet"),
        judged(),
        env={"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ),
    Trial("a name in Latin-1 bytes", "an old archive", _named(b"M\xfcnchen.parquet"), judged()),
    Trial(
        "a name in Latin-1 bytes, plain ASCII",
        "an old archive",
        _named(b"M\xfcnchen.parquet"),
        judged(),
        env={"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    ),
    Trial(
        "classes in Japanese, ASCII streams",
        "Jenkins",
        _classes("犬", "猫", "鳥"),
        judged(),
        env={"PYTHONIOENCODING": "ascii"},
    ),
    Trial(
        "ASCII streams, strict",
        "Jenkins",
        _classes("犬", "猫", "鳥"),
        judged(),
        env={"PYTHONIOENCODING": "ascii:strict"},
    ),
    Trial("Latin-1 streams", "Windows habits", _classes("Ä", "Ö", "犬"), judged(), env={"PYTHONIOENCODING": "latin-1"}),
    Trial("a locale that is not installed", "ssh", _plain(), judged(), env={"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR"}),
    Trial("a locale of rubbish", "a slip", _plain(), judged(), env={"LC_ALL": "..//\u00ff", "LC_NUMERIC": "de_DE"}),
    Trial("a time zone of rubbish", "a slip", _plain(), judged(), env={"TZ": ":/etc/hostname"}),
    Trial("NO_COLOR and a dumb terminal", "Emacs", _plain(), judged(), env={"NO_COLOR": "1", "TERM": "dumb"}),
    Trial("colours by force", "continuous integration", _plain(), judged(), env={"FORCE_COLOR": "1", "TERM": "xterm"}),
    Trial("COLUMNS=0", "a watch", _plain(), judged(), env={"COLUMNS": "0", "LINES": "0"}),
]

PYTHON = 'P="$1"; shift; exec "$P" {} "$@"'
INTERPRETER = [
    Trial("python -O", "a habit", _plain(), judged(), shell=PYTHON.format("-O")),
    Trial("python -OO", "a habit", _plain(), judged(), shell=PYTHON.format("-OO")),
    Trial("python -X dev", "a developer", _plain(), judged(), shell=PYTHON.format("-X dev")),
    Trial("python -B -s -u", "Docker images", _plain(), judged(), shell=PYTHON.format("-B -s -u")),
    Trial(
        "PYTHONOPTIMIZE and PYTHONUNBUFFERED",
        "Docker",
        _plain(),
        judged(),
        env={"PYTHONOPTIMIZE": "2", "PYTHONUNBUFFERED": "1"},
    ),
    Trial("PYTHONHASHSEED=random", "a habit", _plain(), judged(), env={"PYTHONHASHSEED": "random"}),
    Trial("byte code elsewhere", "a read-only image", _plain(), judged(), env={"PYTHONPYCACHEPREFIX": "/nowhere"}),
    Trial(
        "PYTHONFAULTHANDLER",
        "a developer",
        _plain(),
        judged(),
        env={"PYTHONFAULTHANDLER": "1", "PYTHONMALLOC": "debug"},
    ),
    Trial(
        "an id without a name",
        "OpenShift",
        _plain(),
        judged(),
        shell=f'unset HOME USER LOGNAME; exec {NOBODY} "$@"',
    ),
    Trial(
        "an empty environment",
        "env -i",
        _plain(),
        judged(),
        shell='exec env -i PYTHONPATH="$PYTHONPATH" PYTHONSAFEPATH=1 "$@"',
    ),
]

NUMBERS = [
    Trial("OMP_NUM_THREADS=0", "a slip", _plain(), judged(), env={"OMP_NUM_THREADS": "0"}),
    Trial("OMP_NUM_THREADS=all", "a slip", _plain(), judged(), env={"OMP_NUM_THREADS": "all", "MKL_NUM_THREADS": "x"}),
    Trial("OMP_NUM_THREADS=500", "a large machine's profile", _plain(), judged(), env={"OMP_NUM_THREADS": "500"}),
    Trial(
        "OMP_PLACES and GOMP settings",
        "HPC",
        _plain(),
        judged(),
        env={"OMP_PLACES": "rubbish", "OMP_PROC_BIND": "x"},
    ),
    Trial("NUMBA_NUM_THREADS=0", "a slip", _plain(), judged(), env={"NUMBA_NUM_THREADS": "0"}),
    Trial("NUMBA_NUM_THREADS=9999", "a large machine's profile", _plain(), judged(), env={"NUMBA_NUM_THREADS": "9999"}),
    Trial("NUMBA_DISABLE_JIT", "a debugger's leftover", _plain(), judged(), env={"NUMBA_DISABLE_JIT": "1"}),
    Trial("GPUs that are not there", "a copied job script", _plain(), judged(), env={"CUDA_VISIBLE_DEVICES": "0,1,2"}),
    Trial("no GPU wanted", "a habit", _plain(), judged(), env={"CUDA_VISIBLE_DEVICES": ""}),
    Trial("a GPU called rubbish", "a slip", _plain(), judged(), env={"CUDA_VISIBLE_DEVICES": "GPU-x"}),
    Trial(
        "the plain processor asked for",
        "a bug report's advice",
        _plain(),
        judged(),
        env={"ATEN_CPU_CAPABILITY": "default"},
    ),
    Trial(
        "RAY_ADDRESS of another project",
        "a cluster's profile",
        _plain(),
        judged(),
        env={"RAY_ADDRESS": "10.0.0.1:6379"},
    ),
    Trial(
        "Slurm's variables",
        "sbatch",
        _plain(),
        judged(),
        env={"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4", "SLURM_PROCID": "3"},
    ),
    Trial("proxies of a company", "a laptop", _plain(), judged(), env={"http_proxy": "http://x:1", "no_proxy": "*"}),
    Trial(
        "glibc's allocator perturbed",
        "a tester",
        _plain(),
        judged(),
        env={"MALLOC_PERTURB_": "165", "MALLOC_ARENA_MAX": "1"},
    ),
    Trial(
        "a library to preload that is gone",
        "jemalloc's advice",
        _plain(),
        judged(),
        shell='export LD_PRELOAD=/nowhere.so; exec "$@"',
    ),
    Trial(
        "more workers than tasks and cores",
        "a copied command",
        _plain("--engine", "processes", "--workers", "24"),
        judged(),
    ),
]

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
PARAMS = [
    Trial("an empty file", "touch", _params(""), judged()),
    Trial("with a byte-order mark", "Windows Notepad", _params("\ufeffseed: 3\n"), judged()),
    Trial(
        "UTF-16 with a mark",
        "PowerShell's >",
        _params("seed: 3\n".encode("utf-16")),
        judged(),
        fails="refused: cannot be read",
    ),
    Trial("lines that end as in DOS", "Windows", _params("seed: 3\r\nispl:\r\n  runs: 1\r\n"), judged()),
    Trial("as JSON", "jq", _params('{"seed": 3, "ispl": {"runs": 1}}'), judged()),
    Trial("1e-3 as people write it", "PyTorch configs", _params("learner: {lr: 5e-2, weight_decay: 1E-4}\n"), judged()),
    Trial(
        "an anchor and a merge", "Hydra habits", _params("x: &x {lr_factor: 1}\n"), refused("x is no parameter", code=2)
    ),
    Trial(
        "an anchor of one section in another",
        "Hydra habits",
        _params("vote: &v {lr_factor: 2}\ntrain: {<<: *v}\n"),
        judged(),
    ),
    Trial(
        "Latin-1",
        "an old editor",
        _params("# f\xfcr M\xfcnchen\nseed: 3\n".encode("latin-1")),
        refused("params.yaml", "UTF-8", code=2),
        fails="does not say to save it as UTF-8",
    ),
    Trial(
        "seed: true",
        "a slip",
        _params("seed: true\n"),
        refused("seed is true", "a whole number", code=2),
        fails="taken for 1, exit code 0",
        quick=True,
    ),
    Trial(
        "epochs: yes",
        "a slip",
        _params("vote: {epochs: yes}\n"),
        refused("vote.epochs is true", code=2),
        fails="taken for 1, exit code 0",
    ),
    Trial(
        "lr: true",
        "a slip",
        _params("learner: {lr: true}\n"),
        refused("learner.lr is true", code=2),
        fails="taken for 1, exit code 0",
    ),
    Trial("lr: .nan", "a sweep", _params("learner: {lr: .nan}\n"), refused("learner.lr is NaN", code=2)),
    Trial("weight_decay: .inf", "a sweep", _params("learner: {weight_decay: .inf}\n"), refused("weight_decay", code=2)),
    Trial("a key twice", "a merge of branches", _params("seed: 1\nseed: 2\n"), refused("seed", "twice", code=2)),
    Trial(
        "a key twice in a section", "a merge", _params("ispl: {runs: 1, runs: 2}\n"), refused("runs", "twice", code=2)
    ),
    Trial("nested 5,000 deep", "a fuzzer", _params("seed: " + "[" * 5000 + "]" * 5000), refused("nested", code=2)),
    Trial("a billion aliases", "a fuzzer", _params(BOMB), refused("params.yaml", code=2)),
    Trial("an alias of itself", "a fuzzer", _params("seed: &s [*s]\n"), refused("params.yaml", code=2)),
    Trial(
        "a Python object",
        "an attacker",
        _params("seed: !!python/object/apply:os.system [touch executed]\n"),
        refused("params.yaml", code=2),
    ),
    Trial("a number of 10,000 digits", "a fuzzer", _params("seed: " + "9" * 10_000), refused("params.yaml", code=2)),
    Trial("a number of 30 digits", "a hash as seed", _params("seed: " + "9" * 30), refused("seed is 9999", code=2)),
    Trial(
        "half of a surrogate pair",
        "a broken export",
        _params('learner: {device: "\\ud800"}\n'),
        refused("learner.device", code=2),
    ),
    Trial(
        "a surrogate's bytes", "a broken export", _params("learner: {net: \ud800}\n"), refused("params.yaml", code=2)
    ),
    Trial("a null byte", "a broken disk", _params(b"seed: 3\0\n"), refused("params.yaml", code=2)),
    Trial("two documents", "kubectl", _params("seed: 1\n---\nseed: 2\n"), refused("params.yaml", code=2)),
    Trial("a list", "a slip", _params("- seed: 1\n"), refused("keys and values", code=2)),
    Trial("a number as key", "a slip", _params("1: 2\n"), refused("1", "no parameter", code=2)),
    Trial("a list as key", "a fuzzer", _params("? [a, b]\n: 2\n"), refused("params.yaml", code=2)),
    Trial("tabs", "an editor", _params("ispl:\n\truns: 1\n"), refused("params.yaml", "not YAML", code=2)),
    Trial("a date as seed", "YAML's types", _params("seed: 2024-01-01\n"), refused("seed", code=2)),
    Trial(
        "2 MB of keys",
        "a wrong file",
        _params("".join(f"k{n}: {n}\n" for n in range(150_000))),
        refused("params.yaml", code=2),
        fails="no answer within 300 s",
    ),
    Trial(
        "a pipe",
        "process substitution",
        _plain("--params", "pipe"),
        refused("pipe", "regular file", code=2),
        shell='mkfifo pipe; "$@"; c=$?; rm pipe; exit $c',
        fails="no answer within 300 s",
    ),
    Trial(
        "a folder",
        "a slip",
        _plain("--params", "."),
        refused("regular file", code=2),
        fails="does not say what to name",
    ),
    Trial(
        "a device",
        "a fuzzer",
        _plain("--params", "/dev/zero"),
        refused("/dev/zero", "regular file", code=2),
        fails="no answer within 300 s",
    ),
    Trial(
        "a link to itself",
        "a fuzzer",
        _plain("--params", "l"),
        refused("l", code=2),
        shell='ln -s l l; "$@"; c=$?; rm l; exit $c',
    ),
]

TRIALS = [*PLANTED, *SIGNALS, *STREAMS, *LIMITS, *FOLDERS, *WORDS, *INTERPRETER, *NUMBERS, *PARAMS]
