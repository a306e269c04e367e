"""The user's own parquet files, untouched: data.train, and data.test if there are trusted test rows."""

from __future__ import annotations

from sanitize.data.parquet import read_arrow
from sanitize.data.plain_columns import find_columns
from sanitize.data.splits import Splits
from sanitize.errors import BadInput, BadParams
from sanitize.params import DataParams


def load(data: DataParams, seed: int) -> Splits:
    """The files' own tables, all columns and metadata; their label and input columns are looked at, not decoded.

    data     train: a parquet file; test: another, or null; label, inputs: column names, null = found
    seed     not used: the split is the user's
    Raises   BadParams: data.train is null, or an address; BadInput: a file is missing or no parquet, a column is
             missing or cannot be used, test has other columns or classes than train
    """
    if data.train is None:
        raise BadParams("data.train is null; with data.source: parquet it must be a path; set it to your parquet file")
    for key, path in (("train", data.train), ("test", data.test)):
        if path is not None and "://" in path:
            raise BadParams(
                f"data.{key} is {path!r}; must be a path of this machine, since every run looks whether its "
                f"content has changed; bring it here with `dvc import-url {path} {key}.parquet` and name that, or "
                "use `sanitize filter`"
            )
    train = read_arrow(data.train)
    columns = find_columns(train, label=data.label, inputs=data.inputs, origin=data.train)
    if data.test is None:
        return Splits(train, None)
    test = read_arrow(data.test)
    other = find_columns(test, label=columns.label, inputs=columns.inputs, origin=data.test)
    if other.modality != columns.modality:
        raise BadInput(
            f"{data.test}: inputs are {other.modality} columns, but those of {data.train} are {columns.modality}; "
            f"must be the same; write both files with the same columns"
        )
    if other.class_names != columns.class_names:
        odd = sorted(set(other.class_names) ^ set(columns.class_names))
        raise BadInput(
            f"{data.test}: classes differ from those of {data.train} in {', '.join(odd) or 'their order'}; must be the "
            f"same; give both files rows of all classes, or the same ClassLabel names in their metadata"
        )
    return Splits(train, test)
