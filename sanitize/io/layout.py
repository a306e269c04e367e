"""Whether pyarrow writes a file's schema as it found it; and if not, how its values get into the output as they are.

What pyarrow has no type for (INT96, INTERVAL, times in UTC, decimals in integers, lists of two levels, …) is then read
as the plain numbers and bytes that the file holds, by a footer without the annotations in question, written as these,
and the output's footer gets the input's schema back. Nothing is interpreted on the way, so nothing can change.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from sanitize.errors import BadInput
from sanitize.io.thrift import BINARY, I32, LIST, MAGIC, STRUCT, Items, Struct, dump, parse, read_footer

PHYSICAL = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
INT96, FIXED = 3, 7
INT96_BYTES = 12
REQUIRED, REPEATED = 0, 2
ARROW_SCHEMA = b"ARROW:schema"
THRIFT_STRING = 64 << 20  # bytes that one string of a footer may have
THRIFT_ITEMS = 1_000_000  # entries that one list of a footer may have
READ_AT_ONCE = 1 << 20
# numbers of fields of the format's structs
SCHEMA, GROUPS, PAIRS = 2, 4, 5  # FileMetaData
TYPE, LENGTH, REPETITION, NAME, CHILDREN, CONVERTED, SCALE, PRECISION, FIELD_ID, LOGICAL = range(1, 11)  # SchemaElement
COLUMNS, CHUNK, CHUNK_TYPE, CHUNK_PATH, CHUNK_STATISTICS = 1, 3, 1, 3, 12  # RowGroup, ColumnChunk, ColumnMetaData
_OF_CONVERTED = {
    **{0: (1,), 1: (2,), 3: (3,), 4: (4,), 6: (6,), 19: (12,), 20: (13,)},
    **{7: (7, True, 1), 8: (7, True, 2), 9: (8, True, 1), 10: (8, True, 2)},
    **{11 + place: (10, 8 << place, False) for place in range(4)},
    **{15 + place: (10, 8 << place, True) for place in range(4)},
}
_WORDS = {5: "DECIMAL", 7: "TIME", 8: "TIMESTAMP", 10: "INTEGER", 14: "UUID", 15: "FLOAT16", 16: "VARIANT"}


@dataclass(frozen=True)
class Leaf:
    """A column of numbers or bytes.

    place   its element among the schema's
    path    names from the outermost to its own
    levels  repetition of all of these that are not required: what the levels in its pages mean
    """

    place: int
    path: tuple[bytes, ...]
    kind: int
    length: int
    levels: tuple[int, ...]

    @property
    def shown(self) -> str:
        """The path, with points between the names."""
        return b".".join(self.path).decode("utf-8", "replace")

    @property
    def stored(self) -> tuple[Any, ...]:
        """Equal for columns whose pages are made alike."""
        return self.kind, self.length, self.levels


@dataclass(frozen=True)
class Mirror:
    """How the values of a file get into another of the same schema where pyarrow would change it.

    schema   the schema, as the footer has it
    plain    elements whose annotations are left out for reading and writing
    """

    schema: bytes
    plain: frozenset[int]


def parquet(raw: Any, **more: Any) -> pq.ParquetFile:
    """A parquet file as all are opened: bounds on its footer, read in pieces of 1 MiB, INT96 as microseconds."""
    return pq.ParquetFile(
        raw,
        buffer_size=READ_AT_ONCE,
        pre_buffer=False,
        thrift_string_size_limit=THRIFT_STRING,
        thrift_container_size_limit=THRIFT_ITEMS,
        page_checksum_verification=True,
        coerce_int96_timestamp_unit="us",  # nanoseconds end in 2262, and wrap around
        **more,
    )


def elements(footer: Struct) -> list[Struct]:
    """The schema's elements, depth first; the first is the root."""
    found: list[Struct] = footer.get(SCHEMA).values
    return found


def leaves(schema: Sequence[Struct]) -> list[Leaf]:
    """All columns of numbers or bytes, in the order of the file's column chunks."""
    found: list[Leaf] = []
    above: list[tuple[int, tuple[bytes, ...], tuple[int, ...]]] = [(schema[0].get(CHILDREN, 0), (), ())]
    for place, element in enumerate(schema[1:], 1):
        while above and above[-1][0] == 0:
            above.pop()
        if not above:
            raise BadInput("damaged footer (elements beyond the schema's end); write it again as a parquet file")
        left, path, levels = above[-1]
        above[-1] = (left - 1, path, levels)
        path = (*path, element.get(NAME))
        repetition = element.get(REPETITION, REQUIRED)
        levels = levels if repetition == REQUIRED else (*levels, repetition)
        if element.get(TYPE) is None:
            above.append((element.get(CHILDREN, 0), path, levels))
        else:
            length = element.get(LENGTH, 0) if element.get(TYPE) == FIXED else 0
            found.append(Leaf(place, path, element.get(TYPE), length, levels))
    return found


def _meaning(element: Struct) -> tuple[Any, ...]:
    """Equal for elements that say the same, be it in the format's old words or the new ones."""
    kind, converted = element.get(TYPE), element.get(CONVERTED)
    logical: Any = _plain(element.get(LOGICAL))
    if logical is None and converted == 5:
        logical = (5, element.get(SCALE, 0), element.get(PRECISION))
    elif logical is None:
        logical = _OF_CONVERTED.get(converted, None if converted is None else ("converted", converted))
    if (kind, logical) in ((1, (10, 32, True)), (2, (10, 64, True))):
        logical = None  # what such numbers are anyway
    length = element.get(LENGTH) if kind == FIXED else None
    return (
        *(kind, length, element.get(REPETITION), element.get(NAME), element.get(CHILDREN, 0) or None),
        *(element.get(FIELD_ID), logical),
    )


def _plain(logical: Struct | None) -> Any:
    """A logical type as numbers: which, then its values; the unit of time by its number."""
    if logical is None:
        return None
    ((number, (_, inner)),) = logical.fields.items()
    values = [
        value if not isinstance(value, Struct) else next(iter(value.fields), 0) for _, value in inner.fields.values()
    ]
    return (number, *values)


def pairs(footer: Struct) -> dict[bytes, bytes]:
    """The footer's metadata."""
    listed = footer.get(PAIRS)
    return {} if listed is None else {pair.get(1): pair.get(2, b"") for pair in listed.values}


@contextmanager
def sound(name: str) -> Iterator[None]:
    """Turns what a footer with wrong or missing fields raises into BadInput."""
    try:
        yield
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        raise BadInput(f"{name}: its footer is damaged ({error}); write it again as a parquet file") from error


def names_compliant(found: Sequence[Leaf]) -> bool:
    """Whether a file calls a list's inner field as the format has it, "element"; old writers call it "item"."""
    return not any((b"list", b"item") in pairwise(leaf.path) for leaf in found)


def mirror_of(raw: BinaryIO, file: pq.ParquetFile, name: str) -> Mirror | None:
    """How to write a file's rows with its schema; None = as pyarrow does by itself.

    raw     the open file's bytes
    name    of the file, for messages
    Raises  BadInput: a column can be held in neither way
    """
    with sound(name):
        return _mirror_of(raw, file, name)


def _mirror_of(raw: BinaryIO, file: pq.ParquetFile, name: str) -> Mirror | None:
    schema = dump(Struct({SCHEMA: (LIST, parse(read_footer(raw)[1], SCHEMA).get(SCHEMA))}))
    arrow = file.schema_arrow
    plain = _differing(schema, arrow.serialize().to_pybytes())
    own = dict(file.metadata.metadata or {})
    own.pop(ARROW_SCHEMA, None)
    if plain is None and own.items() <= (arrow.metadata or {}).items():
        return None
    given = elements(parse(schema))
    mirror = Mirror(schema, plain or frozenset())
    lost = _lost(raw, mirror)
    if not lost:
        return mirror
    shown = ".".join(part.decode("utf-8", "replace") for part in lost[0].path)
    raise BadInput(
        f"{name}: column {shown!r} is {_described(given[lost[0].place])}, which cannot be written as it is; cast it to "
        f"another type, or leave the column out"
    )


def _lost(raw: BinaryIO, mirror: Mirror) -> list[Leaf]:
    """The columns whose pages pyarrow would make otherwise from what it reads plainly."""
    with parquet(raw, metadata=plain_metadata(raw, mirror)) as bare:
        try:
            made: list[Leaf | None] = [*leaves(_written(bare.schema_arrow, compliant=True))]
        except pa.ArrowException:
            made = []
    found = leaves(elements(parse(mirror.schema)))
    made += [None] * len(found)
    stored = [(FIXED, INT96_BYTES, leaf.levels) if leaf.kind == INT96 else leaf.stored for leaf in found]
    return [leaf for leaf, its, got in zip(found, stored, made, strict=False) if got is None or got.stored != its]


def written_paths(schema: pa.Schema) -> list[str]:
    """What pyarrow calls the columns of numbers or bytes that it writes for an Arrow schema."""
    return [b".".join(leaf.path).decode() for leaf in leaves(_written(schema, compliant=True))]


def _written(schema: pa.Schema, compliant: bool) -> list[Struct]:
    """The elements of the schema that pyarrow writes for an Arrow schema."""
    file = io.BytesIO()
    pq.ParquetWriter(file, schema, use_compliant_nested_type=compliant).close()
    return elements(parse(read_footer(file)[1]))


@lru_cache(maxsize=16)
def _differing(schema: bytes, arrow: bytes) -> frozenset[int] | None:
    """The elements that pyarrow would write otherwise; None = it writes the schema as it is."""
    given = elements(parse(schema))
    found = leaves(given)
    try:
        made = _written(pa.ipc.read_schema(pa.py_buffer(arrow)), names_compliant(found))
    except pa.ArrowException:
        made = []
    others = leaves(made) if made else []
    same = [_meaning(element) for element in given[1:]] == [_meaning(element) for element in made[1:]]
    if same and not any(leaf.kind == INT96 for leaf in found):
        return None
    alike = len(found) == len(others)
    differ = {
        leaf.place
        for leaf, other in zip(found, others if alike else found, strict=True)
        if not alike or leaf.kind == INT96 or _type(given[leaf.place]) != _type(made[other.place])
    }
    groups = {
        place
        for place, element in enumerate(given[1:], 1)
        if element.get(TYPE) is None and _type(element)[-1] not in (None, (1,), (2,), (3,), ("converted", 2))
    }
    return frozenset(differ | groups)


def _type(element: Struct) -> tuple[Any, ...]:
    """An element's meaning without its name, number and place."""
    kind, length, _, _, _, _, logical = _meaning(element)
    return kind, length, logical


def _described(element: Struct) -> str:
    """An element's type in words."""
    logical = _type(element)[-1]
    words = "" if logical is None else f" {_WORDS.get(logical[0], f'of logical type {logical[0]}')}"
    return f"{PHYSICAL[element.get(TYPE)]}{words}"


def plain_metadata(raw: BinaryIO, mirror: Mirror, name: str = "the file") -> pq.FileMetaData:
    """The footer of an open file without the annotations in question, and without Arrow's own schema."""
    with sound(name):
        content = _plain_footer(raw, mirror)
    with parquet(io.BytesIO(MAGIC + content + len(content).to_bytes(4, "little") + MAGIC)) as file:
        return file.metadata


def _plain_footer(raw: BinaryIO, mirror: Mirror) -> bytes:
    footer = parse(read_footer(raw)[1])
    schema = elements(footer)
    for place in mirror.plain:
        element = schema[place]
        for number in (CONVERTED, SCALE, PRECISION, LOGICAL):
            element.put(number, I32, None)
        if element.get(TYPE) == INT96:
            element.put(TYPE, I32, FIXED)
            element.put(LENGTH, I32, INT96_BYTES)
    _retype(footer, [leaf.kind for leaf in leaves(schema)], None)
    kept = [pair for pair in (footer.get(PAIRS) or Items(STRUCT, [])).values if pair.get(1) != ARROW_SCHEMA]
    footer.put(PAIRS, LIST, Items(STRUCT, kept) if kept else None)
    return dump(footer)


def _retype(footer: Struct, kinds: Sequence[int], paths: Sequence[tuple[bytes, ...]] | None) -> None:
    """Give the column chunks these physical types and paths."""
    for group in (footer.get(GROUPS) or Items(STRUCT, [])).values:
        for place, chunk in enumerate(group.get(COLUMNS).values):
            about = chunk.get(CHUNK)
            about.put(CHUNK_TYPE, I32, kinds[place])
            if paths is not None:
                about.put(CHUNK_PATH, LIST, Items(BINARY, list(paths[place])))


def put_back(file: BinaryIO, mirror: Mirror, source: BinaryIO, added: Mapping[bytes, bytes]) -> None:
    """Give a file that was written plainly the schema and the metadata of the source.

    file    the file, whole, open for reading and writing
    source  the bytes of the file whose rows it has
    added   further metadata, in place of what has their keys
    """
    start, content = read_footer(file)
    footer, given = parse(content), parse(read_footer(source)[1])
    found = leaves(elements(given))
    footer.put(SCHEMA, LIST, given.get(SCHEMA))
    _retype(footer, [leaf.kind for leaf in found], [leaf.path for leaf in found])
    kept = [pair for pair in (given.get(PAIRS) or Items(STRUCT, [])).values if pair.get(1) not in added]
    kept += [Struct({1: (BINARY, key), 2: (BINARY, value)}) for key, value in added.items()]
    footer.put(PAIRS, LIST, Items(STRUCT, kept) if kept else None)
    content = dump(footer)
    file.seek(start)
    file.truncate()
    file.write(content + len(content).to_bytes(4, "little") + MAGIC)
