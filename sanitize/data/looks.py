"""What the values of one column are: its type and some of its values -> a Look, in words, with how many rows agree.

A type alone does not tell: binary may be pictures, digests or texts; text may be words, numbers, dates, vectors, paths
of pictures or pictures in base64; nested lists may be arrays or pictures. What most rows do not agree on is no input.
"""

# n rows looked at
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data import stored, written
from sanitize.data.decoder import begins_as
from sanitize.data.stored import How, is_binary, is_text, plain_type, texts

Kind = Literal["image", "vector", "number", "boolean", "category", "date", "text"]
TABULAR = ("number", "boolean", "category", "date")
MOST_VALUES = 64  # distinct texts that a category has at most
LEAST_WORDS = 2.0  # words that a text has at least, on average; below that it is a name or an identifier
LEAST_AGREE = 0.95  # part of the rows looked at that must agree on what a column is
LEAST_IMAGES = 0.5  # the same for pictures: damaged ones are told row by row
LEAST_SIDE = 8  # pixels of an array that is taken for a picture
SHOWN_CHARS = 40


@dataclass(frozen=True)
class Look:
    """What a column can be used as.

    kind    None = nothing, `words` says why
    how     how its stored values become plain ones, see `stored.plain`
    shape   of nested lists: the array's; of vectors their length; () = not known
    scale   what a picture's array is multiplied with to lie within 0..255
    form    how numbers or dates in text are written, one of `written.FORMS`
    words   what it was taken for, and why; "" = its type says it
    """

    kind: Kind | None
    how: How = ""
    shape: tuple[int, ...] = ()
    scale: float = 1.0
    form: str = ""
    words: str = ""


def look_at(kind: pa.DataType, column: pa.ChunkedArray | None, root: Path | None = None) -> Look:
    """What a column is.

    kind    its type
    column  some of its rows; None = only the type is known
    root    the folder below which pictures may be opened by their path; None = nowhere
    """
    plain = plain_type(kind)
    if column is not None and not len(column):
        column = None
    if stored.holds_pictures(plain):
        return _pictures(plain, column, root)
    if is_binary(plain):
        return _binary(column, root)
    if pa.types.is_fixed_size_binary(plain):
        return Look(None, words="bytes of one length: digests or identifiers")
    if stored.is_list(plain):
        return _lists(kind, plain, column)
    if pa.types.is_struct(plain):
        return _struct(plain, column)
    if pa.types.is_boolean(plain):
        return Look("boolean")
    if stored.is_number(plain) or pa.types.is_decimal(plain):
        return Look("number")
    if pa.types.is_temporal(plain) and not pa.types.is_interval(plain):
        return Look("date")
    if pa.types.is_dictionary(plain):
        return _dictionary(plain, column, root)
    if is_text(plain):
        return Look("text") if column is None else _text(texts(column), root)
    return Look(None, words=f"type {kind}, which is not read")


def insisted(look: Look, kind: pa.DataType) -> Look:
    """What a column is that the user has named: no identifier, and lists of which not all rows are of one length."""
    plain = plain_type(kind)
    if look.kind is not None:
        return look
    if is_text(plain) or (pa.types.is_dictionary(plain) and is_text(plain.value_type)):
        return Look("text")
    if stored.holds_pictures(plain) or is_binary(plain):
        return Look("image")
    if stored.is_list(plain) and stored.is_number(stored.innermost(plain)):
        return Look("vector", look.how, look.shape)
    return look


def _agree(count: int, of: int, what: str) -> str:
    return f"{count} of {of} rows looked at {what}"


def _short(value: str | bytes) -> str:
    shown = repr(value[: SHOWN_CHARS + 1])
    return shown if len(value) <= SHOWN_CHARS else f"{shown[:SHOWN_CHARS]}…"


def _pictures(plain: pa.StructType, column: pa.ChunkedArray | None, root: Path | None) -> Look:
    """A struct with bytes, or with a path alone."""
    if column is None:
        return Look("image")
    rows = [pair for pair in stored.bytes_and_paths(column) if pair != (None, None)]
    blobs = [blob for blob, _ in rows if blob is not None]
    if blobs or not rows:
        return _begin(blobs, None, root) if blobs else Look("image")
    paths = [path for _, path in rows if path is not None]
    if root is not None:
        return Look("image", words=_agree(len(paths), len(rows), "have no bytes, but a path below --image-root"))
    return Look(
        None,
        words=f"{_agree(len(paths), len(rows), 'have no bytes, but a path')}, such as {_short(paths[0])}; "
        f"--image-root FOLDER opens them",
    )


def _binary(column: pa.ChunkedArray | None, root: Path | None) -> Look:
    if column is None:
        return Look("image")
    values = [value for value in column.to_pylist() if value is not None]
    return _begin(values, column, root) if values else Look(None, words="nothing but nulls")


def _begin(values: Sequence[bytes], column: pa.ChunkedArray | None, root: Path | None) -> Look:
    """What bytes begin as."""
    forms = Counter(form for form in map(begins_as, values) if form is not None)
    count = sum(forms.values())
    if count and count >= LEAST_IMAGES * len(values):
        return Look("image", words=_agree(count, len(values), f"begin as {', '.join(sorted(forms))}"))
    arrays = sum(value.startswith(stored.NPY) for value in values)
    if column is not None and arrays >= LEAST_AGREE * len(values):
        return _array(column, "npy", f"{_agree(arrays, len(values), 'begin as NumPy arrays')}")
    odd = next(value for value in values if begins_as(value) is None)
    what = f"{_agree(count, len(values), 'begin as an image')}; another begins with {_short(odd[:8])}"
    if column is None or not all(map(_is_printable, values)):
        return Look(None, words=f"bytes that are no pictures: {what}")
    found = _text(texts(column), root)
    return replace(found, words="; ".join(filter(None, ["all rows are text stored as binary", found.words])))


def _is_printable(value: bytes) -> bool:
    try:
        return value.decode().replace("\n", " ").replace("\t", " ").replace("\r", " ").isprintable()
    except UnicodeDecodeError:
        return False


def _lists(kind: pa.DataType, plain: pa.DataType, column: pa.ChunkedArray | None) -> Look:
    if not stored.is_number(stored.innermost(plain)):
        return Look(None, words=f"lists of {stored.innermost(plain)}, which are not read")
    how: How = "nested" if stored.is_list(plain.value_type) or len(getattr(kind, "shape", ())) > 1 else ""
    if column is None:
        return Look("vector", how)
    return _array(column, how, "")


def _array(column: pa.ChunkedArray, how: How, words: str) -> Look:
    """Lists of numbers, arrays of one shape, or pictures among these."""
    shapes = [shape for shape in stored.shapes(column, how) if shape is not None]
    if not shapes:
        return Look(None, words="nothing but nulls") if column.null_count == len(column) else Look("vector", how)
    shape, count = max(Counter(shapes).items(), key=lambda pair: (pair[1], pair[0]))
    agree = _agree(count, len(shapes), f"have {' x '.join(map(str, shape))} numbers")
    words = "; ".join(filter(None, [words, agree if how or count < len(shapes) else ""]))
    if count < LEAST_AGREE * len(shapes):
        return Look(None, how, shape, words=f"numbers of {len(set(shapes))} shapes, the commonest: {agree}")
    if 0 in shape:
        return Look(None, how, shape, words=f"{words or agree}: nothing, or Python objects, which are never unpickled")
    if not how:
        return Look("vector", how, shape, words=words)
    scale = _scale(column, how, shape)
    if scale is None:
        return Look("vector", how, shape, words=words)
    return Look("image", how, shape, scale, words=f"{words}, within {'0..255' if scale == 1 else '0..1'}: pictures")


def _scale(column: pa.ChunkedArray, how: How, shape: tuple[int, ...]) -> float | None:
    """What brings arrays that are pictures into 0..255; None = they are none, by their shape or values."""
    if min(stored.sides(shape) or (0,)) < LEAST_SIDE:
        return None
    values, _ = stored.arrays(column, how, shape)
    present = values[np.isfinite(values)]
    low, high = present.min(initial=0), present.max(initial=0)
    if low < 0 or high > 255:
        return None
    whole = bool((present == np.round(present)).all())
    if high <= 1:
        return 255.0
    return 1.0 if whole or len(shape) == 3 else None


def _struct(plain: pa.StructType, column: pa.ChunkedArray | None) -> Look:
    names = {field.name for field in plain}
    if {"type", "size", "indices", "values"} <= names:
        if column is None:
            return Look("vector", "spark")
        widths = [shape for shape in stored.shapes(column, "spark") if shape is not None]
        shape, count = max(Counter(widths).items(), key=lambda pair: pair[1], default=((0,), 0))
        agree = _agree(count, len(widths), f"have {shape[0]} numbers, sparse or dense, as Spark writes vectors")
        if count < LEAST_AGREE * len(widths):
            return Look(None, "spark", shape, words=f"vectors of several lengths, the commonest: {agree}")
        return Look("vector", "spark", shape, words=agree)
    if plain.num_fields and all(stored.is_number(field.type) or pa.types.is_boolean(field.type) for field in plain):
        return Look("vector", "struct", (plain.num_fields,), words=f"its {plain.num_fields} fields are numbers")
    return Look(None, words=f"type {plain}, which is not read"[:200])


def _dictionary(plain: pa.DictionaryType, column: pa.ChunkedArray | None, root: Path | None) -> Look:
    if pa.types.is_nested(plain.value_type):
        return Look(None, words=f"type {plain}, which is not read")
    if column is None or not is_text(plain.value_type):
        return Look("category")
    values = texts(column)
    present = [value for value in values if value is not None]
    if len(set(present)) <= MOST_VALUES or 2 * len(set(present)) <= len(present):
        return Look("category")
    return _text(values, root)


_IMAGE_PATH = re.compile(r"[^\n]*\.(png|jpe?g|jfif|webp|bmp|tiff?|gif)", re.IGNORECASE)
_ADDRESS = re.compile(r"(https?|s3|gs|gcs|hdfs|abfss?|ftp)://", re.IGNORECASE)


def _text(values: Sequence[str | None], root: Path | None) -> Look:
    """What texts are: pictures, vectors, a category, numbers, dates, words, or names."""
    present = [value for value in values if value is not None and value.strip()]
    if not present:
        return Look(None, words="nothing but nulls" if all(value is None for value in values) else "nothing but blanks")
    rows = len(present)

    def share(of: Callable[[str], object]) -> int:
        return sum(bool(of(value)) for value in present)

    for how, name in (("base64", "base64"), ("hex", "hexadecimal digits")):
        count = share(lambda value, how=how: begins_as(written.head(value, how)))  # type: ignore[misc]
        if count >= LEAST_IMAGES * rows:
            return Look("image", how, words=_agree(count, rows, f"are pictures in {name}"))  # type: ignore[arg-type]
    count = share(_IMAGE_PATH.fullmatch)
    if count >= LEAST_AGREE * rows:
        what = _agree(count, rows, f"are paths of pictures, such as {_short(present[0])}")
        if share(_ADDRESS.match):
            return Look(None, words=f"{what}; addresses are not opened; fetch them, or store the pictures' bytes")
        if root is None:
            return Look(None, words=f"{what}; --image-root FOLDER opens them")
        return Look("image", "path", words=f"{what}, and opened below --image-root")
    shapes = Counter(shape for value in present if (shape := written.shape(value)) is not None)
    if shapes:
        shape, count = shapes.most_common(1)[0]
        if count >= LEAST_AGREE * rows:
            column = pa.chunked_array([pa.array(list(values), pa.large_string())])
            return _array(column, "json", _agree(count, rows, "are vectors written as text"))
        if sum(shapes.values()) >= LEAST_AGREE * rows:
            return Look(None, words=f"vectors written as text, of {len(shapes)} lengths")
    distinct = len(set(present))
    if distinct <= MOST_VALUES and 2 * distinct <= rows:
        return Look("category")
    for how, name in (("number", "numbers"), ("date", "dates")):
        form, count = written.commonest(present, how)
        if count >= LEAST_AGREE * rows:
            told = _agree(count, rows, f"are {name} written as text ({form.words})")
            return Look(how, how, form=form.words, words=told)  # type: ignore[arg-type]
    words = float(np.mean([written.words_of(value) for value in present]))
    numbered = float(np.mean([any(c.isdigit() for c in value) for value in present]))
    if words > LEAST_WORDS or (words >= LEAST_WORDS and numbered < 0.5):
        return Look("text")
    return Look(
        None, words=f"names or identifiers, such as {_short(present[0])}: {distinct} different ones in {rows} rows"
    )


def fits(kind: Kind, how: How, stored_as: pa.DataType) -> bool:
    """Whether a column of this type can be read as voters that were fitted before read theirs."""
    plain = plain_type(stored_as)
    written_as = plain.value_type if pa.types.is_dictionary(plain) else plain
    if how in stored.AS_TEXT or (kind == "text" and not how):
        return is_text(written_as) or is_binary(written_as)
    if how == "npy":
        return is_binary(plain)
    if kind == "category":
        return bool(pa.types.is_dictionary(plain)) or is_text(plain) or is_binary(plain)
    by_type = look_at(stored_as, None)
    return by_type.how == how and (by_type.kind == kind or how == "nested")


def distinct_values(column: pa.ChunkedArray) -> list[str]:
    """A category's values as text, the most frequent first, at most MOST_VALUES."""
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    if not is_text(plain.type) and not is_binary(plain.type):
        plain = plain.cast(pa.string())
    counted = pc.value_counts(plain)
    names = texts(counted.field("values"))
    pairs = [(name, count) for name, count in zip(names, counted.field("counts").to_pylist(), strict=True) if name]
    return [name for name, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:MOST_VALUES]]
