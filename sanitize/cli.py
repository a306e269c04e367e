"""The `sanitize` command: filter files, show and apply manifests, certify predictions, compare runs, gate, begin.

stdout: nothing but what `diff` and `gate` find, or a JSON document.

Exit codes: 0 done; 1 a limit was exceeded; 2 parameters or usage; 3 input, or a failure; 130 interrupted.
What the commands need is imported inside them, so that --help answers at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sanitize import __version__
from sanitize.apply_command import apply_command
from sanitize.certify_command import certify_command
from sanitize.command_options import (
    Address,
    Device,
    Engine,
    ImageSize,
    Inputs,
    Label,
    Overrides,
    Seed,
    Workers,
    chosen_params,
    names_in,
)
from sanitize.diff_command import diff_command
from sanitize.errors import BadParams
from sanitize.exit_codes import FAILED, answer, reported
from sanitize.gate_command import gate_command
from sanitize.report_command import report_command
from sanitize.review_command import review_command
from sanitize.runtime.import_path import leave_current_folder
from sanitize.runtime.printing import say, say_error
from sanitize.runtime.streams import lost_output, take_streams
from sanitize.summary_file import noted
from sanitize.watched import WATCHED, watched

if TYPE_CHECKING:
    from sanitize.filter_summary import Summary

EXCEEDED = 1
SHOWN = 30  # classes that the summary lists
SHOWN_GROUPS = 10

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: formatting it with rich takes longer than all the rest
    help="Find the poisoned rows of a training set.",
)


def main() -> None:
    """Run the command; leaves with its exit code. Commands that read strangers' files do so in a child process."""
    leave_current_folder()
    take_streams()
    try:
        os.getcwd()
    except OSError as error:  # PyTorch's libraries end a process that has none
        say_error(
            "sanitize", f"the current folder is gone ({error.strerror}); change to one that is there, and run again"
        )
        raise SystemExit(FAILED) from error
    try:
        app(obj=WATCHED)
    except SystemExit as leaving:
        lost = lost_output()
        if lost is not None:
            say_error("sanitize", f"stdout cannot be written ({lost}); what it was to hold is lost")
        raise SystemExit(FAILED if lost is not None and not leaving.code else leaving.code) from leaving


def _print_version(wanted: bool) -> None:
    if wanted:
        say(__version__, stdout=True)
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
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="A parquet file, a folder of them, a pattern in quotes, or an address such as s3://bucket/folder.",
        ),
    ],
    kept: Annotated[
        str | None,
        typer.Argument(metavar="[OUT]", help="Where the rows to trust go; a new folder if IN has several files."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Where file names tell several splits: the one to take, such as train, or all."
        ),
    ] = None,
    label: Label = None,
    inputs: Inputs = None,
    image_size: ImageSize = None,
    embeddings: Annotated[
        str | None, typer.Option(metavar="NAME", help="Look at this column of vectors in place of what is found.")
    ] = None,
    rejected: Annotated[str | None, typer.Option(metavar="PATH", help="Where the other rows go.")] = None,
    manifest: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Where file, row, keep, reason, suspicion and votes of every row go."),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="PATH", help="Where a page about the outcome goes.")] = None,
    summary_at: Annotated[
        Path | None,
        typer.Option(
            "--summary", metavar="PATH", help="Where the summary goes as JSON, beyond a limit and of a dry run, too."
        ),
    ] = None,
    timings: Annotated[bool, typer.Option("--timings", help="Seconds in the --summary, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write no rows: tell what would happen.")] = False,
    max_removed: Annotated[
        float | None,
        typer.Option(
            metavar="PART", help="Do not write OUT, and leave with 1, if more than this part (0..1) is rejected."
        ),
    ] = None,
    max_removed_class: Annotated[
        float | None,
        typer.Option(
            metavar="PART", help="The same for every class: the part (0..1) of its rows that may be rejected."
        ),
    ] = None,
    max_unreadable: Annotated[
        float | None,
        typer.Option(
            metavar="PART",
            help="Do not write OUT, and leave with 1, if more than this part (0..1) cannot be read. [default: 0.05]",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write OUT all the same; the exit code stays 1.")] = False,
    on_bad_row: Annotated[
        str, typer.Option(metavar="WORD", help="keep, reject or fail: rows that cannot be read.")
    ] = "reject",
    on_small_class: Annotated[
        str, typer.Option(metavar="WORD", help="keep, reject or fail: rows of classes too small to judge.")
    ] = "keep",
    least_class: Annotated[
        int, typer.Option(metavar="N", help="Classes with fewer rows are too small; never below the components.")
    ] = 10,
    image_root: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Open images without bytes by their path, inside this folder only."),
    ] = None,
    fit_rows: Annotated[
        int | None,
        typer.Option(metavar="N", help="Fit to about N rows of all classes, then score all rows in a stream."),
    ] = None,
    pred_probs: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Your own out-of-sample class probabilities (.npy, parquet): one more voter."
        ),
    ] = None,
    voters: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Use voters saved before; nothing is fitted.")
    ] = None,
    save_voters: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Save the voters for other data, as safetensors.")
    ] = None,
    overrides: Overrides = None,
    id_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Column of your own keys: the manifest and reviews name rows by it; no voter sees it."
        ),
    ] = None,
    reasons: Annotated[
        bool, typer.Option("--reasons", help="Give rejected rows the columns reason, group and suspicion, too.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from what a killed run with the same IN, OUT and options has left.")
    ] = False,
    seed: Seed = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="strong, fast or paper. [default: strong]")] = None,
    net: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="auto, cnn, mlp, linear, preact_resnet18, resnet32 or resnet56. [default: the preset's]",
        ),
    ] = None,
    device: Device = None,
    params: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="A params.yaml; options win over it, its sections "
            "on source, attack, train and certify are not used. [default: the "
            "preset alone; a params.yaml in this folder is NOT read]",
        ),
    ] = None,
    engine: Engine = None,
    workers: Workers = None,
    address: Address = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no summary on stderr.")] = False,
) -> None:
    """Keep the rows of IN that can be trusted.

    OUT and the rejected rows together are IN: every column, every row, in order. IN is never changed; files at OUT,
    --rejected and --manifest are replaced, all together or not at all. Beyond a limit OUT and saved voters stay as they
    were; --rejected, --manifest, --report and --summary are written.

    Exit codes: 0 done; 1 more than --max-removed, --max-removed-class or --max-unreadable, or no row
    kept; 2 parameters or usage; 3 input, or a failure; 130 interrupted.
    """
    memory = "give it fewer --workers, or fit to a part of the rows (--fit-rows N)"
    files = (pred_probs, params, voters, *(overrides or ()), manifest, report)
    with (
        reported(as_json),
        noted(summary_at, files, (source, kept, rejected)),
        watched(context.obj == WATCHED, want_of_memory=memory),
    ):
        from sanitize.filter_file import filter_file
        from sanitize.filter_options import make_options
        from sanitize.progress import step
        from sanitize.resume import map_of

        options = make_options(
            on_bad_row=on_bad_row,
            on_small_class=on_small_class,
            least_class=least_class,
            image_root=image_root,
            fit_rows=fit_rows,
            max_removed=max_removed,
            max_removed_class=max_removed_class,
            max_unreadable=max_unreadable,
            force=force,
            dry_run=dry_run,
            embeddings=embeddings,
            pred_probs=pred_probs,
            voters=voters,
            report=report,
            summary=summary_at,
            timings=timings,
            save_voters=save_voters,
            split=split,
            resume=resume,
            overrides=tuple(overrides or ()),
            id_column=id_column,
            reasons=reasons,
        )

        chosen = chosen_params(
            params,
            {"preset": preset, "seed": seed, "engine": engine, "workers": workers, "address": address},
            {
                "data": {"label": label, "inputs": names_in(inputs), "image_size": image_size},
                "learner": {"net": net, "device": device},
            },
        )
        summary = filter_file(
            source,
            kept,
            chosen,
            rejected=rejected,
            manifest=manifest,
            options=options,
            map=map_of(chosen, soon=voters is None),
            steps=partial(step, quiet=quiet),
            tell=partial(_say, quiet=quiet),
        )
    if not quiet:
        places = {"kept": kept, "rejected": rejected, "manifest": manifest, "report": report, "voters": save_voters}
        _tell(summary, source, places, dry_run)
    if as_json:
        answer(summary.as_json())
    if summary.exceeded:
        raise SystemExit(EXCEEDED)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("."),
    force: Annotated[bool, typer.Option("--force", help="Replace one that is there.")] = False,
) -> None:
    """Write a params.yaml with every parameter and what it means, for your own data."""
    with reported(as_json=False):
        from importlib.resources import files

        from sanitize.io.atomic import atomic_write
        from sanitize.io.claims import refuse_place
        from sanitize.io.destinations import local_path

        place = Path(local_path(str(folder))) / "params.yaml"
        refuse_place(place)
        if place.exists() and not force:
            raise BadParams(f"{place} is there already; --force replaces it")
        with atomic_write(place) as (draft,):
            draft.write_bytes((files("sanitize.templates") / "params.yaml").read_bytes())
    say(f"wrote {place}")


def _say(message: str, quiet: bool) -> None:
    if not quiet:
        say(message)


def _tell(summary: Summary, source: str, places: Mapping[str, object], dry_run: bool) -> None:
    """The summary for people, on stderr; places are those of `filter_summary.OUTPUTS`, by name."""
    files = f" in {summary.files} files" if summary.files > 1 else ""
    lines = [
        f"{source}: {summary.rows} rows{files}; {summary.columns.found}",
        f"kept {summary.kept}, dropped {summary.rejected} in {summary.seconds:.1f} s",
        *(f"  {rows} {reason}" for reason, rows in summary.reasons.items()),
        *(f"  {rows} kept, {reason}" for reason, rows in summary.unjudged.items()),
    ]
    lines += [_group_line(group) for group in summary.groups[:SHOWN_GROUPS]]
    if len(summary.groups) > SHOWN_GROUPS:
        lines.append(f"  and {len(summary.groups) - SHOWN_GROUPS} more groups")
    dropped = [f"{name}: {n} of {rows}" for name, (rows, n) in summary.classes.items() if n]
    if dropped:
        more = f" and {len(dropped) - SHOWN} more classes" if len(dropped) > SHOWN else ""
        lines.append(f"dropped by class: {', '.join(dropped[:SHOWN])}{more}")
    lines += [f"WARNING {warning}" for warning in summary.warnings[:SHOWN]]
    if len(summary.warnings) > SHOWN:
        lines.append(f"WARNING {len(summary.warnings) - SHOWN} more classes lose as much")
    if summary.exceeded:
        left = " and ".join(str(places[name]) for name in ("kept", "voters") if places[name] is not None)
        remedy = f"{left}: not written; --force writes all the same"
        if summary.written or dry_run:
            remedy = "written all the same" if summary.written else "a dry run writes no rows"
        lines += [f"{limit}; {remedy}" for limit in summary.limits]
    shown = {"kept": "kept rows", "rejected": "rejected rows"}
    lines += [
        f"{shown.get(name, name)}: {place}" for name, place in places.items() if summary.outputs.get(name) is not None
    ]
    say(*lines)


def _group_line(group: Mapping[str, Any]) -> str:
    """One group of `Summary.groups` for people."""
    rows, says = group["rows"], group["says"] or "other classes"
    number, look = ("1 row", "looks") if rows == 1 else (f"{rows} rows", "look")
    return f"  {group['id']}  {number}  {group['label']}, {look} like {says}  {group['strength']}: {group['evidence']}"


app.command("certify")(certify_command)
app.command("apply")(apply_command)
app.command("report")(report_command)
app.command("review")(review_command)
app.command("diff")(diff_command)
app.command("gate")(gate_command)
