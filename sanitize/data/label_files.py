"""Whether files of one data set hold labels in ways that fit together: names, numbers, numbers with names, booleans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sanitize.data.label_values import Reading, is_whole
from sanitize.errors import BadInput

SHOWN = 5  # names that a message lists
Value = int | str | bool | None


def agreed(named: Sequence[Reading], plain: Mapping[str, set[Value]], label: str, origin: str) -> list[str]:
    """What to say about files that hold labels in several ways. BadInput: they do not fit together."""
    hint = f"; write the same names, or the same numbers, in column {label!r} of all files"
    texts = {str(value) for value in plain.get("text", set())}
    if "boolean" in plain and (named or "number" in plain or not texts <= {"True", "False"}):
        others = "ClassLabel numbers" if named else "numbers" if "number" in plain else "texts"
        raise BadInput(f"{origin}: labels are booleans in some files and {others} in others{hint}")
    if texts and named and not texts & _names_of(named):
        raise BadInput(
            f"{origin}: labels are texts such as {short(min(texts))} in some files, but none of them is one of the "
            f"ClassLabel names {listed(sorted(_names_of(named)))} of others{hint}"
        )
    numbers = sorted(value for value in plain.get("number", set()) if isinstance(value, int))
    if numbers and texts and not named:
        odd = sorted(text for text in texts if not is_whole(text))
        if odd:
            raise BadInput(
                f"{origin}: labels are numbers such as {numbers[0]} in some files and texts such as {short(odd[0])} "
                f"in others{hint}"
            )
        return [f"label column {label!r} holds numbers in some files and the same as texts in others"]
    if not numbers or not named:
        return []
    orders = {reading.names for reading in named}
    (first, *_) = orders
    assert first is not None
    inside = numbers[0] >= -1 and numbers[-1] < len(first)
    other = [str(number) for number in numbers if number >= 0 and str(number) in _names_of(named)]
    if len(orders) > 1 or not inside or (other and not same_places(numbers, first)):
        raise BadInput(
            f"{origin}: labels are numbers without names in some files, such as {numbers[-1]}, and ClassLabel numbers "
            f"with names in others, {' or '.join(listed(order or ()) for order in sorted(orders, key=str)[:2])}; "
            f"which class a number stands for cannot be told{hint}"
        )
    return [
        f"label column {label!r} has names in some files and numbers alone in others: these are taken as the numbers "
        f"of {listed(first)}"
    ]


def same_places(numbers: Iterable[int], names: Sequence[str]) -> bool:
    """Whether every number is the name of its own place."""
    return all(number < len(names) and names[number] == str(number) for number in numbers if number >= 0)


def _names_of(named: Sequence[Reading]) -> set[str]:
    return {name for reading in named for name in reading.names or ()}


def short(value: object) -> str:
    """A value as Python writes it, cut."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def listed(names: Sequence[str]) -> str:
    """The first of some names, in words."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(short(name) for name in names[:SHOWN]) + more
