"""The rows that a page shows, read from the source: only they are decoded, and each is made small at once."""

# n rows of a batch, H x W pixels, K channels
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sanitize.data.columns import choose_label
from sanitize.data.decoder import Unreadable, open_image, upright_size
from sanitize.data.detect import Choice, choose
from sanitize.data.features import storage
from sanitize.data.images import Pixels
from sanitize.data.recipe import Recipe, fit_recipe
from sanitize.data.shards import Source
from sanitize.data.source_sample import sample_source
from sanitize.data.stored import bytes_and_paths, is_binary, is_list, is_text, plain_type, texts, values_of
from sanitize.data.table import IntArray
from sanitize.errors import BadInput
from sanitize.manifest_file import ManifestFile
from sanitize.report.pictures import LONGEST, resized, within

LARGEST = 512  # pixels a side at which a manifest may want images to be looked at
FIRST_VALUES = 8  # of a vector
SHOWN_COLUMNS = 12
MISSING = "null"


@dataclass(frozen=True)
class View:
    """How rows are shown.

    choice   the columns looked at
    recipe   decodes the images as the filter saw them; None = there are none
    closer   the same with more pixels, where the images have them
    image    the column of images that is shown; None likewise
    columns  the other columns that are shown
    more     columns that are not
    """

    choice: Choice
    recipe: Recipe | None
    closer: Recipe | None
    image: str | None
    columns: tuple[str, ...]
    more: int

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """Height, width and channels of images as the filter saw them; None = there are none."""
        return None if self.recipe is None else self.recipe.features[0].shape

    @property
    def shown(self) -> tuple[int, int, int] | None:
        """The same of images as they are shown."""
        return None if self.closer is None else self.closer.features[0].shape

    @property
    def texts(self) -> list[str]:
        """The columns that are text."""
        return [name for name, kind in self.choice.kinds if kind == "text" and name in self.columns]


def view_of(source: Source, manifest: ManifestFile, image_root: Path | None = None) -> View | None:
    """Which columns to show and how; None = the manifest does not say and it cannot be found out.

    Raises  BadInput: the input lacks a column that the manifest names
    """
    known = manifest.columns
    schema = source.schema
    label, inputs = (None, None) if known is None else (known.label, list(known.inputs))
    for name in [] if known is None else [known.label, *known.inputs]:
        if schema.names.count(name) != 1:
            raise BadInput(
                f"{manifest.path}: names a column {name!r}, of which {source.address} has {schema.names.count(name)}; "
                "make the manifest anew with `sanitize filter --manifest`"
            )
    try:
        label, _ = choose_label(schema.names, label, inputs, source.address)
        sample = sample_source(source, label, inputs)
        choice = choose(schema, sample, label=label, inputs=inputs, origin=source.address, root=image_root)
    except BadInput:
        if known is not None:
            raise
        return None
    source.refuse_unlike(choice.label, choice.inputs)
    images = [(name, look) for name, look in choice.looks if look.kind == "image"][:1]
    recipe = closer = None
    if images:
        name = images[0][0]
        rows = pa.table({name: sample.columns[name]})
        alone = Choice(choice.label, tuple(images), "image", choice.found)
        recipe = _as_seen(fit_recipe(rows, alone, (), None, image_root), manifest.image_shape)
        closer = _closer(recipe, rows.column(name))
    evidence = "\n".join(group.evidence for group in manifest.groups)
    others = [name for name, look in choice.looks if look.kind != "image"]
    others.sort(key=lambda name: f"{name} = " not in evidence)  # stable: those that an evidence names first
    shown = tuple(others[:SHOWN_COLUMNS])
    return View(choice, recipe, closer, images[0][0] if images else None, shown, len(others) - len(shown))


def _as_seen(recipe: Recipe, shape: tuple[int, int, int] | None) -> Recipe:
    """The recipe with images in the shape in which the filter saw them, where they can be decoded so."""
    (feature,) = recipe.features
    if shape is None or max(shape[:2]) > LARGEST or (feature.array and shape[0] != shape[1]):
        return recipe
    return _shaped(recipe, shape)


def _closer(recipe: Recipe, column: pa.ChunkedArray) -> Recipe:
    """The recipe with images of up to LONGEST pixels a side, where most of a sample have more than the filter saw."""
    (feature,) = recipe.features
    assert feature.shape is not None
    if feature.array or feature.how or max(feature.shape[:2]) >= LONGEST:
        return recipe
    sizes: Counter[tuple[int, int]] = Counter()
    for blob, _ in bytes_and_paths(column):
        with suppress(Unreadable):
            if blob is not None:
                with open_image(blob) as image:
                    width, height = upright_size(image)
                sizes[height, width] += 1
    if not sizes:
        return recipe
    (size, rows), *_ = sizes.most_common(1)
    if max(size) <= max(feature.shape[:2]):
        return recipe
    height, width = within(size, LONGEST) if rows == sizes.total() else (LONGEST, LONGEST)
    return _shaped(recipe, (height, width, feature.shape[2]))


def _shaped(recipe: Recipe, shape: tuple[int, int, int]) -> Recipe:
    (feature,) = recipe.features
    return recipe.model_copy(update={"features": (feature.model_copy(update={"shape": shape}),)})


@dataclass
class Mean:
    """The mean of images, taken one after the other: float64 [H, W, K]."""

    total: NDArray[np.float64]
    rows: int = 0

    def take(self, pixels: Pixels) -> None:
        """Count images [n, H, W, K]."""
        self.total += pixels.sum(axis=0, dtype=np.float64)
        self.rows += len(pixels)

    @property
    def value(self) -> NDArray[np.float64]:
        """The mean, 0..255; of no images 0."""
        return self.total / max(1, self.rows)


@dataclass
class Seen:
    """What was read.

    pictures  position -> uint8 [h, w, K], made small
    values    position -> a text for each of the view's columns
    wrong     position -> why its image cannot be shown
    means     as many as were asked for
    """

    pictures: dict[int, Pixels] = field(default_factory=dict)
    values: dict[int, list[str]] = field(default_factory=dict)
    wrong: dict[int, str] = field(default_factory=dict)
    means: list[Mean] = field(default_factory=list)


def read_rows(
    source: Source,
    view: View,
    listed: IntArray,
    pictured: IntArray,
    averaged: Sequence[IntArray],
    *,
    tile: tuple[int, int],
    longest: int,
    image_root: Path | None = None,
) -> Seen:
    """Read rows, in one go through those files that have any.

    listed    positions whose values are wanted, int64, in any order
    pictured  positions whose images are wanted
    averaged  sets of positions, each of whose mean image is wanted
    tile      height and width of the images
    longest   characters of a value
    """
    shape = view.shape
    if shape is None:
        pictured, averaged = np.empty(0, np.int64), []
    seen = Seen(means=[Mean(np.zeros(shape)) for _ in averaged] if shape else [])
    wanted = np.unique(np.concatenate([listed, pictured, *averaged]).astype(np.int64))
    is_listed, is_pictured = (np.isin(wanted, places) for places in (listed, pictured))
    in_mean = [np.isin(wanted, places) for places in averaged]
    names = [*view.columns, *([] if view.image is None else [view.image])]
    for first, rows in _chosen(source, wanted, names) if names else ():
        cut = slice(first, first + rows.num_rows)
        places = wanted[cut]
        values = [_said(rows.column(name), longest) for name in view.columns]
        for at in np.flatnonzero(is_listed[cut]).tolist():
            seen.values[int(places[at])] = [column[at] for column in values]
        if view.recipe is None or view.closer is None:
            continue
        for mean, chosen in [(None, is_pictured), *zip(seen.means, in_mean, strict=True)]:
            asked = np.flatnonzero(chosen[cut])
            if not len(asked):
                continue
            recipe = view.closer if mean is None else view.recipe
            pixels, bad = recipe.decode(rows.take(pa.array(asked)), image_root)
            if mean is not None:
                mean.take(np.delete(pixels, list(bad), axis=0))
                continue
            seen.wrong |= {int(places[asked[at]]): cause for at, cause in bad.items()}
            for at in set(range(len(asked))) - set(bad):
                seen.pictures[int(places[asked[at]])] = resized(pixels[at], tile).copy()
    return seen


def _chosen(source: Source, wanted: IntArray, names: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """(place of the first in `wanted`, rows) of the wanted rows, batch by batch; files that have none stay closed."""
    first = 0
    for shard in source.shards:
        begin, end = np.searchsorted(wanted, [first, first + shard.rows]).tolist()
        if begin < end:
            with shard.opened() as file:
                start = first
                for batch in shard.batches(file, names):
                    low, high = np.searchsorted(wanted, [start, start + batch.num_rows]).tolist()
                    if low < high:
                        taken = batch.take(pa.array(wanted[low:high] - start))
                        yield low, pa.Table.from_batches([taken])
                    start += batch.num_rows
                    if high == end:
                        break
        first += shard.rows


def _said(column: pa.ChunkedArray, longest: int) -> list[str]:
    """A column's values as texts of at most so many characters."""
    kind = plain_type(column.type)
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    if is_text(inner):
        return [MISSING if text is None else cut(text, longest) for text in texts(storage(column))]
    if is_binary(inner) or pa.types.is_fixed_size_binary(inner):
        return [MISSING if value is None else f"{len(value):,} bytes" for value in storage(column).to_pylist()]
    return [cut(_plain(value, is_list(inner)), longest) for value in values_of(storage(column))]


def _plain(value: Any, vector: bool = False) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if vector and isinstance(value, list):
        first = ", ".join(f"{one:.4g}" if isinstance(one, float) else _plain(one) for one in value[:FIRST_VALUES])
        more = ", …" if len(value) > FIRST_VALUES else ""
        return f"{len(value):,} values: {first}{more}"
    if isinstance(value, list):
        return f"[{', '.join(_plain(one) for one in value[:FIRST_VALUES])}{', …' if len(value) > FIRST_VALUES else ''}]"
    return str(value)


def cut(text: str, longest: int) -> str:
    """A text of at most so many characters, an ellipsis where it was longer."""
    return text if len(text) <= longest else text[: max(0, longest - 1)] + "…"
