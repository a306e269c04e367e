"""Pictures to measure with: CIFAR-10 where it lies, else MNIST repeated, or drawn ones. Sizes -> tables."""

# N rows, C classes, H x W pixels, K channels
from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from experiments.scenario import load_tables
from sanitize.data.seeds import stream
from sanitize.data.table import IntArray, Table
from sanitize.errors import BadInput, BadParams
from sanitize.params import resolve

FOLDER = "CIFAR10_FOLDER"  # the environment variable that experiments/strong/data.py reads, too
SHIFT = 2  # pixels that a repeated picture is moved by at most
GRID = 4  # a picture's mean levels on so many by so many fields tell its part of a class
PARTS = 10  # that a class is cut into


class Pictures(NamedTuple):
    """Training and test rows, and what they are in words."""

    train: Table
    test: Table
    what: str


def cifar10() -> Pictures | None:
    """All of CIFAR-10 from the folder in CIFAR10_FOLDER; None = the variable is not set. Nothing is downloaded."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    return Pictures(*load_tables(resolve({"data": {"source": "cifar10", "folder": folder}})), "CIFAR-10")


def drawn(rows: int, side: int = 32, channels: int = 3, classes: int = 10) -> Pictures:
    """Noise around one coarse pattern per class, as many rows of each class; a fifth as many test rows."""
    patterns = stream(0, "benchmark", "patterns").integers(0, 160, (classes, 4, 4, channels))
    fields = -(-side // 4)
    whole = patterns.repeat(fields, 1).repeat(fields, 2)[:, :side, :side].astype(np.uint8)

    def table(count: int, name: str) -> Table:
        draws = stream(0, "benchmark", "drawn", name)
        label_n = np.arange(count, dtype=np.int64) % classes
        noise = draws.integers(0, 96, (count, side, side, channels), dtype=np.uint8)
        names = tuple(map(str, range(classes)))
        return Table(np.arange(count), whole[label_n] + noise, label_n, names, "image")

    what = f"{rows:,} drawn pictures, {side} x {side} x {channels}"
    return Pictures(table(rows, "train"), table(max(classes, rows // 5), "test"), what)


def sized(source: Table, rows: int, classes: int) -> Table:
    """So many rows, as many of each class as of another, give or take one.

    source   rows of a class are drawn without repetition; where there are too few, they are repeated, moved by up to
             SHIFT pixels (what leaves the picture on one side comes in on the other)
    classes  those of `source`, or PARTS times as many: see `refined`
    Raises   BadInput: fewer rows than classes; BadParams: another number of classes
    """
    if rows < classes:
        raise BadInput(f"{rows} rows for {classes} classes; needs one of each at least; ask for more rows")
    own = source.classes
    draws = stream(0, "benchmark", "sized", rows)
    counts = np.full(own, rows // own) + (np.arange(own) < rows % own)
    moved, picked = [], []
    for label, count in enumerate(counts.tolist()):
        of_class = draws.permutation(np.flatnonzero(source.labels == label))
        picked.append(np.resize(of_class, count))
        moved.append(np.arange(count) >= len(of_class))
    positions, again = np.concatenate(picked), np.concatenate(moved)
    order = draws.permutation(rows)
    positions, again = positions[order], again[order]
    images = source.inputs[positions]
    for row in np.flatnonzero(again).tolist():
        images[row] = np.roll(images[row], draws.integers(-SHIFT, SHIFT + 1, 2), (0, 1))
    table = Table(np.arange(rows), images, source.labels[positions], source.class_names, source.modality)
    if classes == own:
        return table
    if classes != PARTS * own:
        raise BadParams(f"classes is {classes}; must be {own} or {PARTS * own} with this source")
    return refined(table)


def refined(table: Table) -> Table:
    """The same rows with PARTS times as many classes, which a network can learn.

    Every class is cut into PARTS parts of equal size along its first principal component, that of the mean grey levels
    of GRID x GRID fields: a smooth function of the picture.
    """
    part_N: IntArray = np.zeros(len(table), np.int64)
    for label in range(table.classes):
        rows = np.flatnonzero(table.labels == label)
        levels = _fields(table.inputs[rows])
        levels -= levels.mean(axis=0)
        along = levels @ np.linalg.svd(levels, full_matrices=False)[2][0]
        part_N[rows[np.argsort(along, kind="stable")]] = np.arange(len(rows)) * PARTS // len(rows)
    names = tuple(f"{name}.{part}" for name in table.class_names for part in range(PARTS))
    return Table(table.ids, table.inputs, table.labels * PARTS + part_N, names, table.modality)


def _fields(images: np.ndarray) -> np.ndarray:
    """Mean grey level of every field, float64 [n, GRID x GRID]."""
    grey = images.mean(axis=3)
    across = [np.array_split(band, GRID, axis=2) for band in np.array_split(grey, GRID, axis=1)]
    return np.stack([field.mean(axis=(1, 2)) for band in across for field in band], axis=1)
