"""The labels that votes are counted for. Names of the training rows' and the test rows' labels -> columns of votes.

A row may bring a label that no other row has, or take the last row of a label away. That may move nothing but this
label's own votes: so labels are known by their names, the order that settles ties is that of the names and of the test
rows, which are trusted, and labels that nobody has seen yet have columns of zeros.
"""

# N rows, C columns of votes
from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sanitize.data.table import IntArray, Table

UNSEEN = "(a label that no row has yet)"
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")  # a name that is a number of 64 bits, as numbers are written


class Classes(NamedTuple):
    """Columns of votes, the least label first: ties between labels go to the later column.

    others   names that training rows have and test rows have not, in order
    unseen   columns of zeros beside them, for labels that rows to come may bring; 0 = no row to come brings one
    trusted  the test rows' names, in order
    """

    others: tuple[str, ...]
    unseen: int
    trusted: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """C strings, the columns' names."""
        return (*self.others, *[UNSEEN] * self.unseen, *self.trusted)

    @property
    def known(self) -> IntArray:
        """The columns of the test rows' labels, int64, ascending."""
        first = len(self.others) + self.unseen
        return np.arange(first, first + len(self.trusted), dtype=np.int64)

    def of(self, table: Table) -> Table:
        """The same rows, labelled by column. The names must be those of the tables that `columns` was given."""
        places = dict(zip(self.others, range(len(self.others)), strict=True))
        places |= dict(zip(self.trusted, self.known.tolist(), strict=True))
        column_C = np.array([places.get(name, -1) for name in table.class_names], np.int64)
        return replace(table, labels=column_C[table.labels], class_names=self.names)


def columns(train: Table, test: Table, unseen: int) -> Classes:
    """The columns of votes for two tables.

    train    rows that an attacker may have touched
    test     rows that can be trusted
    unseen   how many labels that no row has yet are to be counted on: 1 where labels are compared with the predicted
             one, one at a time; 2 where two of them can be against it; 0 where the user vouches that there are none
    Returns  Classes. Only labels that rows have are in it; their order (whole numbers by size, then the other names by
             code point; all those of the test rows behind all others) is between two names the same, whatever other
             rows there are
    """
    trusted = _present(test)
    return Classes(tuple(ordered(_present(train) - trusted)), unseen, tuple(ordered(trusted)))


def ordered(names: Sequence[str] | set[str]) -> list[str]:
    """Whole numbers by size, then the other names by code point."""
    return sorted(names, key=lambda name: (0, int(name), "") if _WHOLE.fullmatch(name) else (1, 0, name))


def tokens(names: Sequence[str]) -> IntArray:
    """A number for each name that depends on this name alone: what stands for the label in the hash of a row's content.

    Returns  int64: a whole number, 0 or more, stands for itself; any other name has a negative number, the first 63
             bits of its SHA-256
    """
    return np.array([_token(name) for name in names], np.int64)


def _token(name: str) -> int:
    if _WHOLE.fullmatch(name) and not name.startswith("-"):
        return int(name)
    return -1 - (int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1)


def _present(table: Table) -> set[str]:
    return {table.class_names[label] for label in np.unique(table.labels)}
