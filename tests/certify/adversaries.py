"""Attackers of files: a training file is changed within a poisoning size and certified again; predictions must stay.

All go through `certify_file` on parquet files. `python -m tests.certify.adversaries [METHOD …] [--count N]` tries N of
them against each method and prints how many predictions were certain, and how many of those changed: none may.
"""

# N training rows, M test rows
from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sanitize.certify.individual import UNIT
from sanitize.certify_file import Summary, certify_file
from sanitize.data.images import encode_images
from sanitize.data.seeds import stream
from sanitize.errors import BadInput
from sanitize.execution import inline
from sanitize.params import Params, resolve

METHODS = ("knn", "rnn", "dpa", "finite_aggregation", "run_off", "bagging")
SIZES = [0, 1, 2, 3, 4, 6]
# A new label may sort before, between and behind those that are there, look like a number or be called as a column of
# zeros is called inside.
NEW = ("", "!", "a", "bb", "zz", "-1", "0", "007", "9" * 40, "nan", "\U0010ffff", "(a label that no row has yet)")
EXTREME = (3e38, -3e38, 1e-38, 0.0, -0.0)
Row = tuple[tuple[float, ...], str]


class World(NamedTuple):
    """A training set, a test set, what it is certified with, and whether its files hold images instead of vectors."""

    train: list[Row]
    test: list[Row]
    method: Any
    params: Params
    image: bool


class Answer(NamedTuple):
    """What `sanitize certify` said: the result, and label, prediction and radius of each test row."""

    summary: Summary
    label: list[str]
    prediction: list[str]
    radius: list[int]


def world(method: str, number: int) -> World:
    """A small world: 2 to 4 labels in clusters on a grid, with ties, duplicates, wrong labels and a label of one row.

    The test rows may have a label that no training row has, and the training rows one that no test row has.
    """
    draw = stream(number, "adversaries", method)
    names = list(draw.permutation(["b", "c", "d", "10", "9"])[: draw.integers(2, 5)])
    wide = int(draw.integers(1, 3))
    rows, spread = int(draw.integers(12, 40)), draw.uniform(0.4, 1.5)

    def some(count: int) -> list[Row]:
        label = draw.integers(0, len(names), count)
        places = np.round(4 * np.eye(len(names), wide)[label] + draw.normal(0, spread, (count, wide)))
        wrong = draw.random(count) < 0.1
        label = np.where(wrong, draw.integers(0, len(names), count), label)
        return [(tuple(map(float, place)), str(names[y])) for place, y in zip(places, label, strict=True)]

    train, test = some(rows), some(8)
    train += train[: int(draw.integers(0, 4))]
    if draw.random() < 0.5:
        train.append((train[0][0], "alone"))
    if draw.random() < 0.3:
        test[0] = (test[0][0], "only here")
    image = draw.random() < 0.2
    certify = {
        "features": "raw" if draw.random() < 0.5 else "hog",
        "k": int(draw.integers(1, 12)),
        "radius": None if draw.random() < 0.4 else float(draw.integers(0, 5)),
        "distance": str(draw.choice(["l1", "l2", "cosine"], p=[0.6, 0.2, 0.2])),
        "poisoning_sizes": SIZES,
        "device": "cpu",
    }
    model = "logistic_regression" if draw.random() < 0.2 else "sklearn.naive_bayes:GaussianNB"
    ensemble = {"members": int(draw.integers(3, 12)), "degree": int(draw.integers(1, 4)), "bag": 3, "alpha": 0.05}
    name = "torch" if draw.random() < 0.3 else "sklearn"
    if method == "bagging":  # many members: few prove nothing
        ensemble["members"], name, model = 60, "sklearn", "sklearn.naive_bayes:GaussianNB"
        train = train * 2
    ensemble["epochs"] = 2
    learner = {"name": name, "model": model, "net": "linear", "device": "cpu", "precision": "float32", "threads": 1}
    params = resolve({"certify": certify, "ensemble": ensemble, "learner": learner, "seed": number})
    return World(train, test, method, params, image)


def write(path: Path, rows: list[Row], image: bool) -> None:
    """The rows as a file of vectors, or of images that show their numbers, with labels in words."""
    labels = pa.array([row[1] for row in rows], pa.string())
    if image:
        pixels = np.zeros((len(rows), 6, 6, 1), np.uint8)
        for shown, (place, _) in zip(pixels, rows, strict=True):
            for number, value in enumerate(place):
                shown[3 * number : 3 * number + 3, : int(np.clip(value, -3, 3)) + 3] = np.clip(16 * value + 100, 0, 255)
        pq.write_table(pa.table({"image": encode_images(pixels), "label": labels}), path)
        return
    wide = len(rows[0][0]) if rows else 1
    flat = pa.array(np.array([row[0] for row in rows], np.float32).reshape(-1))
    column = pa.FixedSizeListArray.from_arrays(flat, wide)
    pq.write_table(pa.table({"at": column, "label": labels}), path)


def certified(folder: Path, train: list[Row], given: World) -> Answer:
    """What the command says of a training set."""
    write(folder / "train.parquet", train, given.image)
    write(folder / "test.parquet", given.test, given.image)
    out = folder / "out.parquet"
    files = folder / "train.parquet", folder / "test.parquet"
    summary = certify_file(*files, given.params, method=given.method, out=out, map=inline)
    columns = pq.read_table(out).to_pydict()
    return Answer(summary, columns["label"], columns["prediction"], columns["radius"])


def attacks(given: World, count: int, seed: int) -> Iterator[tuple[list[Row], int, int]]:
    """Training sets that an attacker might make, and how many rows were removed and added.

    Half of them aim at one test row: they take its nearest rows away and lay theirs on it; the others are at random.
    New rows copy others, lie on test rows or far off; their labels are those of others or new. Half of the sets are in
    another order, and rows are added anywhere.
    """
    draw = stream(seed, "attacks", given.method)
    here = [label for _, label in given.train + given.test]
    for _ in range(count):
        size = int(draw.integers(1, SIZES[-1] + 1))
        removed = int(draw.integers(0, min(size, len(given.train) - 1) + 1))
        added = int(draw.integers(0, size + 1))
        aimed = draw.random() < 0.5
        goal = np.array(given.test[int(draw.integers(len(given.test)))][0])
        places = np.array([place for place, _ in given.train])
        far = np.abs(places - goal).sum(1) if aimed else draw.random(len(places))
        gone = set(np.argsort(far, kind="stable")[:removed].tolist())
        left = [row for number, row in enumerate(given.train) if number not in gone]
        label = str(draw.choice(NEW if draw.random() < 0.6 else here))
        for _ in range(added):
            kind = draw.random()
            place = tuple(map(float, goal)) if aimed else given.train[int(draw.integers(len(given.train)))][0]
            if kind < 0.2:
                place = tuple(float(draw.choice(EXTREME)) for _ in place)
            elif kind < 0.3:
                place = tuple(float(value) for value in draw.normal(0, 4, len(place)))
            if kind > 0.8:
                label = str(draw.choice([*NEW, *here]))
            left.insert(int(draw.choice([0, draw.integers(len(left) + 1)])), (place, label))
        if draw.random() < 0.5:
            left = [left[number] for number in draw.permutation(len(left))]
        yield left, removed, added


def broken(before: Answer, after: Answer, removed: int, added: int) -> list[str]:
    """What a certificate promised and an attack within its size took."""
    size = max(removed, added) if before.summary.unit == UNIT else removed + added
    found = []
    for row, (old, new, radius) in enumerate(zip(before.prediction, after.prediction, before.radius, strict=True)):
        sure = before.summary.confidence == 1 or after.radius[row] >= 0  # bagging: what each bag may say is known
        if radius >= size and sure and old != new:
            found.append(f"row {row}: radius {radius}, size {size}, {old!r} became {new!r}")
    if before.summary.confidence == 1:
        right = np.mean([p == y for p, y in zip(after.prediction, after.label, strict=True)])
        for name, shares in before.summary.accuracy.items():
            if right < _promised(shares, size) - 1e-6:
                found.append(f"{name}: accuracy {right}, promised {_promised(shares, size)} at size {size}")
    return found


def _promised(shares: list[float], size: int) -> float:
    """The accuracy that is certified at a size."""
    return max((share for e, share in zip(SIZES, shares, strict=True) if e >= size), default=0.0)


def tried(folder: Path, method: str, worlds: range, each: int, bold: int = 0) -> tuple[Counter[str], list[str]]:
    """Attacks on worlds of a method: how many sets, predictions that were certain, and what broke.

    bold   added to every radius, to see that an attack can break what is not certain
    """
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for number in worlds:
        given = world(method, number)
        try:
            before = certified(folder, given.train, given)
        except BadInput as error:
            counts["worlds refused"] += 1
            assert "labels" in str(error) or "too long for cosine" in str(error), error
            continue
        before = before._replace(radius=[radius + bold for radius in before.radius])
        for rows, removed, added in attacks(given, each, number):
            try:
                after = certified(folder, rows, given)
            except BadInput as error:  # loud, and said in `covers`: no label in common, or too long for cosine
                assert "label" in str(error) or "too long for cosine" in str(error), error
                counts["refused"] += 1
                continue
            counts["sets"] += 1
            size = max(removed, added) if before.summary.unit == UNIT else removed + added
            counts["certain"] += sum(radius >= size for radius in before.radius)
            counts["joint"] += sum(_promised(shares, size) > 0 for shares in before.summary.accuracy.values())
            wrong += [f"{method}, world {number}: {one}" for one in broken(before, after, removed, added)]
    return counts, wrong


def main() -> int:
    """A sweep by hand."""
    parser = argparse.ArgumentParser(prog="python -m tests.certify.adversaries")
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=1000, help="number of the first world")
    given = parser.parse_args()
    failed, each = 0, 10
    with tempfile.TemporaryDirectory() as folder:
        for method in given.methods:
            worlds = range(given.first, given.first + given.count // each)
            counts, wrong = tried(Path(folder), method, worlds, each)
            print(f"{method}: {dict(counts)}, broken {len(wrong)}", flush=True)
            print("\n".join(wrong[:10]))
            failed += len(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
