"""What names of classes give away: spellings of one class, texts that stand for a missing value, rows without one."""

# C classes
from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from sanitize.errors import BadInput

MISSING = frozenset({"", "?", "-", "na", "n/a", "<na>", "nan", "none", "null", "nil", "missing", "#n/a"})
SHOWN = 3  # pairs that a note names


def _spelling(name: str) -> str:
    """The name without what a reader cannot see: surplus spaces, invisible signs, how accents are put together."""
    seen = "".join(
        sign for sign in unicodedata.normalize("NFC", name) if unicodedata.category(sign) not in ("Cf", "Cc")
    )
    return " ".join(seen.split())


def refuse_variants(rows: Mapping[str, int], label: str, origin: str) -> None:
    """Refuse classes that look the same: judged against each other, half of their rows would be dropped.

    rows    of every class that is judged
    Raises  BadInput: two names that differ in spaces, invisible signs or Unicode's composed forms alone
    """
    seen: dict[str, str] = {}
    for name in rows:
        key = _spelling(name)
        if key and key in seen:
            raise BadInput(
                f"{origin}: label column {label!r} has the classes {seen[key]!a} ({rows[seen[key]]} rows) and "
                f"{name!a} ({rows[name]} rows), which look the same: they differ in spaces, invisible signs or "
                f"Unicode's composed forms alone; write one of them in all rows"
            )
        seen[key] = name


def notes_on(rows: Mapping[str, int], unlabelled: int, label: str) -> list[str]:
    """What a person should know about the classes.

    rows        of every class
    unlabelled  rows whose label is the number -1 without a name
    """
    notes = []
    if unlabelled:
        notes.append(
            f"label column {label!r} is -1 in {unlabelled} rows, which no name stands for: they are unlabelled, kept "
            f"and not judged; if -1 is a class, write the classes as text"
        )
    present = [name for name, count in rows.items() if count]
    for name in present:
        if name.strip().lower() in MISSING:
            notes.append(
                f"label column {label!r}: {name!r} ({rows[name]} rows) is taken as a class; if it stands for a missing "
                f"label, write null"
            )
    folded: dict[str, list[str]] = {}
    for name in present:
        folded.setdefault(_spelling(name).casefold(), []).append(name)
    alike = [names for names in folded.values() if len(names) > 1]
    for names in alike[:SHOWN]:
        more = f" (and {len(alike) - SHOWN} more)" if len(alike) > SHOWN and names is alike[SHOWN - 1] else ""
        pairs = " and ".join(f"{name!a} ({rows[name]} rows)" for name in names[:SHOWN])
        notes.append(
            f"label column {label!r}: {pairs} differ in upper and lower case or in spaces alone and are judged as "
            f"different classes{more}; if they are one, write them alike"
        )
    return notes
