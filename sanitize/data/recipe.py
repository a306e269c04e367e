"""Rows of any columns -> what a learner takes: a recipe is fitted to some rows, stored as JSON, used on all others.

One image column stays images. Everything else becomes one vector of numbers per row: vectors as they are, numbers and
booleans (a missing value becomes the column's mean, and is told beside it), categories as one place per value, dates in
days, text as hashed words and pairs of words, and images among other columns as small pictures' pixels.
"""

# N rows, n rows of one batch, D features, H x W pixels, K channels
from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sanitize.data import stored, written
from sanitize.data.detect import Choice
from sanitize.data.features import exact_numbers, storage
from sanitize.data.looks import Kind, Look, distinct_values
from sanitize.data.pictures import array_pictures, array_shape, common_shape, read_pictures
from sanitize.data.stored import Bad, How, is_text, texts
from sanitize.data.table import FloatArray, Modality

TEXT_WIDTH = 1024  # hashed features of one text column
SMALL_SIDE = 16  # pixels of an image that is seen together with other columns


NAMED = 10  # classes, and columns, that a message names


class Feature(BaseModel):
    """How one column becomes numbers.

    width    numbers per row (an image alone: 0)
    values   a category's; a value that is none of them takes the last place
    mean     what stands for a missing number; what is subtracted from dates, days
    missing  whether a number that says "is missing" follows
    shape    an image's height, width and channels
    ground   grey level below what is transparent in an image
    how      how its stored values become plain ones, see `stored`; "" = they are
    array    of arrays and vectors that are not plain lists: the shape they are stored in
    scale    what an image's array is multiplied with to lie within 0..255
    form     how numbers or dates in text are written
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: Kind
    width: int = Field(ge=0, le=1_000_000)
    values: tuple[str, ...] = ()
    mean: float = Field(0.0, allow_inf_nan=False)
    missing: bool = False
    shape: tuple[int, int, Literal[1, 3]] | None = None
    ground: int = Field(255, ge=0, le=255)
    how: How = ""
    array: tuple[int, ...] = ()
    scale: float = Field(1.0, allow_inf_nan=False)
    form: str = ""


class Recipe(BaseModel):
    """How rows become a Table's inputs.

    label     the label column's name
    classes   the names of label 0..C-1
    numbers   the ClassLabel names that the numbers 0, 1, … had in the file it was fitted to; () = labels were values;
              None = a version that did not tell has saved it
    features  in the order of their numbers
    modality  of the Table: image, vector or tabular
    seen      what the columns are, in words
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    classes: tuple[str, ...]
    features: tuple[Feature, ...] = Field(min_length=1)
    modality: Modality
    seen: str
    numbers: tuple[str, ...] | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The input columns' names."""
        return tuple(feature.name for feature in self.features)

    @property
    def expected(self) -> str:
        """What a row holds in its columns if it can be read, in words."""
        more = ", …" if len(self.classes) > NAMED else ""
        names = ", ".join(repr(name) for name in self.classes[:NAMED])
        columns = [f"label column {self.label!r} one of {names}{more}"]
        for feature in self.features:
            what = f"vector of {feature.width} finite numbers" if feature.kind == "vector" else feature.kind
            columns.append(f"column {feature.name!r} {what}")
        return "; ".join(columns[: NAMED + 1])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row of the Table's inputs."""
        if self.modality == "image":
            assert self.features[0].shape is not None
            return self.features[0].shape
        return (sum(feature.width for feature in self.features),)

    def decode(self, rows: pa.Table, image_root: Path | None = None) -> tuple[NDArray[Any], Bad]:
        """Inputs of rows, laid out as Table.inputs, and the rows that cannot be read, whose inputs are zeros.

        rows        with the columns `inputs`
        image_root  folder below which images may be opened by their path where their bytes are null; None = nowhere
        """
        bad: Bad = {}
        if self.modality == "image":
            return self._pictures(self.features[0], rows, image_root, bad), bad
        parts = [self._numbers(feature, rows, image_root, bad) for feature in self.features]
        inputs_nD = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        inputs_nD[list(bad)] = 0
        return inputs_nD, bad

    def _pictures(self, feature: Feature, rows: pa.Table, root: Path | None, bad: Bad) -> NDArray[np.uint8]:
        assert feature.shape is not None
        column = rows.column(feature.name)
        if feature.how in stored.ARRAYS:
            values, wrong = stored.arrays(column, feature.how, feature.array)
            pixels, off = array_pictures(values, feature.scale, feature.shape)
            wrong = {**off, **wrong}
        else:
            column, _ = stored.plain(column, feature.how)
            pixels, wrong = read_pictures(column, feature.shape, root, feature.ground)
        _note(bad, wrong, feature.name)
        return pixels

    def _numbers(self, feature: Feature, rows: pa.Table, root: Path | None, bad: Bad) -> FloatArray:
        column = rows.column(feature.name)
        if feature.kind == "image":
            small = self._pictures(feature, rows, root, bad)
            return small.reshape(len(small), -1).astype(np.float32) / np.float32(255)
        if feature.kind == "vector":
            if feature.how:
                vectors, wrong = read_arrays(column, feature.how, feature.array)
            else:
                vectors, wrong = read_vectors(storage(column), feature.width)
            _note(bad, wrong, feature.name)
            return vectors
        if feature.kind == "category":
            return _one_hot(storage(column), feature)
        if feature.kind == "text":
            return hashed_text(texts(storage(column)))
        plain, wrong = stored.plain(column, feature.how, feature.form)
        _note(bad, wrong, feature.name)
        numbers, wrong = _scalars(plain, feature)
        _note(bad, wrong, feature.name)
        return numbers


def _note(bad: Bad, wrong: Bad, name: str) -> None:
    for row, cause in wrong.items():
        bad.setdefault(row, f"column {name!r}: {cause}")


def fit_recipe(
    rows: pa.Table, choice: Choice, classes: tuple[str, ...], image_size: int | None, image_root: Path | None = None
) -> Recipe:
    """The recipe for columns of these kinds, fitted to some rows.

    rows        with the columns of `choice`; at least one
    classes     the names of label 0..C-1
    image_size  pixels square at which images are looked at; None = their own, or 32 where they have several
    image_root  as for `Recipe.decode`
    """
    alone = [kind for _, kind in choice.kinds] == ["image"]
    features = []
    notes = []
    for name, look in choice.looks:
        feature, note = _fitted(name, look, rows.column(name), image_size, alone, image_root)
        features.append(feature)
        notes += [note] if note else []
    modality: Modality = "tabular" if all(kind in ("number", "boolean") for _, kind in choice.kinds) else "vector"
    seen = "; ".join([choice.found, *notes])
    return Recipe(
        label=choice.label,
        classes=classes,
        features=tuple(features),
        modality="image" if alone else modality,
        seen=seen,
    )


def _fitted(
    name: str, look: Look, column: pa.ChunkedArray, image_size: int | None, alone: bool, root: Path | None
) -> tuple[Feature, str]:
    """One column's feature, and what is done to its images, in words."""
    assert look.kind is not None
    kind, how = look.kind, look.how
    if kind == "image":
        side = image_size or (None if alone else SMALL_SIDE)
        ground = 255
        if how in stored.ARRAYS:
            shape, note = array_shape(look.shape, side)
        else:
            shape, ground, note = common_shape(stored.plain(column, how)[0], side, root)
        width = 0 if alone else int(np.prod(shape))
        array = look.shape if how in stored.ARRAYS else ()
        found = Feature(
            name=name, kind=kind, width=width, shape=shape, ground=ground, how=how, array=array, scale=look.scale
        )
        return found, note
    if kind == "vector" and how:
        array = look.shape or stored.common_shape(column, how)
        return Feature(name=name, kind=kind, width=int(np.prod(array)), how=how, array=array), ""
    if kind == "vector":
        return Feature(name=name, kind=kind, width=_common_width(storage(column))), ""
    if kind == "category":
        values = tuple(distinct_values(storage(column)))
        return Feature(name=name, kind=kind, width=len(values) + 1, values=values), ""
    if kind == "text":
        return Feature(name=name, kind=kind, width=TEXT_WIDTH), ""
    exact = exact_numbers(stored.plain(column, how, look.form)[0], date=kind == "date")
    present = exact[np.isfinite(exact)]
    missing = bool(np.isnan(exact).any())
    mean = float(present.mean()) if len(present) else 0.0
    return Feature(name=name, kind=kind, width=1 + missing, mean=mean, missing=missing, how=how, form=look.form), ""


def read_arrays(column: pa.ChunkedArray, how: How, shape: tuple[int, ...]) -> tuple[FloatArray, Bad]:
    """Arrays, flat, as float32 [n, D], zeros in the rows that are null, of another shape or not finite."""
    values, bad = stored.arrays(column, how, shape)
    return _finite(values.reshape(len(values), -1), bad)


def _finite(values: NDArray[Any], bad: Bad) -> tuple[FloatArray, Bad]:
    with np.errstate(over="ignore"):
        vectors: FloatArray = values.astype(np.float32)
    finite = np.isfinite(vectors.sum(axis=1, dtype=np.float64))
    if not finite.all():
        vectors = vectors.copy()
        for row in np.flatnonzero(~finite):
            place = int(np.flatnonzero(~np.isfinite(vectors[row]))[0])
            bad[int(row)] = f"value {place} is {vectors[row, place]}, a null, or beyond float32; must be finite"
            vectors[row] = 0
    return vectors, bad


def read_vectors(column: pa.ChunkedArray, width: int) -> tuple[FloatArray, Bad]:
    """A column of lists as float32 [n, width], zeros in the rows that are null, of another length or not finite."""
    rows = len(column)
    lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy()
    good = lengths == width
    bad: Bad = {
        int(row): "is null" if lengths[row] < 0 else f"vector has {lengths[row]} values, others have {width}"
        for row in np.flatnonzero(~good)
    }
    chosen = column if good.all() else column.filter(pa.array(good))
    values = pa.chunked_array([chunk.flatten() for chunk in chosen.chunks], column.type.value_type)
    with np.errstate(over="ignore"):
        flat = values.to_numpy().astype(np.float32).reshape(len(chosen), width)
    vectors = flat
    if not good.all():
        vectors = np.zeros((rows, width), np.float32)
        vectors[good] = flat
    return _finite(vectors, bad)


def _common_width(column: pa.ChunkedArray) -> int:
    lengths = pc.list_value_length(column).drop_null().to_numpy()
    if not len(lengths):
        return max(getattr(column.type, "list_size", 0), 0)
    widths, counts = np.unique(lengths, return_counts=True)
    return int(widths[counts.argmax()])


def _scalars(column: pa.ChunkedArray, feature: Feature) -> tuple[FloatArray, Bad]:
    """A number, boolean or date as float32 [n, 1], or [n, 2] with "is missing" beside it."""
    exact = exact_numbers(column, date=feature.kind == "date")
    absent = np.isnan(exact)
    exact = np.where(absent, feature.mean, exact)
    if feature.kind == "date":
        exact = exact - feature.mean
    with np.errstate(over="ignore"):
        numbers = exact.astype(np.float32)
    bad: Bad = {
        int(row): f"is {exact[row]}; must lie within float32, +-3.4e38" for row in np.flatnonzero(~np.isfinite(numbers))
    }
    numbers[list(bad)] = 0
    parts = [numbers, absent.astype(np.float32)] if feature.missing else [numbers]
    return np.stack(parts, axis=1), bad


def _one_hot(column: pa.ChunkedArray, feature: Feature) -> FloatArray:
    """float32 [n, values + 1]: 1 in the value's place, in the last one where it is missing or none of them."""
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    if not is_text(plain.type) and not stored.is_binary(plain.type):
        plain = plain.cast(pa.string())
    places = {value: place for place, value in enumerate(feature.values)}
    other = len(feature.values)
    place_n = [other if value is None else places.get(value, other) for value in texts(plain)]
    hot: FloatArray = np.zeros((len(place_n), other + 1), np.float32)
    hot[np.arange(len(place_n)), place_n] = 1
    return hot


def hashed_text(values: list[str | None]) -> FloatArray:
    """Texts as float32 [n, TEXT_WIDTH]: hashed words and pairs of words, each row of length 1; a missing text is 0."""
    from sklearn.feature_extraction.text import HashingVectorizer  # takes a second to import

    hashing = HashingVectorizer(
        n_features=TEXT_WIDTH, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", dtype=np.float32
    )
    hashed: FloatArray = hashing.transform([written.spaced(value or "") for value in values]).toarray()
    return hashed
