"""Which files a module runs: imports followed through this repository, without running anything.

`python -m tests.closure --write` brings the code in dvc.yaml's deps up to date. Rules:
- Imports inside functions count; those under `if TYPE_CHECKING` are never run and do not.
- A family found by name, import_module(f"sanitize.attacks.{name}"), stands for every module that fits.
- importlib.resources.files("sanitize.presets") stands for every file in that folder.
- A package's __init__.py counts with every module below it, unless it is empty.
- The public names that sanitize/__init__.py loads on demand do not count: stages import from where names live.
"""

from __future__ import annotations

import argparse
import ast
import fnmatch
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("sanitize", "stages")


@cache
def modules() -> dict[str, Path]:
    """Every module of the repository's code by its dotted name; a package is its __init__.py."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree_of(module: str) -> ast.Module:
    """The module's syntax."""
    return ast.parse(modules()[module].read_text())


def named(module: str, typing: bool = True) -> set[str]:
    """The modules of this repository that import statements name, anywhere in the file of `module`.

    typing   whether those under `if TYPE_CHECKING` count
    """
    found = set()
    for node in ast.walk(tree_of(module)) if typing else _run(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import in line {node.lineno}; name the whole path"
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found & set(modules())


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, but what stands under `if TYPE_CHECKING`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"):
            yield from _run(child)


def imported(module: str) -> set[str]:
    """The modules of this repository that `module` imports when it runs; families resolved."""
    families = (fnmatch.filter(modules(), pattern) for pattern in _families(tree_of(module)))
    return named(module, typing=False).union(*families)


def _families(tree: ast.Module) -> Iterator[str]:
    """Patterns of the modules that import_module is asked for, in a module that uses it: f"sanitize.x.{name}"."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if "import_module" not in names:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values]
            if parts[0].startswith(tuple(f"{package}." for package in PACKAGES)):
                yield "".join(parts)


def resources(module: str) -> set[Path]:
    """Files that are no modules and come with the packages that `module` passes to importlib.resources.files."""
    found: set[Path] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "files":
            argument = node.args[0]
            assert isinstance(argument, ast.Constant), f"{module}: files() in line {node.lineno} needs a plain string"
            folder = ROOT.joinpath(*str(argument.value).split("."))
            found |= {path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"}
    return found


def packages_of(module: str) -> set[str]:
    """The packages above a module, which Python imports first."""
    parts = module.split(".")
    return {".".join(parts[:length]) for length in range(1, len(parts))} & set(modules())


def reached(module: str) -> set[str]:
    """`module` and all modules that it imports, directly or through others."""
    found: set[str] = set()
    waiting = {module}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= (imported(name) | packages_of(name)) - found
    return found


def closure(module: str) -> set[Path]:
    """Files, relative to the repository, that decide what `module` does; empty __init__.py files are left out."""
    names = reached(module)
    files = {modules()[name] for name in names}.union(*(resources(name) for name in names))
    return {path.relative_to(ROOT) for path in files if path.stat().st_size}


def as_deps(files: set[Path]) -> list[str]:
    """The files as DVC's deps, sorted: a folder in place of its files where all below it belong.

    DVC hashes all that lies in a folder, so folders are named only where .dvcignore keeps Python's bytecode out.
    """
    if "__pycache__/" not in (ROOT / ".dvcignore").read_text().split():
        return sorted(map(str, files))
    whole = set()
    for folder in {parent for file in files for parent in file.parents if len(parent.parts) > 1}:
        below = {p for p in (ROOT / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts}
        if {p.relative_to(ROOT) for p in below if p.stat().st_size} <= files:
            whole.add(folder)
    outermost = {folder for folder in whole if not set(folder.parents) & whole}
    return sorted(map(str, outermost | {file for file in files if not set(file.parents) & outermost}))


def is_code(dep: str) -> bool:
    """Whether a dep in dvc.yaml is code of this repository; the others are data."""
    return dep.split("/")[0] in PACKAGES


def module_of(command: str) -> str:
    """The module that a stage's command runs: "python -m stages.train ${key}" -> "stages.train"."""
    words = command.split()
    assert words[:2] == ["python", "-m"], f"{command!r}; a stage's command must start with python -m stages.NAME"
    return words[2]


def main() -> None:
    """Say which stages' deps differ from their code, and with --write mend them."""
    parser = argparse.ArgumentParser(prog="python -m tests.closure", description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="mend dvc.yaml")
    write = parser.parse_args().write
    yaml = YAML()
    yaml.width = 120
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    pipeline = yaml.load(ROOT / "dvc.yaml")
    stale = []
    for name, stage in pipeline["stages"].items():
        body = stage.get("do", stage)
        deps = as_deps(closure(module_of(body["cmd"]))) + [dep for dep in body["deps"] if not is_code(dep)]
        if deps != list(body["deps"]):
            stale.append(name)
            body["deps"] = deps
    if stale and write:
        yaml.dump(pipeline, ROOT / "dvc.yaml")
    print(f"{'mended' if write else 'stale'}: {', '.join(stale)}" if stale else "every stage's deps are its code")
    sys.exit(bool(stale and not write))


if __name__ == "__main__":
    main()
