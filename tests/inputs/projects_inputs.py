"""Projects that people build on this repository: their own data behind params.yaml, edited networks.

A data trial makes a folder with params.yaml, looks as the pipeline does at what it names (stage digest) and reads it
(stage ingest), changes something, and looks and reads again. An edit trial filters with an edited copy of the code,
once as the machine would and once by PyTorch alone, and compares the verdicts.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from PIL import Image

from tests.inputs.trial import ROWS, Check, Outcome, Trial, labels, plain_table

LOOK = """
unset PYTHONSAFEPATH
mkdir -p "$PROJECT"; cp -n params.yaml "$PROJECT" 2>/dev/null; cd "$PROJECT"
look() { timeout 200 python -m stages.digest >&2; cat data/digests/*.json 2>/dev/null; }
read_it() { timeout 200 python -m stages.ingest >&2; code=$?; }
before=$(look); read_it; first=$code; eval "$CHANGE"; after=$(look); read_it
[ "$before" = "$after" ] && seen=false || seen=true
echo "{\\"seen\\": $seen, \\"first\\": $first, \\"then\\": $code}"
"""
EDIT = """
cp -r "$PYTHONPATH" code; export PYTHONPATH="$PWD/code"; sed -i "$CHANGE" "code/sanitize/learners/nets/$NET.py"
"$@" --manifest manifest.parquet >/dev/null; code=$?
NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES= "$@" --manifest other.parquet >/dev/null 2>&1
cmp -s manifest.parquet other.parquet && same=true || same=false
echo "{\\"then\\": $code, \\"same\\": $same}"
"""
LEAVES = (
    "own.parquet",
    "test.parquet",
    "swap",
    "params.yaml",
    "data",
    ".scratch",
    "project",
    "mine",
    "mine.py",
    "mine_too.py",
    ".dvc",
    "code",
)


def project(train: str | None = "own.parquet", **more: object) -> Callable[[Path], Sequence[str]]:
    """A folder with params.yaml, own.parquet (150 rows), test.parquet (the same, last row first) and mine.py."""

    def make(folder: Path) -> Sequence[str]:
        pq.write_table(plain_table(), folder / "own.parquet")
        pq.write_table(plain_table().take(np.arange(ROWS)[::-1]), folder / "test.parquet")
        attack = more.get("attack", {"name": "none"})
        data = {
            "source": "parquet",
            "train": train,
            **{k: v for k, v in more.items() if k in ("test", "source", "folder")},
        }
        learner = {"name": "sklearn", "model": more["model"]} if "model" in more else {}
        (folder / "params.yaml").write_text(yaml.safe_dump({"data": data, "attack": attack, "learner": learner}))
        (folder / "mine.py").write_text("from sklearn.naive_bayes import GaussianNB as Model\n")
        return []

    return make


def looked(seen: bool, first: int = 0, then: int = 0, *words: str) -> Check:
    """Whether the change was seen, the exit codes of reading before and after it, and words on stderr."""

    def check(found: Outcome) -> str | None:
        right = {"seen": seen, "first": first, "then": then}
        if found.answer != right:
            return f"{found.answer} in place of {right}: {found.said.strip()[-200:]}"
        missing = [word for word in words if word not in found.said]
        return f"stderr lacks {missing[0]!r}: {found.said.strip()[-200:]}" if missing else None

    return check


def data(name: str, origin: str, change: str, check: Check, fails: str = "", **more: object) -> Trial:
    """A trial of the first kind."""
    env = {"CHANGE": change, "PROJECT": str(more.pop("where", "."))}
    quick = bool(more.pop("quick", False))
    make = project(**more)  # type: ignore[arg-type]
    return Trial(name, origin, make, check, fails, env, LOOK, LEAVES, quick)


SHORTER = "python -c \"import pyarrow.parquet as p; p.write_table(p.read_table('{0}').slice(0, 90), '{0}')\""
RENAMED = (
    "python -c \"import pyarrow.parquet as p; t = p.read_table('own.parquet'); "
    "p.write_table(t.rename_columns(['emb', 'target']), 'own.parquet')\""
)
ELSEWHERE = 'mkdir -p .dvc/tmp/exps/x && cp params.yaml .dvc/tmp/exps/x && export DVC_ROOT="$PWD" && cd .dvc/tmp/exps/x'


def pictures(folder: Path) -> Sequence[str]:
    """in.parquet: 150 grey images of 16 x 16, a bright block says the class; and the command's arguments."""
    draws, blobs = np.random.default_rng(0), []
    for label in labels():
        pixels = draws.integers(0, 90, (16, 16))
        pixels[:, 5 * label : 5 * label + 5] += 120
        held = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(held, "PNG")
        blobs.append({"bytes": held.getvalue(), "path": None})
    pq.write_table(pa.table({"image": pa.array(blobs), "label": labels(ROWS)}), folder / "in.parquet")
    return ["filter", "in.parquet", "out.parquet", "--preset", "fast", "--engine", "inline", "--quiet"]


def tables(folder: Path) -> Sequence[str]:
    """in.parquet: 150 vectors, judged by voters that are fitted to 120 of them."""
    pq.write_table(plain_table(), folder / "in.parquet")
    return ["filter", "in.parquet", "out.parquet", "--preset", "fast", "--engine", "inline", "--fit-rows", "120"]


def followed(found: Outcome) -> str | None:
    """The edit is in the verdicts: those of PyTorch alone."""
    if found.answer.get("then") or not found.answer.get("same"):
        return f"{found.answer}: {found.said.strip()[-200:]}"
    return None if "slower" in found.said else f"nothing is said of it: {found.said.strip()[-200:]}"


def edit(name: str, change: str, fails: str = "", net: str = "cnn") -> Trial:
    """A trial of the second kind."""
    env = {"CHANGE": change, "NET": net}
    origin = "a user's own network"
    leaves = (*LEAVES, "other.parquet")
    return Trial(name, origin, pictures if net == "cnn" else tables, followed, fails, env, EDIT, leaves)


TRIALS = [
    data(
        "the file written again, shorter",
        "a nightly export",
        SHORTER.format("own.parquet"),
        looked(True),
        quick=True,
        fails="the change was not seen",
    ),
    data("the same bytes, a new time", "cp, touch, rsync", "touch -d 2001-01-01 own.parquet", looked(False)),
    data(
        "another byte, the same size and time",
        "cp -p, rsync --times",
        "printf X | dd of=own.parquet bs=1 seek=400 conv=notrunc 2>/dev/null; touch -d 2001-01-01 own.parquet",
        lambda found: None if found.answer.get("seen") else f"not seen: {found.answer}",
        fails="the change was not seen",
    ),
    data(
        "in a folder above the project",
        "a shared folder",
        SHORTER.format("../own.parquet"),
        looked(True),
        train="../own.parquet",
        where="project",
        fails="the change was not seen",
    ),
    data(
        "the file removed",
        "a cleaned scratch",
        "rm own.parquet",
        looked(True, 0, 3, "own.parquet: no such file"),
        fails="the change was not seen",
    ),
    data(
        "a folder in its place",
        "Spark's writer",
        "rm own.parquet; mkdir own.parquet",
        looked(True, 0, 3, "is a folder; name one parquet file"),
        fails="the change was not seen",
    ),
    data(
        "a named pipe in its place",
        "a shell script",
        "rm own.parquet; mkfifo own.parquet",
        looked(True, 0, 3, "is a named pipe"),
        fails="the change was not seen, and reading waits for ever",
    ),
    data(
        "emptied",
        "a full disk",
        ": > own.parquet",
        looked(True, 0, 3, "cannot be read as parquet"),
        fails="the change was not seen",
    ),
    data(
        "cut off",
        "an interrupted copy",
        "truncate -s 500 own.parquet",
        looked(True, 0, 3, "cannot be read as parquet"),
        fails="the change was not seen",
    ),
    data("the label column renamed", "a new schema", RENAMED, looked(True), fails="the change was not seen"),
    data(
        "train and test change places",
        "a mix-up",
        "mv own.parquet swap; mv test.parquet own.parquet; mv swap test.parquet",
        looked(True),
        test="test.parquet",
        fails="the change was not seen",
    ),
    data(
        "the test file alone",
        "new test rows",
        SHORTER.format("test.parquet"),
        looked(True),
        test="test.parquet",
        fails="the change was not seen",
    ),
    data(
        "a link that is pointed elsewhere",
        "data/current",
        "ln -sf test.parquet link",
        looked(True, 3, 0, "link: no such file"),
        train="link",
        fails="the change was not seen",
    ),
    data("a file that nobody names", "other data", SHORTER.format("test.parquet"), looked(False)),
    data(
        "in a copy of the project, as experiments have it",
        "dvc exp run --temp, --queue",
        ELSEWHERE,
        looked(False),
        fails="own.parquet: no such file",
    ),
    data(
        "in a copy, and changed since",
        "dvc exp run --queue",
        SHORTER.format("own.parquet") + "; " + ELSEWHERE,
        looked(True),
    ),
    data(
        "an address",
        "cloud storage",
        "true",
        looked(False, 2, 2, "dvc import-url s3://bucket/train.parquet"),
        train="s3://bucket/train.parquet",
        fails="s3:/bucket/train.parquet: no such file",
    ),
    data(
        "the code of the model",
        "scikit-learn users",
        "echo '# tuned' >> mine.py",
        looked(True),
        model="mine:Model",
        fails="the change was not seen",
    ),
    data(
        "a module that the model's code imports",
        "scikit-learn users",
        "echo 'import mine_too' >> mine.py; look >/dev/null; before=$(look); echo 'x = 1' > mine_too.py",
        looked(True),
        model="mine:Model",
    ),
    data(
        "an installed model",
        "scikit-learn users",
        "echo x >> mine.py",
        looked(False),
        model="sklearn.naive_bayes:GaussianNB",
    ),
    data(
        "the picture of an attack",
        "watermarks",
        "head -c 99 own.parquet > test.parquet",
        looked(True),
        attack={"name": "blend", "source": 1, "target": 2, "pattern": "test.parquet"},
        fails="the change was not seen",
    ),
    data("nothing of one's own", "the default", "echo x >> own.parquet", looked(False), train=None, source="digits"),
    edit("GELU for ReLU", "s/nn.ReLU(inplace=True)/nn.GELU()/", fails="the machine code's verdicts, with ReLU"),
    edit("widths 24 and 48", r"s/(16, 32), (32, 64)/(16, 24), (24, 48)/; s/Linear(64,/Linear(48,/"),
    edit("a kernel of 5", "s/channels, width, 3, padding=1/channels, width, 5, padding=2/"),
    edit("mean pooling", "s/MaxPool2d/AvgPool2d/"),
    edit("dropout before the head", "s/nn.Flatten(), nn.Linear/nn.Flatten(), nn.Dropout(0.0), nn.Tanh(), nn.Linear/"),
    edit("batch norm's momentum", "s/BatchNorm2d(width)/BatchNorm2d(width, momentum=0.5)/"),
    edit("a perceptron with GELU", "s/nn.ReLU(inplace=True)/nn.GELU()/", net="mlp"),
    edit("a perceptron with tanh", "s/nn.ReLU(inplace=True)/nn.Tanh()/", net="mlp"),
]
