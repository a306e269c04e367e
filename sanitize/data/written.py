"""Values that are written as text: numbers, dates, vectors, and pictures in base64 or hexadecimal digits."""

# n texts
from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

MISSING = {"", "na", "n/a", "nan", "null", "none", "nil", "?", "-", "--", ".", "\\n", "missing", "<na>", "#n/a"}
LEAST_BARE = 8  # numbers that a vector without brackets has at least; fewer may be a telephone number
MOST_DEEP = 4  # lists in lists
HEAD = 96  # characters that tell a picture

_VECTOR = re.compile(r"[\s\[\](){},;+\-.\deENnaIifty]+")
_OPENING = re.compile(r"[\s\[]*")
_CJK = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")  # writings without blanks between words


def words_of(text: str) -> float:
    """About how many words a text has; four signs of a writing without blanks count as one more."""
    return len(text.split()) + len(_CJK.findall(text)) / 4


def spaced(text: str) -> str:
    """The text with blanks around signs of writings that have none between words."""
    return _CJK.sub(r" \g<0> ", text)


def numbers(text: str) -> NDArray[np.float64] | None:
    """The numbers of a vector or an array that is written as text, as JSON, Python, NumPy, SQL or MATLAB do, flat.

    None = it is none: other signs, one number alone, or, without brackets, fewer than LEAST_BARE
    """
    text = text.strip()
    if not _VECTOR.fullmatch(text):
        return None
    parts = [part for part in re.split(r"[\s\[\](){},;]+", text) if part]
    try:
        found = np.array([float(part) for part in parts])
    except ValueError:
        return None
    if text[0] in "[({":
        return found if len(found) >= 2 else None
    decimals = len(found) >= 3 and all("." in part for part in parts)
    return found if decimals or len(found) >= LEAST_BARE else None


def shape(text: str) -> tuple[int, ...] | None:
    """The shape of an array that is written as text; JSON's lists in lists count as dimensions. None = it is none."""
    found = numbers(text)
    if found is None:
        return None
    depth = len(_OPENING.match(text).group().split("[")) - 1  # type: ignore[union-attr]
    if 2 <= depth <= MOST_DEEP:
        try:
            sides = np.array(json.loads(text), np.float64).shape
        except (ValueError, TypeError):
            return (len(found),)
        return sides if np.prod(sides) == len(found) else (len(found),)
    return (len(found),)


def unpacked(text: str, how: str) -> bytes:
    """A picture's bytes from text; no bytes where it is no such text."""
    try:
        return bytes.fromhex(_digits(text)) if how == "hex" else _from_base64(text)
    except (ValueError, binascii.Error):
        return b""


def head(text: str, how: str) -> bytes:
    """The first bytes of a picture in text, to tell its format."""
    if how == "hex":
        return unpacked(_digits(text[:HEAD])[: HEAD // 2], how)
    start = _payload(text, HEAD)
    return unpacked(start[: len(start) // 4 * 4], how)


def _digits(text: str) -> str:
    text = text.strip()
    for prefix in ("\\x", "0x", "0X", "x'", "X'"):
        text = text.removeprefix(prefix)
    return text.removesuffix("'")


def _payload(text: str, most: int | None) -> str:
    text = text.lstrip()
    if text.startswith("data:"):
        text = text[text.find(",") + 1 :] if ";base64," in text[:HEAD] else ""
    return "".join(text[:most].split())


def _from_base64(text: str) -> bytes:
    whole = _payload(text, None).replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(whole + "=" * (-len(whole) % 4), validate=True)


@dataclass(frozen=True)
class Form:
    """A way to write numbers or dates.

    words    what it is, in words
    pattern  that a value has as a whole
    parse    a value -> a number, or the days since 1970
    """

    words: str
    pattern: re.Pattern[str]
    parse: Callable[[str], float]

    def read(self, text: str) -> float | None:
        """The value; None = it is none of this form."""
        text = text.strip()
        if not self.pattern.fullmatch(text):
            return None
        try:
            return self.parse(text)
        except (ValueError, OverflowError):
            return None

    def count(self, values: Sequence[str]) -> int:
        """How many are of this form; what says that a value is missing goes with them where half of them are."""
        missing = sum(value.strip().lower() in MISSING for value in values)
        found = sum(self.read(value) is not None for value in values)
        return found + missing if 2 * found >= len(values) else found


_WHOLE = r"[+-]?(?:0|[1-9]\d*)"  # a leading zero is a code's, such as that of a postal address
_NUMBER = rf"{_WHOLE}(?:\.\d*)?(?:[eE][+-]?\d+)?|[+-]?\.\d+(?:[eE][+-]?\d+)?"
_THREES = r"[+-]?[$€£]?\s?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?%?"


def _bare(text: str) -> float:
    return float(re.sub(r"[,$€£%\s]", "", text))


def _continental(text: str) -> float:
    return float(text.replace(".", "").replace(",", "."))


def _days(form: str) -> Callable[[str], float]:
    return lambda text: _since_1970(datetime.strptime(text[:10], form).replace(tzinfo=UTC))


def _since_1970(moment: datetime) -> float:
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() / 86_400


_CLOCK = r"(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s?(?:Z|UTC|[+-]\d{2}:?\d{2})?)?"
NUMBERS = (
    Form("such as 3.14", re.compile(_NUMBER), float),
    Form("such as 1,234.5 or 12%", re.compile(rf"{_THREES}|[+-]?[$€£]?\s?(?:{_NUMBER})%?"), _bare),
    Form(
        "with a comma before the decimals",
        re.compile(rf"{_WHOLE}(?:,\d+)?|[+-]?\d{{1,3}}(?:\.\d{{3}})*(?:,\d+)?"),
        _continental,
    ),
)
DATES = (
    Form(
        "year-month-day",
        re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}{_CLOCK}"),
        lambda text: _since_1970(datetime.fromisoformat(text.replace(" UTC", "+00:00"))),
    ),
    Form("year/month/day", re.compile(rf"\d{{4}}/\d{{2}}/\d{{2}}{_CLOCK}"), _days("%Y/%m/%d")),
    Form("day.month.year", re.compile(rf"\d{{2}}\.\d{{2}}\.\d{{4}}{_CLOCK}"), _days("%d.%m.%Y")),
    Form("month/day/year", re.compile(rf"\d{{2}}/\d{{2}}/\d{{4}}{_CLOCK}"), _days("%m/%d/%Y")),
    Form("day/month/year", re.compile(rf"\d{{2}}/\d{{2}}/\d{{4}}{_CLOCK}"), _days("%d/%m/%Y")),
)


FORMS = {form.words: form for form in (*NUMBERS, *DATES)}


def commonest(values: Sequence[str], how: str) -> tuple[Form, int]:
    """The form that most of the values have, and how many."""
    counted = [(form, form.count(values)) for form in (NUMBERS if how == "number" else DATES)]
    return max(counted, key=lambda pair: pair[1])


def scalars(values: Sequence[str | None], form: str) -> tuple[pa.Array, dict[int, str]]:
    """Numbers, or dates in days since 1970, written as text in the form of that name.

    Returns  float64 [n], null where a value is missing or cannot be read; and what is wrong with the latter
    """
    found: list[float | None] = []
    bad: dict[int, str] = {}
    for row, value in enumerate(values):
        absent = value is None or value.strip().lower() in MISSING
        number = None if absent or value is None else FORMS[form].read(value)
        found.append(number)
        if number is None and not absent:
            bad[row] = f"is {value!r:.60}; must be written {form}, as the others are"
    return pa.array(found, pa.float64()), bad
