"""Small tables that tests of attacks share: labels 0, 1, 2, 3 in turn, classes a to d."""

import numpy as np

from sanitize.data.table import Table

NAMES = ("a", "b", "c", "d")


def images(rows=40, height=8, width=9, channels=1, level=0):
    """Images of one level."""
    pixels = np.full((rows, height, width, channels), level, np.uint8)
    return Table(np.arange(rows), pixels, np.arange(rows) % 4, NAMES, "image")


def vectors(columns, modality="vector"):
    """Rows from a list of columns."""
    inputs = np.array(columns, np.float32).T
    return Table(np.arange(len(inputs)), inputs, np.arange(len(inputs)) % 4, NAMES, modality)


def empty(table):
    """The table without its rows."""
    return table.take(np.zeros(0, np.int64))
