"""Small instances for certificates of several tests: random votes, tests on a line among the rows, tests of a star."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sanitize.certify.neighbors import vote_tables
from sanitize.data.seeds import stream
from tests.reference.neighbors import Row


class World(NamedTuple):
    """Training rows, rows an attacker may add, tests with their labels, and the number of labels."""

    rows: list[Row]
    candidates: list[Row]
    queries: list[tuple[tuple[int, ...], int]]
    classes: int

    @property
    def labels(self) -> np.ndarray:
        """True labels of the tests."""
        return np.array([label for _, label in self.queries], np.int64)

    def votes(self, method: str, k: int = 1, radius: float = 0.0) -> np.ndarray:
        """The library's votes."""
        features = np.array([row[0] for row in self.rows], np.uint8)
        given = np.array([row[1] for row in self.rows], np.int64)
        places = np.array([place for place, _ in self.queries], np.uint8)
        everything = [np.ones(len(given), bool)]
        found = vote_tables(places, features, given, self.classes, k=k, radius=radius, subsets=everything)[0]
        return np.asarray(getattr(found, method))


def worlds(rows: int, classes: int, tests: int, repeats: int) -> Iterator[World]:
    """Rows at 8..12, most of them of their side's label; tests at 9..11, most of them with their neighbours' label.

    Candidates lie at 9, 10 and 11 with every label, so that one of them can reach all tests. Rows tie in distance and
    in place; some tests are wrong, and with a radius of 0 some have no neighbours.
    """
    for repeat in range(repeats):
        draw = stream(repeat, "world", rows, classes, tests)
        at = draw.integers(8, 13, rows)
        label = np.where(draw.random(rows) < 0.75, (at - 8) * classes // 5, draw.integers(0, classes, rows))
        where = draw.integers(9, 12, tests)
        true = np.where(draw.random(tests) < 0.8, (where - 8) * classes // 5, draw.integers(0, classes, tests))
        yield World(
            [((int(a),), int(y)) for a, y in zip(at, label, strict=True)],
            [((place,), y) for place in (9, 10, 11) for y in range(classes)],
            [((int(a),), int(y)) for a, y in zip(where, true, strict=True)],
            classes,
        )


def stars(rows: int, classes: int, tests: int, repeats: int) -> Iterator[World]:
    """Each test stands on an axis of its own, 4 from the origin; rows lie 2, 3 or 4 beyond their test, a few at the
    origin. A removal mostly reaches one test, a candidate (at the origin) all within 4.
    """
    for repeat in range(repeats):
        draw = stream(repeat, "star", rows, classes, tests)
        true = draw.integers(0, classes, tests)
        axis = np.eye(tests, dtype=int)
        placed: list[Row] = []
        for row in range(rows):
            own = row % tests
            label = true[own] if draw.random() < 0.9 else draw.integers(classes)
            out = 4 + int(draw.integers(2, 5)) if draw.random() < 0.9 else 0
            placed.append((tuple((out * axis[own]).tolist()), int(label)))
        origin = (0,) * tests
        queries = [(tuple((4 * axis[own]).tolist()), int(true[own])) for own in range(tests)]
        yield World(placed, [(origin, label) for label in range(classes)], queries, classes)


def random_votes(name: int, tests: int, classes: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Votes 0..most that lean to the true label, int32 [tests, classes], and the labels."""
    draw = stream(name, "random votes", tests, classes, most)
    labels = draw.integers(0, classes, tests)
    votes = draw.integers(0, most + 1, (tests, classes))
    votes[np.arange(tests), labels] += draw.integers(0, most + 1, tests)
    return votes.astype(np.int32), labels
