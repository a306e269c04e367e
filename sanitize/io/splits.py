"""Which split a file belongs to, by its name, as the Hugging Face Hub reads it: train-*, data/test/…, split=dev/…"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote

from sanitize.errors import BadInput

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_CANONICAL = {word: split for split, words in SPLITS.items() for word in words}
_WORD = re.compile(rf"(?<![a-z0-9])({'|'.join(sorted(_CANONICAL, key=len, reverse=True))})(?![a-z0-9])")
ALL = "all"
_FOLDER = "split="  # a hive partition's


def split_of(name: str) -> str | None:
    """The split that a file's name below the input's folder tells: of SPLITS, or a value of `split=`; None = none.

    The innermost part of the name that tells one decides; other partitions KEY=VALUE do not.
    """
    path = PurePosixPath(name)
    for part in reversed(path.parts):
        if part.startswith(_FOLDER):
            value = unquote(part.removeprefix(_FOLDER))
            return _CANONICAL.get(value.lower(), value)
        told = {_CANONICAL[word] for word in _WORD.findall(part.lower())}
        if len(told) == 1 and ("=" not in part or part == path.name):
            return told.pop()
    return None


def choose_split(names: Sequence[str], split: str | None, origin: str) -> tuple[list[str], list[str]]:
    """The files of one split.

    split    the one to take; ALL = every file, whatever its name tells; None = there must be one at most
    Returns  the names, in their order; and in words what was left out
    Raises   BadInput: files of several splits and none is chosen, or none of the chosen one
    """
    told = [split_of(name) for name in names]
    counted = Counter(told)
    listed = ", ".join(f"{found or 'no split'} ({files} files)" for found, files in counted.items())
    listed = listed.replace("(1 files)", "(1 file)")
    if split == ALL:
        return list(names), []
    if split is None:
        if len(counted.keys() - {None}) > 1:
            raise BadInput(
                f"{origin}: the names tell several splits: {listed}; they are not judged as one data set; choose one "
                f"with --split NAME, or, if the names mean something else, take every file with --split {ALL}"
            )
        return list(names), []
    wanted = _CANONICAL.get(split.lower(), split)
    if wanted not in counted:
        raise BadInput(f"{origin}: no file's name tells split {split!r}; found are: {listed}; choose one of these")
    chosen = [name for name, found in zip(names, told, strict=True) if found == wanted]
    left = len(names) - len(chosen)
    return chosen, [f"{origin}: split {wanted}: {len(chosen)} files are taken, {left} are left out"] if left else []
