"""What a certificate rests on, in words. Method, labels fixed or not -> the sentences that every result carries."""

from __future__ import annotations

ANY_LABEL = "a row may have any label, also one that no row has yet"
FIXED_LABELS = (
    "a row has one of the labels that the training or the test rows have (labels_fixed: the user vouches for it; sets "
    "with rows of another label are not covered)"
)
HELD = (
    "held fixed are the test rows, which decide the columns, the shape of a row, ties between labels and rNN's radius; "
    "the options; the columns' types and declared class names; the version of sanitize and the machine. What a row "
    "counts for depends on that row alone. A set with a row that cannot be read (a null, what is no label, an image "
    "of another size or mode, a vector of another length) is refused with exit code 3: whoever changes rows can stop "
    "the command, but not change a certified prediction"
)
SECRET_DRAW = (
    "bagging: the bags are drawn by the seed, which an attacker must not know; give one of your own (seed), not the "
    "default"
)


def assumed(method: str, labels_fixed: bool) -> str:
    """What the certificates of a method assume, as one line."""
    parts = [FIXED_LABELS if labels_fixed else ANY_LABEL, HELD, *([SECRET_DRAW] if method == "bagging" else [])]
    return "; ".join(parts)
