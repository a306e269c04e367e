"""Filter parquet files: in go one or many, out come their kept rows, their rejected rows, a manifest and a summary."""

# N rows, C classes
from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from sanitize.data.shards import Source, find_shards, sha256_of_names
from sanitize.errors import BadInput, BadParams, MendableError
from sanitize.execution import OrderedMap, usable_cores
from sanitize.filter_fit import Found, fit_judge, take_panel
from sanitize.filter_key import key_of, parameters_sha256
from sanitize.filter_manifest import Further
from sanitize.filter_memory import Memory
from sanitize.filter_options import Options, refuse_options
from sanitize.filter_pass import Drafts, provenance, run_pass
from sanitize.filter_summary import OUTPUTS, Output, Seen, Summary, Unreadable
from sanitize.filter_tally import Tally
from sanitize.filtering import Steps, no_steps
from sanitize.io.destinations import local_path, refuse_outputs
from sanitize.io.digests import digest as digest_of
from sanitize.io.transaction import Transaction
from sanitize.overrides import read_overrides
from sanitize.panel import FILE, load_panel
from sanitize.params import Params
from sanitize.report_file import write_page
from sanitize.row_ids import input_ids, refuse_id_column
from sanitize.runtime.limits import limit_of
from sanitize.scratch import Remembered
from sanitize.signal import refuse_unlike_fitted
from sanitize.summary_file import mark, write_summary

TENTHS = 10
FITS = "fits"  # folder of the results of single learners
NOT_BEYOND = ("kept", "voters")  # outputs that are not written where a limit is exceeded
UNNAMED = "manifest.parquet"  # the page's manifest where none is asked for


def filter_file(
    source: str | Path,
    kept: str | Path | None,
    params: Params,
    *,
    rejected: str | Path | None = None,
    manifest: str | Path | None = None,
    options: Options | None = None,
    map: OrderedMap,
    steps: Steps = no_steps,
    tell: Callable[[str], None] = lambda message: None,
) -> Summary:
    """Clean parquet files. The outputs appear together, when all is done, or not at all.

    Where a limit is exceeded, and `options.force` is not set, NOT_BEYOND stay as they were and the others are written.

    source    a parquet file, a folder of them, a pattern, or an fsspec address: see `find_shards`
    kept      where the rows to trust go: all columns, input order, schema metadata. For several files a new folder,
              which mirrors the input's names; None = nowhere, with `options.dry_run` only
    params    `data.label`, `data.inputs` and `data.image_size` say how to read; for the rest see `filter_table`
    rejected  where the other rows go, likewise; None = nowhere
    manifest  where the verdict on every row goes (`filter_manifest.MANIFEST`); None = nowhere
    options   see Options; None = the defaults
    map       how independent learners are executed; the result does not depend on it
    steps     shows progress, as for `filter_table`
    tell      called with what a person should know about an earlier run that was killed
    Returns   the summary; `exceeded` says that a limit is exceeded, `outputs` what was written
    Raises    BadInput: data that cannot be used, an output that cannot be written, a source that changed meanwhile
              BadParams: outputs that are the input or each other, options that exclude each other
    """
    began = time.monotonic()
    options = options or Options()
    refuse_options(kept, rejected, manifest, params, options)
    shards = find_shards(source, options.split)
    for note in shards.notes:
        tell(note)
    if params.data.overrides and not options.overrides:
        tell(
            "data.overrides names decisions on the pipeline's rows, and is not looked at here; --overrides names others"
        )
    rows_at = _named(kept=kept, rejected=rejected) if not options.dry_run else {}
    voters_at = None if options.save_voters is None else Path(local_path(str(options.save_voters))) / FILE
    places = {**rows_at, **_named(manifest=manifest, report=options.report, voters=voters_at)}
    with _returning_memory(), Transaction(list(places.values())) as staging:
        if options.resume and not staging.lasting:
            raise BadParams("--resume is given, but no output is a local path, beside which a run's progress is kept")
        if staging.moved:
            but = f" but {', '.join(sorted(staging.left_out))}, beyond its limit," if staging.left_out else ""
            tell(f"{staging.folder}: the outputs{but} of a run that was killed at its end are now all in place")

        def refuse(replaced: Sequence[str] = ()) -> None:
            refuse_outputs(
                shards,
                [place for name, place in places.items() if name not in rows_at or shards.single]
                + ([] if options.summary is None else [local_path(str(options.summary))]),
                [] if shards.single else list(rows_at.values()),
                [*options.overrides, *filter(None, (options.pred_probs, options.voters))],
                replaced,
            )

        finished = staging.finished if options.resume else None
        staging.keep = options.resume and finished is None  # what is wrong with the command takes nothing away
        own = [place for place in rows_at.values() if options.resume and staging.owns(place)]
        if finished is None:
            refuse(own)
        stamps = shards.stamps()
        digest = shards.sha256()
        ids = None if options.id_column is None else partial(input_ids, shards, options.id_column)
        decisions = read_overrides(options.overrides, shards, ids) if options.overrides else None
        for shard in shards.shards:
            Further(options.id_column, options.reasons).fields(shard)  # or fitting would be for nothing
        key = key_of(params, options, digest, places)
        if finished is not None:
            done = _of_killed(finished, key, staging, options, places)
            if done is not None:
                return _noted(replace(done, seconds=time.monotonic() - began), options)
        if finished is not None or (own and not staging.continues(key)):
            refuse(own if staging.continues(key) else ())
        if options.summary is not None:  # or one of before would pass for this run's, were it killed
            mark(options.summary)
        staging.keep = options.resume
        told = staging.begin(key, options.resume)
        if told:
            tell(told)
        draft = dict(zip(places, staging.drafts, strict=True))
        told_of = draft.get("manifest") or (staging.inside / UNNAMED if "report" in draft else None)
        drafts = Drafts(draft.get("kept"), draft.get("rejected"), told_of)
        memory = Memory(staging.inside, shards, drafts)
        try:
            run = Remembered(map, staging.inside / FITS, tell) if staging.lasting else map
            found = _judge(shards, params, options, digest, memory, run, steps)
            for note in found.notes:
                tell(note)
            if options.id_column is not None:
                refuse_id_column(shards, options.id_column, found.recipe.label, found.recipe.inputs)
            parameters = parameters_sha256(params, options, found)
            with _scoring(found, steps, shards.rows) as progress:
                tally = run_pass(
                    shards,
                    found.judge,
                    drafts,
                    provenance(shards, parameters, digest, found.about(params)),
                    progress,
                    memory,
                    overrides=decisions,
                    id_column=options.id_column,
                    reasons=options.reasons,
                )
            if options.voters is not None:
                assert found.panel is not None
                about, recipe = found.panel.about, found.recipe
                refuse_unlike_fitted(
                    tally.named, len(recipe.classes), about.skill, shards.address, recipe.inputs, recipe.label
                )
            done = _summary(shards, found, tally, params, options, parameters, digest, bool(rows_at), began)
            beyond = done.exceeded and not options.force
            left = [place for name, place in places.items() if beyond and name in NOT_BEYOND]
            if "voters" in draft and not beyond:
                assert found.panel is not None
                found.panel.save(draft["voters"])
            if "report" in draft:
                assert told_of is not None
                called = Path(UNNAMED if manifest is None else str(manifest))
                write_page(draft["report"], shards, told_of, called, options.rules.image_root, done.limits)
            if shards.stamps() != stamps:
                staging.keep = False
                raise BadInput(f"{source}: has changed while it was being filtered; filter it again")
            names = [shard.name for shard in shards.shards]
            contents = {} if shards.single else dict.fromkeys(rows_at.values(), names)
            written = {name: path for name, path in draft.items() if places[name] not in left}
            done = replace(
                done, written=done.written and not beyond, outputs=_outputs(written, names, done, shards.single)
            )
            staging.commit({"key": key, "summary": done.plain()}, contents, without=left, keep=beyond and staging.keep)
            if beyond:
                _tell_kept(staging, tell)
        except BaseException as error:
            known = isinstance(error, Exception) and (
                isinstance(error, MendableError | OSError) or limit_of(error) is not None
            )
            staging.keep = staging.keep and memory.fitted if known else staging.lasting
            _tell_kept(staging, tell)
            raise
    return _noted(replace(done, seconds=time.monotonic() - began), options)


def _of_killed(
    finished: Mapping[str, Any],
    key: Mapping[str, str],
    staging: Transaction,
    options: Options,
    places: Mapping[str, str],
) -> Summary | None:
    """The summary of a run that was killed at its end, and whose outputs are in place; None where this one writes more.

    What is left of a run beyond its limit stays for others.

    Raises   BadInput: they are of another run
    """
    if finished["key"] != key:
        there = [place for place in places.values() if str(Path(place).absolute()) not in staging.left_out]
        raise BadInput(
            f"{there[0]}: now holds the outcome of another input, other parameters or another version, whose run was "
            f"killed at its end; filter without --resume"
        )
    done = Summary.of_json(finished["summary"])
    left = [name for name in NOT_BEYOND if name in places and done.outputs.get(name) is None]
    if not left:
        return done
    staging.keep = True
    done = replace(
        done,
        max_removed=options.max_removed,
        max_removed_class=options.max_removed_class,
        unreadable=replace(done.unreadable, most=options.max_unreadable),
    )
    return done if done.exceeded and not options.force else None


def _noted(done: Summary, options: Options) -> Summary:
    """The summary, which is then in its file, too. BadInput: it cannot be written; all outputs are in place."""
    if options.summary is not None:
        document = done.as_json()
        if not options.timings:
            del document["seconds"]
        write_summary(options.summary, document)
    return done


def _outputs(
    written: Mapping[str, Path], names: Sequence[str], done: Summary, single: bool
) -> dict[str, Output | None]:
    """What the drafts hold; `names` are the files of folders of rows."""
    rows = {"kept": done.kept, "rejected": done.rejected, "manifest": done.rows}
    return dict.fromkeys(OUTPUTS) | {
        name: Output(
            digest_of(path)["sha256"]
            if single or name not in ("kept", "rejected")
            else sha256_of_names((name, digest_of(path / name)["sha256"]) for name in names),
            rows.get(name),
        )
        for name, path in written.items()
    }


def _tell_kept(staging: Transaction, tell: Callable[[str], None]) -> None:
    if staging.keep:
        tell(f"{staging.folder}: what is done is kept there; --resume goes on from it")


def _summary(
    shards: Source,
    found: Found,
    tally: Tally,
    params: Params,
    options: Options,
    parameters: str,
    digest: str,
    written: bool,
    began: float,
) -> Summary:
    return Summary(
        rows=tally.rows,
        kept=tally.rows - tally.rejected,
        rejected=tally.rejected,
        reasons=dict(sorted(tally.reasons.items())),
        unjudged=dict(sorted(tally.unjudged.items())),
        classes=tally.classes,
        against={name: dict(sorted(counts.items())) for name, counts in sorted(tally.against.items())},
        columns=Seen(found.recipe.label, found.recipe.inputs, found.modality, found.seen, found.recipe.expected),
        files=len(shards.shards),
        seconds=time.monotonic() - began,
        parameters_sha256=parameters,
        input_sha256=digest,
        max_removed=options.max_removed,
        max_removed_class=options.max_removed_class,
        unstable=tally.unstable,
        groups=tuple(group.as_json() for group in found.groups.described(tally.groups)),
        unreadable=Unreadable(tally.unreadable, options.max_unreadable, tally.commonest),
        written=written,
        **found.made_with(params),
    )


@contextmanager
def _returning_memory() -> Iterator[None]:
    """Arrow allocates as the rest of the process does: its own pools keep, for each thread, what that has freed."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def _named(**places: str | Path | None) -> dict[str, str]:
    return {name: local_path(str(place)) for name, place in places.items() if place is not None}


@contextmanager
def _scoring(found: Found, steps: Steps, rows: int) -> Iterator[Callable[[int], None]]:
    """Shows how far the scoring is, a tenth at a time; rewriting alone is too fast to be shown."""
    if found.judge.bench is None:
        yield lambda done: None
        return
    told = 0
    with steps("scoring", TENTHS) as advance:

        def progress(done: int) -> None:
            nonlocal told
            while told < TENTHS and done * TENTHS >= (told + 1) * rows:
                told += 1
                advance()

        yield progress


def _judge(
    shards: Source, params: Params, options: Options, digest: str, memory: Memory, map: OrderedMap, steps: Steps
) -> Found:
    threads = 1 if params.engine == "inline" else params.workers or usable_cores()
    if options.voters is not None:
        panel = load_panel(options.voters)
        return take_panel(
            shards,
            panel,
            options.rules,
            pred_probs=options.pred_probs,
            threads=threads,
            device=params.learner.device,
        )
    return fit_judge(
        shards,
        params,
        options.rules,
        fit_rows=options.fit_rows,
        embeddings=options.embeddings,
        id_column=options.id_column,
        pred_probs=options.pred_probs,
        keep_panel=options.save_voters is not None,
        input_sha256=digest,
        memory=memory,
        threads=threads,
        map=map,
        steps=steps,
    )
