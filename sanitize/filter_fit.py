"""From an input to a judge of its rows: find columns and classes, read rows, fit voters or take those of before."""

# N rows, n rows of a batch, C classes
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import sanitize
from sanitize.data.columns import choose_label
from sanitize.data.detect import Choice, choose
from sanitize.data.labels import NONE, LabelEncoder, Reading, count_labels, reading_of
from sanitize.data.looks import fits
from sanitize.data.predictions import Predictions, read_predictions
from sanitize.data.recipe import Recipe, fit_recipe
from sanitize.data.sampling import draw_sample, quotas, small_classes
from sanitize.data.shards import Source
from sanitize.data.source_sample import sample_source
from sanitize.data.stored import Bad
from sanitize.data.table import IntArray, Table, refuse_constant
from sanitize.errors import BadInput, BadParams
from sanitize.evidence.groups import Groups
from sanitize.evidence.views import shown_columns, views_of
from sanitize.execution import OrderedMap
from sanitize.filter_judges import Classes, Rows, RowScorer, laid_out
from sanitize.filter_memory import Fit, Memory
from sanitize.filter_options import Rules
from sanitize.filter_tally import UNREADABLE
from sanitize.filtering import Steps, filter_table
from sanitize.panel import Bench, Panel, fit_panel, judges_of
from sanitize.params import Params
from sanitize.row_ids import refuse_id_column
from sanitize.signal import NoSignal
from sanitize.whereabouts import told


@dataclass(frozen=True)
class Found:
    """A judge, and what it rests on.

    seen   which columns are looked at, as what, in words
    panel  the voters, where they were asked for
    groups of the rows that were dropped of those fitted to
    notes  what a person should know about the labels
    """

    judge: RowScorer
    recipe: Recipe
    modality: str
    seen: str
    panel: Panel | None
    groups: Groups
    notes: tuple[str, ...] = ()

    def made_with(self, params: Params) -> dict[str, Any]:
        """Preset and seed of the voters; no preset where they were fitted before."""
        if self.judge.verdicts is None and self.panel is not None:
            return {"preset": None, "seed": self.panel.about.seed}
        return {"preset": params.preset, "seed": params.seed}

    def about(self, params: Params) -> dict[str, Any]:
        """What a manifest says of the run; preset and seed as in `Summary`."""
        return {
            **self.made_with(params),
            "columns": {
                "label": self.recipe.label,
                "inputs": list(self.recipe.inputs),
                "modality": self.modality,
                "found": self.seen,
            },
            "image_shape": list(self.recipe.shape) if self.recipe.modality == "image" else None,
            "groups": [group.as_json() for group in self.groups.known],
        }


def find_choice(
    source: Source,
    params: Params,
    embeddings: str | None = None,
    image_root: Path | None = None,
    id_column: str | None = None,
) -> Choice:
    """Which columns to look at, but for `id_column`.

    Raises  BadInput, BadParams: as `choose` and `refuse_id_column`; `embeddings` is no column of vectors
    """
    schema = source.schema
    if id_column is not None:
        refuse_id_column(source, id_column, params.data.label or "", [embeddings or "", *(params.data.inputs or ())])
        schema = schema.remove(schema.get_field_index(id_column))
    if embeddings is not None and params.data.inputs is not None:
        raise BadParams(f"--embeddings is {embeddings!r} and --inputs is given; name the columns with one of them")
    inputs = [embeddings] if embeddings is not None else params.data.inputs
    label, _ = choose_label(schema.names, params.data.label, inputs, source.address)
    source.refuse_unlike(label, ())
    sample = sample_source(source, label, inputs)
    choice = choose(schema, sample, label=params.data.label, inputs=inputs, origin=source.address, root=image_root)
    if embeddings is not None and choice.modality != "vector":
        kind = schema.field(embeddings).type
        raise BadInput(f"{source.address}: column {embeddings!r} has type {kind}; embeddings must be lists of numbers")
    source.refuse_unlike(choice.label, choice.inputs)
    return choice


def _labels(source: Source, label: str) -> Iterator[tuple[Reading, pa.Array]]:
    """The label column batch by batch, each with how its file holds labels."""
    for shard, _, batch in source.batches([label]):
        yield reading_of(shard.schema, label, shard.name), batch.column(0)


def find_classes(source: Source, label: str, rules: Rules, params: Params) -> tuple[Classes, IntArray]:
    """The classes, and how many rows each judged one has, int64 [C]. BadInput: fewer than two can be judged."""
    origin = source.address
    least = max(rules.least_class, params.ispl.components)
    values = count_labels(_labels(source, label), label, origin)
    code = LabelEncoder.fit(values, label, origin, least)
    counted = code.rows(values)
    small = {name: counted[name] for name in small_classes(counted, least)}
    judged = tuple(name for name in counted if counted[name] and name not in small)
    if len(judged) < 2:
        only = f"one class only, {judged[0]!r}" if judged else "no class"
        few = f" with {least} rows or more; {len(small)} others have fewer" if small else ""
        raise BadInput(
            f"{origin}: label column {label!r} has {only}{few}; must have at least 2; add rows of other classes, or "
            f"name another label column"
        )
    places = {name: place for place, name in enumerate(judged)}
    to_panel = np.array([places.get(name, NONE) for name in counted], np.int64)
    return Classes(code, small, to_panel, judged), np.array([counted[name] for name in judged], np.int64)


def take_panel(
    source: Source, panel: Panel, rules: Rules, *, pred_probs: Path | None, threads: int, device: str
) -> Found:
    """A judge of voters that were fitted before. BadInput: columns that are not there, or of another kind."""
    recipe, schema = panel.about.recipe, source.schema
    for name in (recipe.label, *recipe.inputs):
        if schema.names.count(name) != 1:
            raise BadInput(f"{source.address}: has {schema.names.count(name)} columns {name!r}; the voters need one")
    for feature in recipe.features:
        if not fits(feature.kind, feature.how, schema.field(feature.name).type):
            raise BadInput(
                f"{source.address}: column {feature.name!r} has type {schema.field(feature.name).type}; the voters "
                f"were fitted to a column of kind {feature.kind}; fit them again"
            )
    source.refuse_unlike(recipe.label, recipe.inputs)
    values = count_labels(_labels(source, recipe.label), recipe.label, source.address)
    code = LabelEncoder.known(
        recipe.classes, recipe.numbers, values, recipe.label, source.address, "the file that the voters were fitted to"
    )
    classes = Classes(code, {}, np.arange(len(recipe.classes)), recipe.classes)
    rows = Rows(source, recipe, classes, rules)
    bench = Bench(panel, device)
    more = _predictions(source, pred_probs, classes)
    seen = f"{recipe.seen}; {len(panel.voters)} voters fitted before"
    judge = RowScorer(rows, None, None, bench, more, threads)
    return Found(judge, recipe, _modality(recipe), seen, panel, bench.groups, code.notes)


def _predictions(source: Source, path: Path | None, classes: Classes) -> list[Predictions]:
    if path is None:
        return []
    with told("doing", f"read {path}"):
        return [read_predictions(path, source.rows, classes.code.names, classes.judged)]


def _modality(recipe: Recipe) -> str:
    tabular = ("number", "boolean", "category", "date")
    kinds = ["tabular" if feature.kind in tabular else feature.kind for feature in recipe.features]
    return " + ".join(dict.fromkeys(kinds))


def fit_judge(
    source: Source,
    params: Params,
    rules: Rules,
    *,
    fit_rows: int | None,
    embeddings: str | None,
    id_column: str | None,
    pred_probs: Path | None,
    keep_panel: bool,
    input_sha256: str,
    memory: Memory,
    threads: int,
    map: OrderedMap,
    steps: Steps,
) -> Found:
    """Fit voters to the input's rows, or to a stratified sample of them; or take what fitting came to before.

    fit_rows    rows of the sample; the voters then judge all others in a stream. None, or as many as there are = all
                rows, in memory
    embeddings  the one column of vectors to look at; None = the columns that are named or found
    id_column   a column that is not looked at: the rows' keys
    pred_probs  file of somebody's own out-of-sample predictions, one more voter
    keep_panel  whether the voters are to be had afterwards
    memory      what an earlier run of the same input and parameters has left; the fit is kept there
    """
    if not source.rows:
        raise BadInput(f"{source.address}: has no rows; must have at least 1")
    choice = find_choice(source, params, embeddings, rules.image_root, id_column)
    classes, rows_C = find_classes(source, choice.label, rules, params)
    more = _predictions(source, pred_probs, classes)
    fit = memory.fit()
    if fit is None:
        positions = None
        if fit_rows is not None and fit_rows < source.rows:
            positions = _sample(source, choice.label, classes, rows_C, fit_rows, params, rules)
        fit = _fit(
            source, choice, classes, params, rules, positions, more, keep_panel, input_sha256, map=map, steps=steps
        )
        memory.keep_fit(fit)
    rows = Rows(source, fit.recipe, classes, rules)
    bench = None
    if fit.positions is not None:
        assert fit.panel is not None
        bench = Bench(fit.panel, params.learner.device)
    judge = RowScorer(rows, fit.verdicts, fit.positions, bench, more, threads)
    return Found(judge, fit.recipe, choice.modality, fit.recipe.seen, fit.panel, fit.groups, classes.code.notes)


def _sample(
    source: Source, label: str, classes: Classes, rows_C: IntArray, total: int, params: Params, rules: Rules
) -> IntArray:
    """The positions of a stratified sample, ascending."""
    quota_C = quotas(rows_C, total, max(rules.least_class, params.ispl.components))
    codes = (
        classes.judged_of(classes.code.encode(column, reading, label, source.address)[0])
        for reading, column in _labels(source, label)
    )
    return draw_sample(codes, quota_C, params.seed)


def _fit(
    source: Source,
    choice: Choice,
    classes: Classes,
    params: Params,
    rules: Rules,
    positions: IntArray | None,
    more: Sequence[Predictions],
    keep_panel: bool,
    input_sha256: str,
    *,
    map: OrderedMap,
    steps: Steps,
) -> Fit:
    """Fit to the rows at `positions`, or to all of them; their verdicts are then known."""
    table, code_N, wrong, owners = _gathered(source, choice, classes, positions)
    recipe = fit_recipe(table, choice, classes.judged, params.data.image_size, rules.image_root)
    recipe = recipe.model_copy(update={"numbers": classes.code.numbers})
    inputs, code_n, panel_n, judged_n, reason_n, keep_n = Rows(source, recipe, classes, rules).read(
        table, code_N, wrong, owners.name_of
    )
    judged = np.flatnonzero(judged_n)
    shown = table.select(shown_columns(recipe)).take(judged)
    del table  # images as bytes are no longer needed beside their pixels
    _refuse_too_few(source, params, panel_n[judged], classes, reason_n, owners)
    fitted = Table(
        judged if positions is None else positions[judged],
        inputs if len(judged) == len(inputs) else inputs[judged],
        panel_n[judged],
        classes.judged,
        recipe.modality,
    )
    del inputs
    refuse_constant(fitted.inputs, recipe.seen, source.address)
    own = [predictions.rows(fitted.ids) for predictions in more]
    try:
        views = views_of(fitted, recipe, shown)
        del shown
        found = filter_table(fitted, params, external=own, views=views, map=map, steps=steps)
    except NoSignal as error:
        raise NoSignal(error.figures, source.address, choice.inputs, choice.label) from error
    panel = None
    if keep_panel or positions is not None:
        with steps("judges", max(1, judges_of(params))) as advance:
            panel = fit_panel(
                fitted,
                recipe,
                params,
                found,
                fitted_sha256=input_sha256,
                version=sanitize.__version__,
                map=map,
                advance=advance,
            )
    verdicts = laid_out(len(code_n), judged, found.manifest, found.votes, reason_n, keep_n, code_n)
    return Fit(recipe, panel, verdicts, positions, found.groups)


@dataclass(frozen=True)
class Owners:
    """Which shard each row that was read came from."""

    source: Source
    positions: IntArray | None

    def name_of(self, row: int) -> str:
        """ "FILE: row NUMBER" of a row that was read."""
        place = row if self.positions is None else int(self.positions[row])
        for shard in self.source.shards:
            if place < shard.rows:
                return f"{shard.name}: row {place}"
            place -= shard.rows
        raise AssertionError("a row beyond the last shard")


def _gathered(
    source: Source, choice: Choice, classes: Classes, positions: IntArray | None
) -> tuple[pa.Table, IntArray, Bad, Owners]:
    """The inputs of all rows, or of those at `positions` (ascending); their labels as codes, and what is wrong."""
    types = pa.schema([(name, source.schema.field(name).type) for name in choice.inputs])
    batches: list[pa.RecordBatch] = []
    codes = [np.empty(0, np.int64)]
    wrong: Bad = {}
    first = taken = 0
    for shard, _, batch in source.batches([*choice.inputs, choice.label]):
        last = first + batch.num_rows
        if positions is not None:
            inside = positions[np.searchsorted(positions, first) : np.searchsorted(positions, last)] - first
            batch = batch.take(pa.array(inside))  # a slice, even of no rows, would hold the whole batch
        reading = reading_of(shard.schema, choice.label, shard.name)
        code_n, bad = classes.code.encode(batch.column(len(choice.inputs)), reading, choice.label, shard.name)
        wrong |= {taken + row: cause for row, cause in bad.items()}
        codes.append(code_n)
        batches.append(pa.RecordBatch.from_arrays(batch.columns[: len(choice.inputs)], schema=types))
        first, taken = last, taken + batch.num_rows
    table = pa.Table.from_batches(batches, types)
    return table.unify_dictionaries(), np.concatenate(codes), wrong, Owners(source, positions)


def _refuse_too_few(
    source: Source, params: Params, label_N: IntArray, classes: Classes, reason_n: NDArray[np.object_], owners: Owners
) -> None:
    """BadInput where too many rows could not be read for the classes to be told apart."""
    rows_C = np.bincount(label_N, minlength=len(classes.judged))
    present = np.flatnonzero(rows_C)
    short = [c for c in present if rows_C[c] < params.ispl.components]
    if len(present) >= 2 and not short:
        return
    unread = [row for row, reason in enumerate(reason_n) if reason.startswith(UNREADABLE)]
    example = f", such as {owners.name_of(unread[0])}, {reason_n[unread[0]].partition(': ')[2]}" if unread else ""
    which = (
        f"class {classes.judged[short[0]]!r} has {rows_C[short[0]]}" if short else f"{len(present)} classes have any"
    )
    raise BadInput(
        f"{source.address}: of the rows that can be read {which}; two classes with {params.ispl.components} rows each "
        f"are needed; {len(unread)} rows cannot be read{example}"
    )
