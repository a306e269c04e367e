"""Are the outputs the input? Values, Arrow's types, the parquet schema and metadata, file by file, by the manifest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def changed(folder: Path, given: Sequence[str]) -> str | None:
    """What differs between the input and the outputs of a `filter` that ended well; None = nothing.

    given   the command's arguments: IN and OUT come second and third; without --rejected and --manifest nothing is said
    """
    if len(given) < 3 or given[0] != "filter" or not {"--rejected", "--manifest"} <= set(given):
        return None
    source, kept = given[1].removeprefix("file://"), folder / given[2]
    rejected, manifest = (folder / given[given.index(name) + 1] for name in ("--rejected", "--manifest"))
    if "://" in source or not kept.exists() or not manifest.exists():
        return None
    verdicts = pq.read_table(manifest)
    if kept.is_file():
        return _file(folder / source, kept, rejected, verdicts)
    base = folder / re.split(r"[^/]*[*?[]", source, maxsplit=1)[0]
    names = [path.relative_to(kept) for path in kept.rglob("*") if path.is_file()]
    told = verdicts["file"].to_numpy(zero_copy_only=False)
    for name in names:
        shown = str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        problem = _file(base / name, kept / name, rejected / name, verdicts.filter(pa.array(told == shown)))
        if problem:
            return f"{shown}: {problem}"
    return None


def _file(source: Path, kept: Path, rejected: Path, verdicts: pa.Table) -> str | None:
    keep = verdicts["keep"].to_numpy(zero_copy_only=False).astype(bool)
    if verdicts["row"].to_pylist() != list(range(len(keep))):
        return "the manifest does not have every row once"
    given = _read(source)
    if len(given["rows"]) != len(keep):
        return f"{len(given['rows'])} rows, but {len(keep)} verdicts"
    for path, mask in ((kept, keep), (rejected, ~keep)):
        if not path.exists():
            return f"{path.name} is missing"
        made = _read(path)
        for what in ("schema of Arrow", "schema of parquet"):
            if made[what] != given[what]:
                pairs = zip(given[what], made[what], strict=False)
                return f"{what}: {next((pair for pair in pairs if pair[0] != pair[1]), 'other columns')}"[:300]
        if not given["metadata"].items() <= made["metadata"].items():
            return f"metadata {sorted(given['metadata'].keys() - made['metadata'].keys())} are lost or changed"
        wanted = [row for row, is_in in zip(given["rows"], mask, strict=True) if is_in]
        if made["rows"] != wanted:
            differing = next((pair for pair in zip(wanted, made["rows"], strict=False) if pair[0] != pair[1]), "rows")
            return f"values changed: {differing}"[:300]
    return None


def _read(path: Path) -> dict[str, Any]:
    """A file's rows and schemas, by pyarrow, times of INT96 with the unit that reaches farthest."""
    with open(path, "rb") as raw, pq.ParquetFile(raw, coerce_int96_timestamp_unit="ms") as file:
        table = file.read()
        schema = file.schema
        columns = [schema.column(number) for number in range(len(schema.names))]
        metadata = {key: value for key, value in (file.metadata.metadata or {}).items() if key != b"ARROW:schema"}
        return {
            "rows": _rows(table),
            "schema of Arrow": [(field.name, str(field.type), field.nullable) for field in table.schema],
            "schema of parquet": [
                (c.path, c.physical_type, c.length, _meaning(c), c.max_definition_level, c.max_repetition_level)
                for c in columns
            ],
            "metadata": {key: value for key, value in metadata.items() if key != b"sanitize"},
        }


def _meaning(column: Any) -> str:
    """The logical type, the format's old words and its new ones for one thing made equal."""
    found = re.sub(r"is_from.*", "", str(column.logical_type))
    return re.sub(r"Int\(bitWidth=(32|64), isSigned=true\)", "None", found)


def _rows(table: pa.Table) -> list[str]:
    columns = [_plain(column) for column in table.columns]
    return [repr(row) for row in zip(*columns, strict=True)] if columns else [""] * table.num_rows


def _plain(column: pa.ChunkedArray) -> list[Any]:
    """Values that can be compared; far dates and nanoseconds as numbers, which Python's own types cannot hold."""
    if pa.types.is_timestamp(column.type) or pa.types.is_duration(column.type) or pa.types.is_time(column.type):
        width = pa.int32() if column.type.bit_width == 32 else pa.int64()
        return list(column.cast(width).to_pylist())
    if pa.types.is_fixed_size_list(column.type) and pa.types.is_floating(column.type.value_type):
        return [None if row is None else np.array(row).tobytes() for row in column.to_pylist()]
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, UnicodeDecodeError):
        return [repr(value) for chunk in column.chunks for value in chunk]
