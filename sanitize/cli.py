"""The `sanitize` command: filter a parquet file; start a params.yaml. stdout: nothing, or one JSON document.

Exit codes: 0 done; 2 parameters or usage; 3 input, or a failure; 130 interrupted. 1 is left to verdicts.
What the commands need is imported inside them, so that --help answers at once.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from sanitize import __version__
from sanitize.errors import BadParams, MendableError

if TYPE_CHECKING:
    from sanitize.filter_file import Summary
    from sanitize.params import Params

FAILED = 3
INTERRUPTED = 130  # 128 + SIGINT, as shells have it

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: formatting it with rich takes longer than all the rest
    help="Find the poisoned rows of a training set.",
)


def main() -> None:
    """Run the command; leaves with its exit code."""
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit()


@app.callback()
def _sanitize(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


@app.command("filter")
def filter_command(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Parquet file: a label column, and images, vectors or numeric columns.")
    ],
    kept: Annotated[Path, typer.Argument(metavar="OUT", help="Where the rows to trust go.")],
    label: Annotated[str | None, typer.Option(metavar="NAME", help="Label column. [default: found]")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(metavar="A,B", help="Input columns, with commas or the option repeated. [default: found]"),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(metavar="N", help="Look at images at N x N pixels. [default: all must have one size]")
    ] = None,
    rejected: Annotated[Path | None, typer.Option(metavar="PATH", help="Where the other rows go.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Where row, keep, reason and suspicion of every row go.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Same seed, same result. [default: 0]")] = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="fast or paper. [default: fast]")] = None,
    net: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="auto, cnn, mlp, linear, preact_resnet18, resnet32 or resnet56. [default: the preset's]",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu or cuda. [default: auto]")] = None,
    params: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="A params.yaml; options win over it, its sections "
            "on source, attack, train and certify are not used. [default: the "
            "preset alone; a params.yaml in this folder is NOT read]",
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="inline or processes; never changes the result. [default: processes]"),
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Processes. [default: one per core]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no summary on stderr.")] = False,
) -> None:
    """Keep the rows of IN that can be trusted.

    OUT and the rejected rows together are IN: every column, every row, in order. IN is never changed; files at OUT,
    --rejected and --manifest are replaced, all together or not at all.

    Exit codes: 0 done; 2 parameters or usage; 3 input, or a failure; 130 interrupted.
    """
    with _reported(as_json):
        from sanitize.execution import make_map
        from sanitize.filter_file import filter_file
        from sanitize.progress import step

        chosen = _chosen_params(
            params,
            {"preset": preset, "seed": seed, "engine": engine, "workers": workers},
            {"label": label, "inputs": _names(inputs), "image_size": image_size},
            {"net": net, "device": device},
        )
        summary = filter_file(
            source,
            kept,
            chosen,
            rejected=rejected,
            manifest=manifest,
            map=make_map(chosen.engine, chosen.workers),
            steps=partial(step, quiet=quiet),
        )
    if not quiet:
        _tell(summary, source, {"kept rows": kept, "rejected rows": rejected, "manifest": manifest})
    if as_json:
        print(json.dumps(summary.as_json()))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("."),
    force: Annotated[bool, typer.Option("--force", help="Replace one that is there.")] = False,
) -> None:
    """Write a params.yaml with every parameter and what it means, for your own data."""
    with _reported(as_json=False):
        from importlib.resources import files

        from sanitize.data.files import whole_files

        place = folder / "params.yaml"
        if place.exists() and not force:
            raise BadParams(f"{place} is there already; --force replaces it")
        with whole_files(place) as (draft,):
            draft.write_bytes((files("sanitize.templates") / "params.yaml").read_bytes())
    print(f"wrote {place}", file=sys.stderr)


def _names(given: list[str] | None) -> list[str] | None:
    return [name for part in given for name in part.split(",")] if given else None


def _chosen_params(
    file: Path | None, top: Mapping[str, Any], data: Mapping[str, Any], learner: Mapping[str, Any]
) -> Params:
    """The file's values, or else the preset's, with the options laid over; an option that is None was not given."""
    from sanitize.params import read_values, resolve

    values: dict[str, Any] = {}
    if file is not None:
        values = read_values(file)
        resolve(values, str(file))  # what is wrong in the file is told under its name
    for section, options in (("data", data), ("learner", learner)):
        values[section] = {**(values.get(section) or {}), **_given(options)}
    return resolve({**values, **_given(top)}, "command line")


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _tell(summary: Summary, source: Path, places: Mapping[str, Path | None]) -> None:
    """The summary for people, on stderr."""
    lines = [
        f"{source}: {summary.rows} rows; {summary.columns.found}",
        f"kept {summary.kept}, dropped {summary.rejected} in {summary.seconds:.1f} s",
        *(f"  {rows} {reason}" for reason, rows in summary.reasons.items()),
    ]
    dropped = [f"{name}: {n} of {rows}" for name, (rows, n) in summary.classes.items() if n]
    if dropped:
        lines.append(f"dropped by class: {', '.join(dropped)}")
    lines += [f"{what}: {place}" for what, place in places.items() if place is not None]
    print("\n".join(lines), file=sys.stderr)


@contextmanager
def _reported(as_json: bool) -> Iterator[None]:
    """Turns what goes wrong into one message on stderr and an exit code; with --json into a document as well."""
    try:
        yield
    except MendableError as error:
        _leave(str(error), error.exit_code, as_json)
    except KeyboardInterrupt:
        _leave("interrupted; no file is half-written", INTERRUPTED, as_json)
    except OSError as error:
        _leave(f"{error}; free the place or its space, or name another", FAILED, as_json)
    except Exception as error:  # a fault of ours: Python's own exit code for it, 1, would read as a verdict
        traceback.print_exc()
        _leave(f"this is a fault in sanitize, please report it: {error!r}", FAILED, as_json)


def _leave(message: str, exit_code: int, as_json: bool) -> NoReturn:
    print(f"sanitize: {message}", file=sys.stderr)
    if as_json:
        print(json.dumps({"schema_version": 1, "error": message, "exit_code": exit_code}))
    raise SystemExit(exit_code)
