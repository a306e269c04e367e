"""Filter parquet files: in go one or many, out come their kept rows, their rejected rows, a manifest and a summary."""

# N rows, C classes
from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

import sanitize
from sanitize.code_version import code_version
from sanitize.data.shards import Source, find_shards
from sanitize.errors import BadInput, BadParams, MendableError
from sanitize.execution import OrderedMap, usable_cores
from sanitize.filter_fit import Found, fit_judge, take_panel
from sanitize.filter_memory import Memory
from sanitize.filter_options import Options
from sanitize.filter_pass import Drafts, provenance, run_pass
from sanitize.filter_summary import SCHEMA_VERSION, Seen, Summary, Unreadable
from sanitize.filter_tally import Tally
from sanitize.filtering import Steps, no_steps
from sanitize.io.atomic import atomic_write
from sanitize.io.destinations import local_path, refuse_address, refuse_outputs, refuse_suffix
from sanitize.io.digests import code_of
from sanitize.io.digests import digest as digest_of
from sanitize.io.transaction import Transaction
from sanitize.manifest_file import read_manifest
from sanitize.overrides import read_overrides
from sanitize.panel import FILE, load_panel
from sanitize.params import Params
from sanitize.report.review_page import build_page
from sanitize.row_ids import input_ids, refuse_id_column
from sanitize.runtime.limits import limit_of
from sanitize.runtime.processor import processor
from sanitize.scratch import Remembered
from sanitize.signal import refuse_unlike_fitted

TENTHS = 10
FITS = "fits"  # folder of the results of single learners
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
    Returns   the summary; `exceeded` says that nothing was written because of the limit (unless forced)
    Raises    BadInput: data that cannot be used, an output that cannot be written, a source that changed meanwhile
              BadParams: outputs that are the input or each other, options that exclude each other
    """
    began = time.monotonic()
    options = options or Options()
    _refuse_options(kept, rejected, params, options)
    _refuse_suffixes(kept, rejected, manifest, options)
    shards = find_shards(source, options.split)
    for note in shards.notes:
        tell(note)
    rows_at = _named(kept=kept, rejected=rejected) if not options.dry_run else {}
    voters_at = None if options.save_voters is None else Path(local_path(str(options.save_voters))) / FILE
    places = {**rows_at, **_named(manifest=manifest, report=options.report, voters=voters_at)}
    with _returning_memory(), Transaction(list(places.values())) as staging:
        if options.resume and not staging.lasting:
            raise BadParams("--resume is given, but no output is a local path, beside which a run's progress is kept")
        if staging.moved:
            tell(f"{staging.folder}: the outputs of a run that was killed at its end are now all in place")
        finished = staging.finished if options.resume else None
        if finished is None:
            refuse_outputs(
                shards,
                [place for name, place in places.items() if name not in rows_at or shards.single]
                + ([] if options.summary is None else [local_path(str(options.summary))]),
                [] if shards.single else list(rows_at.values()),
                [*options.overrides, *([] if options.pred_probs is None else [options.pred_probs])],
            )
        stamps = shards.stamps()
        digest = shards.sha256()
        ids = None if options.id_column is None else partial(input_ids, shards, options.id_column)
        decisions = read_overrides(options.overrides, shards, ids) if options.overrides else None
        key = _key(params, options, digest, places)
        if finished is not None:
            if finished["key"] == key:
                done = replace(Summary.of_json(finished["summary"]), seconds=time.monotonic() - began)
                return _noted(done, params, options)
            raise BadInput(
                f"{next(iter(places.values()))}: now holds the outcome of another input, other parameters or another "
                f"version, whose run was killed at its end; filter without --resume"
            )
        if options.summary is not None:  # or one of before would pass for this run's, were it killed
            _write(
                options.summary,
                {"schema_version": SCHEMA_VERSION, "error": "the run has not ended"},
            )
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
            done = _summary(shards, found, tally, options, parameters, digest, bool(rows_at), began)
            if done.exceeded and not options.force:
                _tell_kept(staging, tell)
                return _noted(replace(done, written=False), params, options)
            if "voters" in draft:
                assert found.panel is not None
                found.panel.save(draft["voters"])
            if "report" in draft:
                assert told_of is not None
                _write_page(draft["report"], shards, told_of, manifest, options, done.limits)
            if shards.stamps() != stamps:
                staging.keep = False
                raise BadInput(f"{source}: has changed while it was being filtered; filter it again")
            names = [shard.name for shard in shards.shards]
            contents = {} if shards.single else dict.fromkeys(rows_at.values(), names)
            staging.commit({"key": key, "summary": done.plain()}, contents)
        except BaseException as error:
            known = isinstance(error, Exception) and (
                isinstance(error, MendableError | OSError) or limit_of(error) is not None
            )
            staging.keep = staging.keep and memory.fitted if known else staging.lasting
            _tell_kept(staging, tell)
            raise
    return _noted(replace(done, seconds=time.monotonic() - began), params, options)


def _noted(done: Summary, params: Params, options: Options) -> Summary:
    """The summary, which is then in its file, too. BadInput: it cannot be written; all outputs are in place."""
    if options.summary is not None:
        document = {**done.as_json(), "version": sanitize.__version__, "seed": params.seed}
        if not options.timings:
            del document["seconds"]
        _write(options.summary, document)
    return done


def _write(place: Path, document: Mapping[str, Any]) -> None:
    with atomic_write(local_path(str(place))) as (draft,):
        draft.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _write_page(
    place: Path, source: Source, draft: Path, manifest: str | Path | None, options: Options, limits: list[str]
) -> None:
    """The page about what a manifest says; `draft` is that file, `manifest` what it will be called."""
    called = Path(UNNAMED if manifest is None else str(manifest))
    read = replace(read_manifest(draft), path=called)
    page = build_page(source, read, image_root=options.rules.image_root, notes=limits)
    place.write_text(page, encoding="utf-8", errors="replace")


def _tell_kept(staging: Transaction, tell: Callable[[str], None]) -> None:
    if staging.keep:
        tell(f"{staging.folder}: what is done is kept there; --resume goes on from it")


def _summary(
    shards: Source,
    found: Found,
    tally: Tally,
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
        groups=tuple(group.as_json() for group in found.groups.described(tally.groups)),
        unreadable=Unreadable(tally.unreadable, options.max_unreadable, tally.commonest),
        written=written,
    )


def _key(params: Params, options: Options, digest: str, places: Mapping[str, str]) -> dict[str, str]:
    """What must be the same for a run to go on from another, by name."""
    text = json.dumps([params.sha256(), _deciding(options)], sort_keys=True)
    return {
        "input": digest,
        "parameters": hashlib.sha256(text.encode()).hexdigest(),
        "version": f"{code_version()} pyarrow {pa.__version__}",
        "model": json.dumps(code_of(params.learner.model), sort_keys=True),
        "processor": processor(),
        "outputs": json.dumps([places, options.reasons], sort_keys=True),
    }


def _deciding(options: Options) -> dict[str, Any]:
    """`Options.deciding`, with the bytes of the files that it names in their places."""
    chosen = options.deciding()
    if options.overrides:
        chosen["overrides"] = [digest_of(path) for path in options.overrides]
    for name, path in (("pred_probs", options.pred_probs), ("voters", _voters_file(options.voters))):
        if path is not None and path.is_file():
            chosen[name] = digest_of(path)["sha256"]
    return chosen


def _voters_file(folder: Path | None) -> Path | None:
    return folder / FILE if folder is not None and folder.is_dir() else folder


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


def _refuse_options(kept: str | Path | None, rejected: str | Path | None, params: Params, options: Options) -> None:
    if kept is None and (not options.dry_run or rejected is not None):
        raise BadParams("no place for the kept rows is given; name OUT, or ask for a dry run (--dry-run)")
    if options.voters is not None:
        data = params.data
        for given, name in (
            (options.fit_rows, "--fit-rows"),
            (options.save_voters, "--save-voters"),
            (options.embeddings, "--embeddings"),
            (data.label, "--label"),
            (data.inputs, "--inputs"),
            (data.image_size, "--image-size"),
        ):
            if given is not None:
                raise BadParams(
                    f"--voters and {name} are given; voters fitted before bring this with them, leave it out"
                )
    for place, name in ((options.report, "--report"), (options.summary, "--summary")):
        if place is not None:
            refuse_address(local_path(str(place)), name)
    if options.summary is not None and options.summary.suffix.lower() != ".json":
        raise BadParams(f"--summary is {options.summary}; what is written there is JSON: name it *.json")
    if options.reasons and rejected is None:
        raise BadParams("--reasons is given without --rejected; name where the rejected rows go, or leave it out")
    if options.timings and options.summary is None:
        raise BadParams("--timings is given without --summary; name where the summary goes, or leave it out")


def _refuse_suffixes(
    kept: str | Path | None, rejected: str | Path | None, manifest: str | Path | None, options: Options
) -> None:
    for place, name in ((kept, "OUT"), (rejected, "--rejected"), (manifest, "--manifest")):
        if place is not None:
            refuse_suffix(str(place), name)
    if options.report is not None:
        refuse_suffix(str(options.report), "--report", page=True)


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


def parameters_sha256(params: Params, options: Options, found: Found) -> str:
    """SHA-256 (hex) of all that can change the kept rows besides the input: `Params.sha256` where options are default.

    Voters fitted before stand for the parameters that they were fitted with; they and a file of predictions, for their
    bytes.
    """
    base = params.sha256()
    if options.voters is not None:
        assert found.panel is not None
        base = hashlib.sha256(found.panel.about.model_dump_json(exclude_unset=True).encode()).hexdigest()
    changed = _deciding(options)
    if found.judge.positions is None:  # all rows were fitted to, as without the option
        changed.pop("fit_rows", None)
    if not changed:
        return base
    return hashlib.sha256(json.dumps([base, changed], sort_keys=True).encode()).hexdigest()
