"""A YAML file of parameters -> plain values, or a message. Nothing in it runs code, takes all memory or is dropped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sanitize.errors import BadInput, BadParams
from sanitize.io.regular import open_regular

BYTES = 2**20  # a params.yaml with all parameters and comments has some 10 KB
VALUES = 10_000  # with what aliases repeat
DEPTH = 20
MOST = 300  # signs of an error


def read_yaml(path: Path) -> Any:
    """What the one document in the file says; None = it is empty.

    Raises   BadParams: no such file, no regular file, too large, not UTF-8 or UTF-16, not YAML, a key twice, nested
             deeper than DEPTH, more than VALUES values, a type that needs code, a number that is too long
    """
    if not os.path.lexists(path):
        raise BadParams(f"{path}: no such file; `sanitize init` writes one")
    try:
        with open_regular(path, "a regular file with parameters") as file:
            content = file.read(BYTES + 1)
    except BadInput as error:
        raise BadParams(str(error)) from error
    except OSError as error:
        raise BadParams(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(content) > BYTES:
        raise BadParams(f"{path}: has more than {BYTES:,} bytes; a file of parameters has a few thousand")
    try:
        loader = yaml.SafeLoader(content)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_odd(node, path)
        return loader.construct_document(node)
    except RecursionError as error:
        raise BadParams(f"{path}: is nested too deeply; at most {DEPTH} levels are read") from error
    except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
        raise BadParams(f"{path}: cannot be read ({_line(error)}); save it as plain text in UTF-8") from error
    except yaml.YAMLError as error:
        raise BadParams(f"{path}: is not YAML: {_line(error)}") from error
    except ValueError as error:  # a date or a number that Python does not take
        raise BadParams(f"{path}: holds a value that cannot be read: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:MOST]


def _refuse_odd(root: yaml.Node, path: Path) -> None:
    """Walk all that the document says, aliases followed each time."""
    waiting: list[tuple[yaml.Node, int]] = [(root, 1)]
    seen = 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if depth > DEPTH:
            raise BadParams(f"{_place(path, node)}: is nested too deeply; at most {DEPTH} levels are read")
        if seen > VALUES:
            raise BadParams(f"{path}: has more than {VALUES:,} values, those that aliases repeat among them")
        if isinstance(node, yaml.MappingNode):
            _refuse_twice(node, path)
        waiting += [(child, depth + 1) for child in _children(node)]


def _refuse_twice(node: yaml.MappingNode, path: Path) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            if key.value in lines:
                raise BadParams(
                    f"{_place(path, key)}: {key.value[:80]!r} stands there twice, in line {lines[key.value]} before; "
                    "keep one of them"
                )
            lines[key.value] = key.start_mark.line + 1


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _place(path: Path, node: yaml.Node) -> str:
    return f"{path}: line {node.start_mark.line + 1}"
