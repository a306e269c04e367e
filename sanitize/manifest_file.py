"""A manifest that `sanitize filter --manifest` wrote: its rows, the groups of dropped rows, and what it is about."""

# N rows
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sanitize.data.parquet import read_arrow
from sanitize.data.shards import Source
from sanitize.errors import BadInput
from sanitize.evidence.base import NOTHING
from sanitize.evidence.groups import confused_with, number_of
from sanitize.filter_manifest import ID, MANIFEST
from sanitize.filter_pass import PROVENANCE
from sanitize.filter_tally import shown
from sanitize.row_ids import RowIds

GROUP = "group"  # the column of a row's group; earlier versions wrote none
NEVER_NULL = ("row", "keep", "reason", "file")
AGAIN = "make it anew with `sanitize filter --manifest`"
Pixel = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=1, le=1 << 16)]


class Group(BaseModel):
    """Rows that were dropped together.

    id        as the column `group` has it
    rows      how many rows of the manifest are dropped with it
    label     their given class
    says      the class that they look like; None = several
    cause     as in the reasons, or "confused with CLASS"
    strength  of the evidence
    evidence  what the rows share, in words
    region    (top, left, bottom, right), inclusive, in pixels of images as the filter saw them; None = none is known
    """

    model_config = ConfigDict(frozen=True)

    id: str
    rows: int = Field(ge=0)
    label: str
    says: str | None = None
    cause: str = ""
    strength: Literal["strong", "weak"] = "weak"
    evidence: str = ""
    region: tuple[Pixel, Pixel, Pixel, Pixel] | None = None


class Columns(BaseModel):
    """Which columns the filter looked at; modality: as what, joined by " + "; found: how they were found, in words."""

    model_config = ConfigDict(frozen=True)

    label: str
    inputs: tuple[str, ...]
    modality: str
    found: str = ""


class _About(BaseModel):
    """What a manifest's metadata must and may hold."""

    input_sha256: str
    parameters_sha256: str
    groups: list[Group] = []
    columns: Columns | None = None
    image_shape: tuple[Side, Side, Literal[1, 3]] | None = None


@dataclass(frozen=True)
class ManifestFile:
    """What a manifest says.

    path               its file
    table              the columns of `filter_manifest.MANIFEST`, `group` among them; null throughout where it had none
    input_sha256       of the input, as `Source.sha256`
    parameters_sha256  of what decided
    groups             those with rows, by number; empty for manifests of earlier versions
    columns            which columns were looked at; None likewise
    image_shape        height, width and channels of images as the filter saw them; None likewise, or no images
    about              all of the metadata
    """

    path: Path
    table: pa.Table
    input_sha256: str
    parameters_sha256: str
    groups: list[Group]
    columns: Columns | None
    image_shape: tuple[int, int, int] | None
    about: dict[str, Any]

    @property
    def has_ids(self) -> bool:
        """Whether rows have keys of their own: `filter --id-column`."""
        return ID.name in self.table.column_names

    def refuse_other_input(self, source: Source, digest: str) -> None:
        """BadInput where it is about another input, or its rows are not the input's, one for one and in its order.

        digest  the input's `Source.sha256`
        """
        if self.input_sha256 != digest:
            raise BadInput(
                f"{self.path}: is about an input with the SHA-256 {self.input_sha256[:12]}…, but {source.address} has "
                f"{digest[:12]}…; name the input that it was made from, or filter again"
            )
        if len(self.table) != source.rows:
            raise BadInput(f"{self.path}: has {len(self.table)} rows, but {source.address} has {source.rows}; {AGAIN}")
        first = 0
        for shard in source.shards:
            part, name = self.table.slice(first, shard.rows), shown(shard.name)
            same_n = pc.equal(part["file"], name).to_numpy() & (part["row"].to_numpy() == np.arange(shard.rows))
            if not same_n.all():
                place = int(np.flatnonzero(~same_n)[0])
                found = f"row {part['row'][place].as_py()} of {part['file'][place].as_py()}"
                raise BadInput(
                    f"{self.path}: line {first + place} is about {found}; must be about row {place} of {name}: a "
                    f"manifest has the input's order; {AGAIN}"
                )
            first += shard.rows


def ids_of(manifest: ManifestFile) -> RowIds:
    """The keys of the rows, where they have any."""
    return RowIds(manifest.table[ID.name].chunks, str(manifest.path))


def read_manifest(path: Path) -> ManifestFile:
    """Read it whole. BadInput: no manifest, or one whose metadata do not say what it is about."""
    table = read_arrow(path, allow_empty=True)
    if GROUP not in table.column_names:
        table = table.append_column(pa.field(GROUP, pa.string()), pa.nulls(len(table), pa.string()))
    for field in MANIFEST:
        if table.column_names.count(field.name) != 1 or table.schema.field(field.name).type != field.type:
            raise BadInput(f"{path}: has no column {field.name!r} of type {field.type}; {AGAIN}")
        nulls = table[field.name].null_count
        if nulls and field.name in NEVER_NULL:
            raise BadInput(f"{path}: column {field.name!r} has {nulls} nulls; must have none; {AGAIN}")
    for figure in pc.min_max(table["suspicion"]).values():
        if figure.is_valid and not 0 <= figure.as_py() <= 1:
            raise BadInput(f"{path}: column 'suspicion' holds {figure.as_py():g}; must be from 0 to 1; {AGAIN}")
    stray = table.filter(pc.and_(table["keep"], pc.is_valid(table[GROUP])))
    if len(stray):
        row, file, group = (stray[name][0].as_py() for name in ("row", "file", GROUP))
        raise BadInput(
            f"{path}: row {row} of {file} is kept, but in group {group}; groups are of dropped rows; {AGAIN}"
        )
    if ID.name in table.column_names and table.schema.field(ID.name).type != ID.type:
        raise BadInput(f"{path}: column {ID.name!r} is {table.schema.field(ID.name).type}; must be text; {AGAIN}")
    try:
        about = TypeAdapter(dict[str, Any]).validate_python(json.loads((table.schema.metadata or {})[PROVENANCE]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: does not say which input it is about; {AGAIN}") from error
    try:
        known = _About.model_validate(about)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(
            f"{path}: does not say which input it is about: {place} in its metadata: {first['msg']}; {AGAIN}"
        ) from error
    for group in known.groups:
        _refuse_region(path, group, known.image_shape)
    groups = _counted(path, table, known.groups)
    return ManifestFile(
        path=path,
        table=table,
        input_sha256=known.input_sha256,
        parameters_sha256=known.parameters_sha256,
        groups=groups,
        columns=known.columns,
        image_shape=known.image_shape,
        about=about,
    )


def _counted(path: Path, table: pa.Table, known: list[Group]) -> list[Group]:
    """The groups of the table's rows, with the number of rows of each.

    Groups that are not known, of two classes that no row was dropped for when voters were fitted, are described by
    their first row.
    """
    ids = table[GROUP].combine_chunks().drop_null()
    described = {group.id: group for group in known}
    found = []
    for counts in ids.value_counts().to_pylist():
        name, rows = counts["values"], counts["counts"]
        try:
            number = number_of(name)
        except ValueError as error:
            raise BadInput(f"{path}: column {GROUP!r} holds {error}; {AGAIN}") from error
        group = described.get(name)
        if group is None:
            first = table.slice(pc.index(table[GROUP], name).as_py(), 1).to_pylist()[0]
            label, vote = first["label"] or "", first["vote"]
            says = None if vote == label else vote
            group = Group(id=name, rows=rows, label=label, says=says, cause=confused_with(says), evidence=NOTHING)
        found.append((number, group.model_copy(update={"rows": rows})))
    return [group for _, group in sorted(found, key=lambda pair: pair[0])]


def _refuse_region(path: Path, group: Group, shape: tuple[int, int, int] | None) -> None:
    if group.region is None or shape is None:
        return
    top, left, bottom, right = group.region
    if not (top <= bottom < shape[0] and left <= right < shape[1]):
        raise BadInput(
            f"{path}: group {group.id} has the region {list(group.region)}; must lie within {shape[0]} x {shape[1]} "
            f"pixels; {AGAIN}"
        )
