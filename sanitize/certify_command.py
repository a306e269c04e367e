"""The command `sanitize certify`: options -> parameters, and the result on stdout. The work is certify_file's."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from sanitize.command_options import (
    Address,
    Device,
    Engine,
    ImageSize,
    Inputs,
    Label,
    Seed,
    Workers,
    chosen_params,
    names_in,
)
from sanitize.errors import BadParams
from sanitize.exit_codes import answer, reported
from sanitize.runtime.printing import say
from sanitize.watched import WATCHED, watched

if TYPE_CHECKING:
    from sanitize.certify_file import Method, Summary


def certify_command(
    context: typer.Context,
    train: Annotated[
        Path, typer.Argument(metavar="TRAIN", help="Parquet file: a label column, and images, vectors or numbers.")
    ],
    test: Annotated[Path, typer.Argument(metavar="TEST", help="Another with the same columns: rows to be trusted.")],
    method: Annotated[
        str, typer.Option(metavar="NAME", help="knn, rnn, dpa, bagging, finite_aggregation or run_off.")
    ] = "knn",
    poisoning_size: Annotated[
        str | None, typer.Option(metavar="A,B", help="Poisoning sizes, with commas. [default: the preset's]")
    ] = None,
    k: Annotated[int | None, typer.Option(metavar="N", help="knn: neighbours. [default: 50]")] = None,
    radius: Annotated[
        float | None, typer.Option(metavar="R", help="rnn: the radius. [default: chosen from the test rows]")
    ] = None,
    features: Annotated[
        str | None, typer.Option(metavar="NAME", help="knn, rnn on images: hog or raw. [default: hog]")
    ] = None,
    distance: Annotated[
        str | None, typer.Option(metavar="NAME", help="knn, rnn: l1, l2 or cosine. [default: l1]")
    ] = None,
    quantise: Annotated[
        bool | None,
        typer.Option("--quantise/--no-quantise", help="knn, rnn: images' features in 8 bits. [default: yes]"),
    ] = None,
    shards: Annotated[
        int, typer.Option(metavar="N", help="knn, rnn: cut the training rows into N tasks; never changes the result.")
    ] = 1,
    members: Annotated[int | None, typer.Option(metavar="N", help="Ensembles: base learners. [default: 100]")] = None,
    degree: Annotated[
        int | None,
        typer.Option(metavar="N", help="finite_aggregation, run_off: learners that each part reaches. [default: 4]"),
    ] = None,
    bag: Annotated[int | None, typer.Option(metavar="N", help="bagging: rows of a bag. [default: 100]")] = None,
    alpha: Annotated[
        float | None, typer.Option(metavar="P", help="bagging: risk that some certificate fails. [default: 0.001]")
    ] = None,
    labels_fixed: Annotated[
        bool | None,
        typer.Option(
            "--labels-fixed",
            help="You vouch that no row of TRAIN, now or later, has a label beyond those of TRAIN and TEST.",
        ),
    ] = None,
    label: Label = None,
    inputs: Inputs = None,
    image_size: ImageSize = None,
    seed: Seed = None,
    device: Device = None,
    params: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="A params.yaml with sections certify, ensemble and learner; options win over it."
        ),
    ] = None,
    engine: Engine = None,
    workers: Workers = None,
    address: Address = None,
    out: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Parquet file for row, label, prediction and radius of TEST.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
) -> None:
    """Certify predictions for TEST: how many poisoned rows in TRAIN cannot change them.

    Prints the certified accuracy for each poisoning size: the least share of TEST that stays right, whatever the
    attacker does. Nothing is written but --out.

    Exit codes: 0 done; 2 parameters or usage; 3 input, or a failure; 130 interrupted.
    """
    memory = "give it fewer --workers, more --shards, or fewer rows"
    with reported(as_json), watched(context.obj == WATCHED, want_of_memory=memory, outputs=[out]):
        from sanitize.certify_file import certify_file
        from sanitize.progress import step
        from sanitize.resume import map_of

        chosen = chosen_params(
            params,
            {"seed": seed, "engine": engine, "workers": workers, "address": address},
            {
                "data": {"label": label, "inputs": names_in(inputs), "image_size": image_size},
                "learner": {"device": device},
                "certify": {
                    "k": k,
                    "radius": radius,
                    "features": features,
                    "distance": distance,
                    "quantise": quantise,
                    "device": device,
                    "poisoning_sizes": _sizes(poisoning_size),
                    "labels_fixed": labels_fixed,
                },
                "ensemble": {"members": members, "degree": degree, "bag": bag, "alpha": alpha},
            },
        )
        summary = certify_file(
            train,
            test,
            chosen,
            method=cast("Method", method),
            out=out,
            shards=shards,
            map=map_of(chosen, learners=method not in ("knn", "rnn")),
            steps=partial(step, quiet=quiet),
        )
        for note in [] if quiet else summary.notes:
            say(f"note: {note}")
        if as_json:
            answer(summary.as_json())
        else:
            say(*_told(summary), stdout=True)
    if out is not None and not quiet:
        say(f"radii: {out}")


def _sizes(given: str | None) -> list[int] | None:
    """Whole numbers with commas between them."""
    if given is None:
        return None
    try:
        return [int(part) for part in given.split(",")]
    except ValueError as error:
        raise BadParams(
            f"--poisoning-size is {given!r}; must be whole numbers with commas between them, such as 50,100"
        ) from error


def _told(summary: Summary) -> list[str]:
    """The result for people: one line for each poisoning size, one column for each certificate."""
    plain = {name: value for name, value in summary.settings.items() if not name.endswith("_from")}
    head = ["poisoning size", *summary.accuracy]
    table = zip(summary.poisoning_sizes, *summary.accuracy.values(), strict=True)
    cells = [head, *([str(size), *(f"{100 * share:.1f}%" for share in shares)] for size, *shares in table)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        f"{summary.method}: {', '.join(f'{name} {value}' for name, value in plain.items())}",
        f"{summary.train_rows} training rows, {summary.test_rows} test rows; accuracy without poison "
        f"{100 * summary.clean_accuracy:.1f}%; certified accuracy:",
        "",
        *("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells),
        "",
    ]
    if "radius_from" in summary.settings:
        lines.append(f"radius: {summary.settings['radius_from']}")
    if summary.unproven:
        lines.append(
            f"label budgets at {', '.join(map(str, summary.unproven))}: sound, but the search was stopped early; a "
            "larger certify.most_nodes may certify more"
        )
    certain = "certain" if summary.confidence == 1 else f"all certificates together, {100 * summary.confidence:g}%"
    lines += [f"poisoning size: {summary.unit}", f"confidence: {certain}", f"covers {summary.covers}"]
    return lines
