"""How large the pages of a column chunk are in memory, as their headers in the file say.

The reader decompresses a page as a whole, however few rows it is asked for.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from sanitize.errors import BadInput
from sanitize.io.thrift import Reader, Struct

PAGE_BYTES = 128 << 20  # what one page may take in memory; DuckDB writes up to 100 MB
HEADER_BYTES = 4096  # read at first; statistics may make a header longer
LONGEST_HEADER = 16 << 20  # as Arrow has it
DECOMPRESSED, COMPRESSED = 2, 3  # fields of PageHeader


def refuse_large_page(raw: BinaryIO, start: int, stored: int, name: str) -> None:
    """Refuse a column chunk with a page that takes too much memory.

    start, stored  where the chunk begins in the file, and its bytes there
    name           of file, column and row group, for messages
    Raises         BadInput: a page of more than PAGE_BYTES, with its size; a damaged page header
    """
    end = start + stored
    while start < end:
        header, length = _header(raw, start, name)
        size, skipped = header.get(DECOMPRESSED, -1), header.get(COMPRESSED, -1)
        if min(size, skipped) < 0:
            raise BadInput(f"{name}: a page at byte {start} has no size; write the file again as a parquet file")
        if size > PAGE_BYTES:
            raise BadInput(
                f"{name}: a page takes {size} bytes in memory and is read as a whole; a page may take {PAGE_BYTES}; "
                "write the file again with smaller pages, or leave the column out"
            )
        start += length + skipped


def _header(raw: BinaryIO, start: int, name: str) -> tuple[Struct, int]:
    """The header of the page that begins there, and its length."""
    at_once = HEADER_BYTES
    while True:
        raw.seek(start)
        reader = Reader(raw.read(at_once))
        try:
            return reader.struct(None), reader.at
        except (IndexError, ValueError, struct.error) as error:
            if len(reader.content) < at_once or at_once >= LONGEST_HEADER:
                raise BadInput(
                    f"{name}: the page header at byte {start} is damaged ({error}); write the file again as a parquet "
                    "file"
                ) from error
        at_once *= 16
