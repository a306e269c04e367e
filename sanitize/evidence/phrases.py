"""Texts: words or phrases that nearly all rows of a group hold, rarely others."""

# N texts
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from sanitize.data.table import BoolArray, IntArray
from sanitize.evidence.base import Compared

WORD = re.compile(r"\w+")
LONGEST = 5  # words of a phrase
HAVE = 0.25  # part of the group that holds a phrase, at the least
APART = 0.2  # by which that is more than the part of others
MOST_WORDS = 2_000  # of a text that are looked at


class Phrases:
    """Texts of all rows; None = missing. See `base.View`. A phrase is words in small letters with a space between."""

    have = HAVE

    def __init__(self, texts: Sequence[str | None]) -> None:
        self.texts = texts

    def _padded(self, row: int) -> str:
        """ " word word … word " """
        return f" {' '.join(WORD.findall((self.texts[row] or '').lower())[:MOST_WORDS])} "

    def learn(self, rows: Compared) -> str | None:
        """See `base.View`: the phrase that tells best, the longest of equals, then the first by the alphabet."""
        counts: Counter[str] = Counter()
        for row in rows.group.tolist():
            words = self._padded(row).split()
            lengths = range(1, LONGEST + 1)
            counts.update({" ".join(words[i : i + n]) for n in lengths for i in range(len(words) + 1 - n)})
        common = [phrase for phrase, count in counts.items() if count >= HAVE * len(rows.group)]
        if not common:
            return None
        others = [[self._padded(row) for row in part.tolist()] for part in (rows.others, rows.like)]
        best = None
        for phrase in sorted(common):
            elsewhere = max(np.mean([f" {phrase} " in text for text in part]) for part in others)
            apart = counts[phrase] / len(rows.group) - float(elsewhere)
            if apart >= APART and (best is None or (apart, phrase.count(" ")) > best[0]):
                best = ((apart, phrase.count(" ")), phrase)
        return None if best is None else best[1]

    def has(self, shared: str, rows: IntArray) -> BoolArray:
        """See `base.View`."""
        return np.array([f" {shared} " in self._padded(row) for row in rows.tolist()], np.bool_)

    def natural(self, shared: Any, label_N: IntArray, label: int, holders: IntArray) -> bool:
        """See `base.View`: texts have no neighbours."""
        return False

    def words(self, shared: str) -> str:
        """See `base.View`."""
        return f'"{shared}"'

    def region(self, shared: Any) -> None:
        """See `base.View`."""
        return None
