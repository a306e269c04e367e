"""A parquet footer as a tree, and back: Thrift's compact protocol, as much of it as footers use.

What pyarrow has no name for is kept as it is. The bytes have been through Arrow's own reader before, with its limits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from sanitize.errors import BadInput

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
MAGIC = b"PAR1"
TAIL = 8  # length of the footer, and the magic
DEEPEST = 32


@dataclass
class Struct:
    """A Thrift struct: field number -> (type, value), in the order of the bytes."""

    fields: dict[int, tuple[int, Any]] = field(default_factory=dict)

    def get(self, number: int, default: Any = None) -> Any:
        """A field's value, or the default."""
        return self.fields[number][1] if number in self.fields else default

    def put(self, number: int, kind: int, value: Any) -> None:
        """Set a field; None removes it."""
        if value is None:
            self.fields.pop(number, None)
        else:
            self.fields[number] = (kind, value)

    def copy(self) -> Struct:
        """Another struct with the same values."""
        return Struct(dict(self.fields))


@dataclass
class Items:
    """A Thrift list."""

    kind: int
    values: list[Any]


def read_footer(file: BinaryIO) -> tuple[int, bytes]:
    """Where the footer of an open parquet file begins, and its bytes. BadInput: none is there."""
    size = file.seek(0, 2)
    file.seek(max(0, size - TAIL))
    tail = file.read(TAIL)
    length = int.from_bytes(tail[:4], "little")
    if len(tail) < TAIL or tail[4:] != MAGIC or length > size - TAIL:
        raise BadInput("no footer of parquet at the end of the file; write it again as a parquet file")
    start = size - TAIL - length
    file.seek(start)
    return start, file.read(length)


def parse(content: bytes, until: int | None = None) -> Struct:
    """The struct that the bytes begin with; fields after number `until` are not read. BadInput: the bytes are none."""
    try:
        return Reader(content).struct(until)
    except (IndexError, ValueError, struct.error) as error:
        raise BadInput(f"damaged footer ({error}); write it again as a parquet file") from error


def dump(value: Struct) -> bytes:
    """The struct's bytes."""
    out = bytearray()
    _write(out, STRUCT, value)
    return bytes(out)


class Reader:
    """Reads one value after another."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at, self.depth = content, 0, 0

    def varint(self) -> int:
        """A number without a sign."""
        shift = value = 0
        while True:
            byte = self.content[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")

    def zigzag(self) -> int:
        """A number with a sign."""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def take(self, length: int) -> bytes:
        """So many bytes."""
        if length > len(self.content) - self.at:
            raise ValueError("it is cut off")
        self.at += length
        return self.content[self.at - length : self.at]

    def value(self, kind: int) -> Any:
        """A value of this type."""
        if kind in (I16, I32, I64):
            return self.zigzag()
        if kind == BINARY:
            return self.take(self.varint())
        if kind == STRUCT:
            return self.struct(None)
        if kind in (LIST, SET):
            its = self.content[self.at] & 15
            return Items(its, [self.value(its) for _ in range(self.items())])
        if kind in (TRUE, FALSE, BYTE):  # in a list: fields have no byte for true and false
            return self.take(1)[0]
        if kind == DOUBLE:
            return self.take(8)
        raise ValueError(f"a value of type {kind}")

    def items(self) -> int:
        """How many values the list has that begins here."""
        length = self.take(1)[0] >> 4
        if length == 15:
            length = self.varint()
        if length > len(self.content) - self.at:
            raise ValueError("it is cut off")
        return length

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field of the struct that begins here; its value is to be read, or skipped, next."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} structs in each other")
        number = 0
        while True:
            head = self.take(1)[0]
            if head == 0:
                break
            number = number + (head >> 4) if head >> 4 else self.zigzag()
            yield number, head & 15
        self.depth -= 1

    def struct(self, until: int | None) -> Struct:
        """The struct that begins here; fields after number `until` are not read."""
        found = Struct()
        for number, kind in self.fields():
            if until is not None and number > until:
                break
            found.fields[number] = (kind, kind == TRUE if kind in (TRUE, FALSE) else self.value(kind))
        return found

    def skip(self, kind: int) -> None:
        """Go past the value of a field."""
        if kind in (I16, I32, I64):
            while self.content[self.at] > 0x7F:
                self.at += 1
            self.at += 1
        elif kind == BINARY:
            length = self.varint()
            self.at += length
        elif kind == STRUCT:
            for _, its in self.fields():
                self.skip(its)
        elif kind in (LIST, SET):
            its = self.content[self.at] & 15
            for _ in range(self.items()):
                if its in (TRUE, FALSE):
                    self.at += 1
                else:
                    self.skip(its)
        elif kind not in (TRUE, FALSE):
            self.value(kind)


def _varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _zigzag(out: bytearray, value: int) -> None:
    _varint(out, (value << 1) ^ (value >> 63))


def _write(out: bytearray, kind: int, value: Any) -> None:
    if kind in (I16, I32, I64):
        _zigzag(out, value)
    elif kind == BINARY:
        _varint(out, len(value))
        out += value
    elif kind == STRUCT:
        last = 0
        for number, (its, inner) in sorted(value.fields.items()):
            if its in (TRUE, FALSE):
                its = TRUE if inner else FALSE
            if 0 < number - last < 16:
                out.append((number - last) << 4 | its)
            else:
                out.append(its)
                _zigzag(out, number)
            last = number
            if its not in (TRUE, FALSE):
                _write(out, its, inner)
        out.append(0)
    elif kind in (LIST, SET):
        if len(value.values) < 15:
            out.append(len(value.values) << 4 | value.kind)
        else:
            out.append(0xF0 | value.kind)
            _varint(out, len(value.values))
        for inner in value.values:
            _write(out, value.kind, inner)
    elif kind == DOUBLE:
        out += value
    else:
        out.append(value)
