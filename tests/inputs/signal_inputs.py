"""Files whose inputs say nothing about the label, hard ones that do, samples to fit to, and voters of another day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from sanitize.data.images import encode_images
from tests.inputs.trial import Check, Outcome, Trial, command, judged, refused, vector_column, vectors

Make = Callable[[Path], Sequence[str]]
ROWS = 240
WORDS = [f"{a}{b}" for a in ("ba", "ce", "di", "fo", "gu") for b in ("l", "m", "n", "r", "s")]
NOTHING = refused(
    "say nothing about the label", "name the given label of", "the largest class", "so nothing was judged"
)
ALIKE = refused("the inputs of all", "rows are the same, so that nothing can be told from them")
UNLIKE = refused("are not what they were fitted to", "name the given label of", "the largest class")


def draw(seed: int = 0) -> np.random.Generator:
    """Draws of its own for every file."""
    return np.random.default_rng(seed)


def lots(rows: int = ROWS, classes: int = 3, seed: int = 5) -> np.ndarray:
    """Labels in equal numbers, in random order: no input knows them."""
    found: np.ndarray = draw(seed).permutation(np.arange(rows) % classes)
    return found


def file(columns: Callable[[], dict[str, Any]], *more: str) -> Make:
    """A file of these columns, and further arguments."""

    def make(folder: Path) -> Sequence[str]:
        pq.write_table(pa.table(columns()), folder / "in.parquet")
        return command("in.parquet", *more)

    return make


def embedded(values: Callable[[], np.ndarray], labels: Callable[[], np.ndarray] = lots, *more: str) -> Make:
    """A file of vectors and labels."""
    return file(lambda: {"emb": vector_column(values().astype(np.float32)), "label": labels()}, *more)


def pictures(pixels: np.ndarray) -> pa.Array:
    """Images as Hugging Face's datasets write them."""
    blobs = encode_images(pixels.astype(np.uint8)).to_pylist()
    return pa.array([{"bytes": blob, "path": None} for blob in blobs])


def gaussian(rows: int = ROWS, width: int = 16, seed: int = 1) -> np.ndarray:
    """Numbers that say nothing."""
    found: np.ndarray = draw(seed).normal(size=(rows, width))
    return found


def given(truth: np.ndarray, noise: float, classes: int, seed: int = 2) -> np.ndarray:
    """Labels of which a part is another class's."""
    wrong = draw(seed).random(len(truth)) < noise
    return np.where(wrong, (truth + draw(seed + 1).integers(1, classes, len(truth))) % classes, truth)


def hard(rows: int, classes: int, noise: float = 0.0, gap: float = 3.0, share: float | None = None) -> Make:
    """Classes that overlap, with wrong labels; or two, of which the second has a part `share`."""
    truth = np.arange(rows) % classes if share is None else (np.arange(rows) < share * rows).astype(int)
    return embedded(lambda: gap * np.eye(classes, 12)[truth] + gaussian(rows, 12), lambda: given(truth, noise, classes))


def measured(load: Callable[[], Any], noise: float = 0.0) -> Make:
    """A table of scikit-learn's, a column for each number."""

    def columns() -> dict[str, Any]:
        data = load()
        values = {f"x{place}": data.data[:, place] for place in range(data.data.shape[1])}
        return values | {"label": given(data.target, noise, int(data.target.max()) + 1)}

    return file(columns)


def sentences(rows: int, topics: np.ndarray | None = None) -> list[str]:
    """Ten words each, of all words, or half of them of the row's topic."""
    draws = draw(3)
    found = []
    for row in range(rows):
        words = draws.choice(WORDS, 10).tolist()
        if topics is not None:
            words[:5] = draws.choice(WORDS[topics[row] * 8 : topics[row] * 8 + 8], 5).tolist()
        found.append(" ".join(words))
    return found


def doubled() -> dict[str, Any]:
    """Every row three times, as augmentation leaves them."""
    rows = np.repeat(np.arange(80), 3)
    return {"emb": vector_column(vectors(80)[rows]), "label": (np.arange(80) % 3)[rows]}


def beside(folder: Path) -> Sequence[str]:
    """Random vectors, and somebody's own good predictions."""
    labels = lots()
    np.save(folder / "probs.npy", (0.9 * np.eye(3) + 0.1 / 3)[labels].astype(np.float32))
    pq.write_table(
        pa.table({"emb": vector_column(gaussian().astype(np.float32)), "label": labels}), folder / "in.parquet"
    )
    return command("in.parquet", "--pred-probs", "probs.npy")


def mislabelled_class() -> np.ndarray:
    """Of the rows called 2, 49% are 0."""
    truth = np.arange(300) % 3
    truth[np.flatnonzero(truth == 0)[:96]] = 2
    return truth


WIDTH = 12


def triggered(rows: int = 800, bad: int = 60, seed: int = 0) -> tuple[pa.Table, np.ndarray]:
    """Two classes; rows of 0 called 1 that have 0 in eight places."""
    labels = np.arange(rows) % 2
    inputs = draw(seed).normal(size=(rows, WIDTH))
    inputs[:, :4] += 4 * labels[:, None]
    chosen = np.sort(draw(seed + 1).permutation(np.flatnonzero(labels == 0))[:bad])
    inputs[chosen, 4:] = 0
    labels[chosen] = 1
    return pa.table({"emb": vector_column(inputs.astype(np.float32)), "label": labels}), chosen


def poisoned(*more: str, seed: int = 0) -> Make:
    """A file with a trigger."""

    def make(folder: Path) -> Sequence[str]:
        pq.write_table(triggered(seed=seed)[0], folder / "in.parquet")
        return command("in.parquet", *more)

    return make


def told(seed: int = 0, most: int = 8) -> Check:
    """All rows with the trigger are dropped for it, and few others."""

    def check(found: Outcome) -> str | None:
        if found.code:
            return f"exit code {found.code}"
        reasons = found.manifest()["reason"].to_pylist()
        dropped = {row for row, reason in enumerate(reasons) if reason.startswith("shares a trigger")}
        bad = set(triggered(seed=seed)[1].tolist())
        if bad - dropped:
            return f"{len(bad - dropped)} of {len(bad)} rows with the trigger do not 'share a trigger'"
        more = found.rejected - len(bad)
        return f"{more} other rows dropped" if more > most else None

    return check


SAVE = (
    '"$1" -m sanitize filter fit.parquet --dry-run --save-voters voters --quiet --preset fast --net linear '
    '--engine inline; "$@"; code=$?; rm -r voters; exit $code'
)


def next_day(table: Callable[[], pa.Table], fit: Callable[[], pa.Table] | None = None) -> Make:
    """Voters fitted to one file judge another."""

    def make(folder: Path) -> Sequence[str]:
        pq.write_table(fit() if fit else day(), folder / "fit.parquet")
        pq.write_table(table(), folder / "in.parquet")
        plain = command("in.parquet", "--voters", "voters")
        return [word for number, word in enumerate(plain) if "--preset" not in plain[max(0, number - 1) : number + 1]]

    return make


def day(rows: int = ROWS, seed: int = 0, change: Callable[[np.ndarray], np.ndarray] = lambda x: x) -> pa.Table:
    """Rows of three well parted classes, the inputs changed."""
    labels = np.arange(rows) % 3
    inputs = 4 * np.eye(3, 16)[labels] + 1 + draw(seed).normal(size=(rows, 16))
    return pa.table({"emb": vector_column(change(inputs).astype(np.float32)), "label": labels})


def relabelled(labels: np.ndarray, seed: int = 1) -> pa.Table:
    """Such rows with other labels."""
    return day(len(labels), seed).set_column(1, "label", pa.array(labels))


def voters(name: str, origin: str, table: Callable[[], pa.Table], check: Check, fails: str = "") -> Trial:
    """A trial of voters of another day."""
    return Trial(name, origin, next_day(table), check, fails, shell=SAVE)


def constant(value: float) -> Callable[[], np.ndarray]:
    """The same vector for all."""
    return lambda: np.full((ROWS, 16), value)


def rare() -> np.ndarray:
    """One row of twenty is of class 1."""
    return draw(8).permutation((np.arange(400) < 20).astype(int))


def moments() -> list[dt.datetime]:
    """Times of a year."""
    return [dt.datetime(2024, 1, 1) + dt.timedelta(minutes=int(m)) for m in draw(4).integers(0, 500_000, ROWS)]


TRIALS = [
    Trial(
        "embeddings that are all zero",
        "a service that failed softly",
        embedded(constant(0)),
        ALIKE,
        "160 rows dropped, exit code 0",
        quick=True,
    ),
    Trial(
        "embeddings of one value",
        "padding in place of a model",
        embedded(constant(7.1)),
        ALIKE,
        "160 rows dropped, exit code 0",
    ),
    Trial("random vectors", "an untrained encoder", embedded(gaussian), NOTHING, "80 rows dropped, exit code 0"),
    Trial(
        "random vectors, sorted by label",
        "one folder per class",
        embedded(gaussian, lambda: np.sort(lots())),
        NOTHING,
        "75 rows dropped, exit code 0",
    ),
    Trial(
        "random vectors, 95 : 5",
        "fraud, churn",
        embedded(lambda: gaussian(400), rare),
        NOTHING,
        "19 rows dropped, exit code 0",
    ),
    Trial(
        "random vectors, 60 rows",
        "a first try",
        embedded(lambda: gaussian(60), lambda: lots(60, 2)),
        NOTHING,
        "13 rows dropped, exit code 0",
    ),
    Trial("random vectors, 10 classes", "digits", embedded(lambda: gaussian(400), lambda: lots(400, 10)), NOTHING),
    Trial("random vectors, 43 classes", "signs", embedded(lambda: gaussian(860), lambda: lots(860, 43)), NOTHING),
    Trial("heavy tails", "raw counters", embedded(lambda: draw(6).standard_cauchy((ROWS, 8))), NOTHING),
    Trial(
        "vectors of another table",
        "a join by position",
        embedded(lambda: vectors(ROWS)[draw(1).permutation(ROWS)]),
        NOTHING,
    ),
    Trial(
        "vectors that repeat", "quantised codes", embedded(lambda: np.eye(16)[draw(2).integers(0, 5, ROWS)]), NOTHING
    ),
    Trial(
        "random numbers and flags",
        "a feature store's placeholders",
        file(lambda: {"a": gaussian()[:, 0], "b": draw(3).integers(0, 2, ROWS) > 0, "label": lots()}),
        NOTHING,
    ),
    Trial(
        "categories that say nothing",
        "an anonymised export",
        file(
            lambda: {"city": draw(3).choice(WORDS[:6], ROWS), "plan": draw(4).choice(WORDS[:3], ROWS), "label": lots()}
        ),
        NOTHING,
    ),
    Trial(
        "times that say nothing", "a log", file(lambda: {"at": moments(), "label": lots()}, "--inputs", "at"), NOTHING
    ),
    Trial(
        "words that say nothing",
        "lorem ipsum",
        file(lambda: {"text": sentences(ROWS), "label": lots()}, "--inputs", "text"),
        NOTHING,
    ),
    Trial(
        "grey images",
        "a camera with its cap on",
        file(lambda: {"image": pictures(np.full((120, 8, 8, 1), 128)), "label": lots(120)}),
        ALIKE,
    ),
    Trial(
        "images of noise",
        "a decryption that failed",
        file(lambda: {"image": pictures(draw(5).integers(0, 256, (120, 8, 8, 3))), "label": lots(120)}),
        NOTHING,
    ),
    Trial("random vectors beside good predictions", "cleanlab's pred_probs", beside, NOTHING),
    Trial("random vectors, a sample", "a large set", embedded(gaussian, lots, "--fit-rows", "120"), NOTHING),
    Trial(
        "no signal in the column named",
        "the wrong column",
        file(
            lambda: {
                "emb": vector_column(vectors(ROWS)),
                "noise": vector_column(gaussian().astype(np.float32)),
                "label": np.arange(ROWS) % 3,
            },
            "--embeddings",
            "noise",
        ),
        NOTHING,
    ),
    Trial("a fifth of the labels wrong", "crowd workers", hard(120, 3, 0.2), judged(60)),
    Trial("40% of the labels wrong", "web search as a teacher", hard(600, 3, 0.4, 4.0), judged(360)),
    Trial("40% of two labels wrong", "clicks", hard(1500, 2, 0.4, 4.0), judged(900)),
    Trial("a fifth of two labels wrong, 120 rows", "a study", hard(120, 2, 0.2, 4.0), judged(60)),
    Trial("classes that overlap, 120 rows", "sensors", hard(120, 3, gap=2.5), judged(60)),
    Trial("95 : 5 with a signal", "fraud", hard(400, 2, gap=4.0, share=0.05), judged(40)),
    Trial("24 rows", "a first try", hard(24, 2, gap=6.0), judged(2)),
    Trial("12 classes of 30 rows", "signs", hard(360, 12, gap=5.0), judged(120)),
    Trial(
        "49% of a class are another's",
        "a backdoor that is half of its class",
        embedded(lambda: 4 * np.eye(3, 12)[np.arange(300) % 3] + gaussian(300, 12), mislabelled_class),
        judged(170),
    ),
    Trial("breast cancer", "scikit-learn", measured(load_breast_cancer), judged(60)),
    Trial("iris", "scikit-learn, R", measured(load_iris), judged(30)),
    Trial("wine", "UCI", measured(load_wine), judged(20)),
    Trial("breast cancer, 30% of the labels wrong", "scikit-learn", measured(load_breast_cancer, 0.3), judged(300)),
    Trial(
        "a few telling words",
        "support tickets",
        file(lambda: {"text": sentences(ROWS, np.arange(ROWS) % 3), "label": np.arange(ROWS) % 3}, "--inputs", "text"),
        judged(60),
    ),
    Trial("every row three times", "augmentation", file(doubled), judged(5)),
    Trial("a trigger, all rows", "an attacker", poisoned(), told()),
    Trial("a trigger, a sample of all rows", "--fit-rows as large as the file", poisoned("--fit-rows", "800"), told()),
    Trial("a trigger, a sample larger than the file", "a script's default", poisoned("--fit-rows", "20000"), told()),
    Trial("a trigger, a sample of half", "a large set", poisoned("--fit-rows", "400"), told()),
    Trial(
        "a trigger on the next day",
        "daily files",
        next_day(lambda: triggered(seed=7)[0], lambda: triggered()[0]),
        told(7),
        shell=SAVE,
    ),
    voters("the next day", "daily files", lambda: day(seed=1), judged(5)),
    voters("five rows of the next day", "a stream's small batches", lambda: day(5, 1), judged(1)),
    voters(
        "rows of one class", "Hive's label=…", lambda: day(seed=1).filter(pa.array(np.arange(ROWS) % 3 == 1)), judged(5)
    ),
    voters(
        "a third of the labels wrong",
        "another team's labels",
        lambda: relabelled(given(np.arange(ROWS) % 3, 0.33, 3)),
        judged(120),
    ),
    voters(
        "random vectors, with saved voters",
        "an encoder that was not loaded",
        lambda: day(seed=1, change=lambda x: gaussian(len(x))),
        UNLIKE,
    ),
    voters("vectors of zeros", "a service that failed softly", lambda: day(seed=1, change=np.zeros_like), UNLIKE),
    voters(
        "places in another order",
        "another version of the encoder",
        lambda: day(seed=1, change=lambda x: x[:, ::-1]),
        UNLIKE,
    ),
    voters("shuffled labels", "a sort of one column alone", lambda: relabelled(lots()), UNLIKE),
    voters(
        "one class, none of it known",
        "another project's folder",
        lambda: day(seed=1, change=lambda x: x[:, ::-1]).filter(pa.array(np.arange(ROWS) % 3 == 1)),
        UNLIKE,
    ),
]
