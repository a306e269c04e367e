"""The user's own parquet files, untouched: data.train, and data.test if there are trusted test rows."""

from __future__ import annotations

from sanitize.data.labels import with_names
from sanitize.data.parquet import read_arrow
from sanitize.data.plain_columns import find_columns
from sanitize.data.splits import Splits
from sanitize.errors import BadInput, BadParams
from sanitize.params import DataParams


def load(data: DataParams, seed: int) -> Splits:
    """The files' own tables, all columns and metadata; their label and input columns are looked at, not decoded.

    Test labels are known by name; if they are numbers without names, the table gets the names of the training file's.

    data     train: a parquet file; test: another, or null; label, inputs: column names, null = found
    seed     not used: the split is the user's
    Raises   BadParams: data.train is null, or an address; BadInput: a file is missing or no parquet, a column is
             missing or cannot be used, test has other columns than train, or a class that train has not
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
    other = find_columns(
        test,
        label=columns.label,
        inputs=columns.inputs,
        class_names=columns.class_names,
        numbered=columns.numbered,
        origin=data.test,
    )
    if other.modality != columns.modality:
        raise BadInput(
            f"{data.test}: inputs are {other.modality} columns, but those of {data.train} are {columns.modality}; "
            f"must be the same; write both files with the same columns"
        )
    if columns.numbered and not other.numbered:  # the stages to come see the test rows by themselves
        test = with_names(test, columns.label, columns.class_names)
    return Splits(train, test)
