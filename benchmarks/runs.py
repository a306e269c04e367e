"""Measured runs: each is a process of its own and leaves one JSON file, which is not made again unless asked for."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.page import put_table
from sanitize.errors import BadInput, MendableError
from sanitize.execution import usable_cores
from sanitize.io.atomic import atomic_write

RESULTS = Path("reports/bench")
PAGE = Path("docs/benchmarks.md")
EMPTY = ["No run has been made yet."]


def machine() -> dict[str, Any]:
    """What a run ran on: processor, usable cores, GPU or none, versions, and how busy the machine was before it."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "bfloat16": bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()),
        "load": round(os.getloadavg()[0], 1),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def keep(path: Path, found: dict[str, Any], on: dict[str, Any]) -> None:
    """Write what a run found, and its machine, as JSON.

    on  `machine()`, called before the run
    """
    with atomic_write(path) as (draft,):
        draft.write_text(json.dumps({**found, "machine": on}, indent=1) + "\n")


def read(path: Path) -> dict[str, Any] | None:
    """What a run found; None = there is no such file. BadInput: it is not a run's."""
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise BadInput(f"{path}: is not JSON ({error}); remove it, and its run is made again") from error
    if not isinstance(found, dict) or "machine" not in found:
        raise BadInput(f"{path}: names no machine, so it is no run's result; remove it, and its run is made again")
    return found


def ensure(path: Path, arguments: Sequence[object], *, again: bool = False) -> bool:
    """Run `python -m ARGUMENTS PATH`, which writes PATH, unless it is there. Returns whether it ran.

    again   run all the same
    Raises  BadInput: the process failed, or wrote nothing
    """
    if path.is_file() and not again:
        return False
    path.unlink(missing_ok=True)
    command = [sys.executable, "-m", *map(str, arguments), str(path)]
    print(" ".join(["python", *command[1:]]), file=sys.stderr, flush=True)
    code = subprocess.run(command, check=False).returncode
    if code or not path.is_file():
        raise BadInput(f"{path}: its run ended with exit code {code} and left no result; see its message above")
    return True


def told(runs: Iterable[dict[str, Any]]) -> list[str]:
    """Lines of Markdown that follow a table: what its runs ran on."""
    kinds = sorted({_told(run["machine"]) for run in runs})
    return ["", *(f"Measured on {kind}." for kind in kinds)]


def _told(on: dict[str, Any]) -> str:
    parts = [on["processor"], f"{on['cores']} cores", *([on["gpu"]] if on["gpu"] else [])]
    parts += ["bfloat16 products" if on["bfloat16"] else "no bfloat16 products"]
    return ", ".join([*parts, f"PyTorch {on['torch']}", f"Python {on['python']}"])


def percent(share: float | None, unknown: str = "") -> str:
    """A share as a table has it; `unknown` where there is none."""
    return unknown if share is None else f"{100 * share:.1f}%"


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """What the block refuses becomes a message of the benchmark NAME on stderr, and its exit code."""
    try:
        yield
    except MendableError as error:
        print(f"{name}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error


def put_tables(tables: Mapping[str, Sequence[str]], page: Path = PAGE) -> None:
    """Put lines of Markdown into the page, each table between the marks of its name. BadInput: it lacks them."""
    for name, lines in tables.items():
        put_table(page, name, lines)


def show(tables: Mapping[str, Sequence[str]], write: bool) -> None:
    """Print the tables, and put them into the page where asked to."""
    for lines in tables.values():
        print("\n".join(lines), end="\n\n")
    if write:
        put_tables(tables)
