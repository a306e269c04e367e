"""Which column is the label: named by the user, or found. What a user names is refused where it is not there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from sanitize.errors import BadInput, BadParams

LABEL_NAMES = ("label", "labels", "y", "target", "class", "fine_label")
SHOWN = 20  # column names that a message lists
ROW_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls a saved row index: no feature


def refuse_names(names: Sequence[str], label: str | None, inputs: Sequence[str] | None, origin: str) -> None:
    """Refuse a file's columns, or what the user named of them.

    Raises   BadInput: two columns of one name, or no column that is named; BadParams: `inputs` empty, or with the label
             or a name twice among them
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise BadInput(f"{origin}: column {twice[0]!r} occurs {names.count(twice[0])} times; rename all but one")
    if inputs is not None and not inputs:
        raise BadParams("data.inputs is empty; name at least one column, or leave it out")
    if inputs is not None and len(set(inputs)) < len(inputs):
        raise BadParams(f"data.inputs is {list(inputs)}; must name each column once")
    for name in [*([] if label is None else [label]), *(inputs or [])]:
        if name not in names:
            remedy = "data.label (--label)" if name == label else "data.inputs (--inputs)"
            raise BadInput(f"{origin}: no column {name!r}; columns are {listed(names)}; name one of them as {remedy}")
    if label is not None and label in (inputs or []):
        raise BadParams(f"data.inputs is {list(inputs or [])}; must not hold the label column {label!r}")


def choose_label(names: Sequence[str], label: str | None, inputs: Sequence[str] | None, origin: str) -> tuple[str, str]:
    """The label column, as named or else found among those that are no inputs, and which of the two in words.

    Raises  as `refuse_names` and `find_label`
    """
    refuse_names(names, label, inputs, origin)
    if label is not None:
        return label, "as named"
    return find_label([name for name in names if name not in (inputs or [])], names, origin), "by its name"


def find_label(free: Sequence[str], names: Sequence[str], origin: str) -> str:
    """The one column of `free` that is called as labels are. BadInput: none, or several."""
    candidates = [name for name in LABEL_NAMES if name in free]
    if len(candidates) == 1:
        return candidates[0]
    problem = f"several columns could be the label: {listed(candidates)}" if candidates else "no label column found"
    raise BadInput(
        f"{origin}: {problem}; columns are {listed(names)}; name it with data.label (--label NAME); "
        f"found by themselves are {', '.join(LABEL_NAMES)}"
    )


def listed(names: Sequence[str]) -> str:
    """Names in quotes, the first SHOWN of them."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name) for name in names[:SHOWN]) + more
