"""Columns that number or name the rows and say nothing about them: row numbers, keys, times of writing."""

# n rows looked at
from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from sanitize.data.table import IntArray

LEAST_ROWS = 20  # fewer do not tell
DIFFERENT = 0.95  # part of the rows that differ; a copied row does not make a key a quantity
RISING = 0.99  # part of the steps that have one direction
SPREAD = 1.1  # row numbers lie within so many times the number of rows
LARGEST_QUANTITY = 2**53  # whole numbers beyond are keys or digests: no float64 holds them
FEW = 64  # different values that a row number has more than

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_NAMES = re.compile(
    r"ids?|u?uid|guid|[opsct]id|(user|row|obj|item|rec|doc|image)id|index|idx|key|pk|row|nr|no|num|number|serial|hash|md5|"
    r"sha1|sha256|file|filename|path|url|uri"
)
_ROW_NAMES = re.compile(
    r"__index_level_\d+__|unnamed: ?\d+|\.\.\.1|index|idx|row_?(id|nr|no|num|number|names?)|rownames?", re.IGNORECASE
)
_WRITTEN = re.compile(r"created|updated|modified|inserted|ingested|written|timestamp|_at$|^ts$|_ts$", re.IGNORECASE)


def names_rows(
    name: str, values: NDArray[np.float64], places: IntArray, rows: int, *, whole: bool, date: bool
) -> str | None:
    """Why a column of numbers or dates is an identifier; None = it is none.

    name    the column's
    values  float64 [n], NaN = missing
    places  int64 [n], the rows' numbers in the whole, ascending
    rows    of the whole
    whole   whether the type has whole numbers only
    date    whether the numbers are dates, in days
    """
    there = np.isfinite(values)
    values, places = values[there], places[there]
    if len(values) < LEAST_ROWS:
        return None
    if not date and not whole and (values != np.round(values)).any():
        return None
    distinct = len(np.unique(values))
    if distinct == 1:
        return None
    steps = np.diff(values)
    rising = max((steps > 0).mean(), (steps < 0).mean()) >= RISING
    differ = f"{distinct} different values in {len(values)} rows looked at"
    different = distinct >= DIFFERENT * len(values)
    if date:
        if different and (rising or _WRITTEN.search(name)):
            return f"a time of writing: {differ}{', in the order of the rows' if rising else ''}"
        return None
    if distinct > FEW and len(np.unique(values - places)) <= (1 - DIFFERENT) * len(values):
        return f"it counts the rows: {differ}"
    if distinct > FEW and _ROW_NAMES.fullmatch(name):
        return f"row numbers by its name: {differ}"
    if not different:
        return None
    if any(_NAMES.fullmatch(word.lower()) for word in _WORDS.findall(name)):
        return f"an identifier by its name: {differ}"
    if rising:
        return f"it numbers the rows: {differ}, in the order of the rows"
    if values.max() - values.min() < SPREAD * rows:
        return f"it numbers the rows: {differ}, from {values.min():.0f} to {values.max():.0f} for {rows} rows"
    if np.median(np.abs(values)) >= LARGEST_QUANTITY:
        return f"a key or a digest: {differ}, most beyond 2**53"
    return None
