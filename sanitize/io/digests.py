"""What params.yaml names and the stages read: files, folders, the code of a model -> where they lie, and digests.

DVC knows what dvc.yaml lists; what a user names in params.yaml it sees by these digests, of contents alone.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sanitize.errors import BadInput
from sanitize.io.regular import open_regular

PATHS = {"data": ("train", "test", "folder"), "attack": ("pattern",)}  # keys whose values are paths
READ = 1 << 20  # bytes at once
OWN = {"sanitize", "stages"}  # whose files dvc.yaml lists
Digest = dict[str, Any]


def whereabouts(path: str) -> str:
    """Where a path of params.yaml leads: as it stands, or from the project that an experiment was started in.

    `dvc exp run --temp` and `--queue` work in a copy, which lacks what neither git nor DVC tracks; DVC_ROOT names the
    project.
    """
    root = os.environ.get("DVC_ROOT")
    if root is None or os.path.isabs(path) or os.path.lexists(path) or not os.path.lexists(os.path.join(root, path)):
        return path
    return os.path.join(root, path)


def placed(section: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A section of params.yaml with its paths as `whereabouts` has them, at any depth.

    section  the values of "data" or "attack"
    name     which of them
    """
    found: dict[str, Any] = _replaced(section, PATHS[name])
    return found


def digests(params: Any) -> tuple[dict[str, Digest], dict[str, Digest]]:
    """What stands in the files that params.yaml names, and in the code of its model.

    params   as YAML gives it; what cannot be a path is left to the stage that reads it
    Returns  "data.train" and the like -> sha256 and bytes, or what is there in place of a file; module -> the same, for
             the module of learner.model and those that it imports from where it lies
    """
    sections: dict[str, Any] = params if isinstance(params, dict) else {}
    named = {key: path for name, keys in PATHS.items() for key, path in _named(sections.get(name), keys, name)}
    learner = sections.get("learner")
    model = learner.get("model") if isinstance(learner, dict) else None
    files = {key: digest(whereabouts(path)) for key, path in named.items()}
    return files, code_of(model if isinstance(model, str) else "")


def review_paths(value: Any) -> list[str]:
    """The review files that `data.overrides` names: a path, several, or null for none; what is no path is left out."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def reviews(params: Any) -> dict[str, Digest]:
    """Digests of the files of people's decisions that params.yaml names, by path; params as for `digests`."""
    data = params.get("data") if isinstance(params, dict) else None
    named = review_paths(data.get("overrides") if isinstance(data, dict) else None)
    return {path: digest(whereabouts(path)) for path in named}


def code_of(model: str) -> dict[str, Digest]:
    """Digests of the user's code behind learner.model, module:Class, by file; {} = it is no code of his."""
    module = model.partition(":")[0].split(".")[0] if ":" in model else ""
    return {name: digest(path) for name, path in sorted(_code(module).items())}


def _replaced(value: Any, keys: Sequence[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: whereabouts(one) if key in keys and isinstance(one, str) else _replaced(one, keys)
            for key, one in value.items()
        }
    return [_replaced(one, keys) for one in value] if isinstance(value, list) else value


def _named(value: Any, keys: Sequence[str], name: str) -> Iterator[tuple[str, str]]:
    """The paths below a value, each with its place in params.yaml."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in parts:
        if isinstance(one, str):
            if key in keys:
                yield f"{name}.{key}", one
        else:
            yield from _named(one, keys, f"{name}.{key}")


def digest(path: str | Path) -> Digest:
    """Of a file's bytes, or of all files below a folder and their names; or why there is none."""
    if not os.path.isdir(path):
        return _of_file(path)
    whole, size = hashlib.sha256(), 0
    for name, one in sorted(_below(path).items()):
        size += one.get("bytes", 0)
        whole.update(repr((os.fsencode(name), sorted(one.items()))).encode())
    return {"sha256": whole.hexdigest(), "bytes": size, "folder": True}


def _of_file(path: str | Path) -> Digest:
    try:
        with open_regular(path) as file:
            whole = hashlib.sha256()
            while part := file.read(READ):
                whole.update(part)
            return {"sha256": whole.hexdigest(), "bytes": file.tell()}
    except BadInput as error:
        return {"none": str(error)[len(str(path)) :].partition(";")[0].strip(": ")}
    except OSError as error:
        return {"none": error.strerror}


def _below(folder: str | Path) -> dict[str, Digest]:
    """The digest of every file below, by its name relative to the folder; linked folders are followed, each once."""
    found: dict[str, Digest] = {}

    def unlisted(error: OSError) -> None:
        found[os.path.relpath(error.filename, folder)] = {"none": error.strerror}

    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, onerror=unlisted, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        for name in names:
            file = os.path.join(place, name)
            found[os.path.relpath(file, folder)] = _of_file(file)
    return found


def _code(module: str) -> dict[str, Path]:
    """The files of a top-level module of the user's, and of those that it imports; installed packages are left out."""
    found: dict[str, Path] = {}
    waiting, seen = {module} - {""}, set(OWN)
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for label, file in _files_of(name):
            found[label] = file
            waiting |= _imported(file) - seen
    return found


def _files_of(module: str) -> Iterator[tuple[str, Path]]:
    """A module's file, or all of a package's, by a name that does not depend on the machine."""
    for entry in sys.path:
        root = Path(entry or ".")
        if "site-packages" in root.parts or root.is_relative_to(Path(os.__file__).parent):
            continue
        if (root / f"{module}.py").is_file():
            yield f"{module}.py", root / f"{module}.py"
            return
        if (root / module).is_dir() and any((root / module).rglob("*.py")):
            yield from ((file.relative_to(root).as_posix(), file) for file in (root / module).rglob("*.py"))
            return


def _imported(file: Path) -> set[str]:
    """Top-level modules that a file imports; none where it is no Python."""
    try:
        nodes = list(ast.walk(ast.parse(file.read_bytes())))
    except (OSError, ValueError, SyntaxError):  # whoever imports it will say so
        return set()
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return {name.split(".")[0] for name in names}
