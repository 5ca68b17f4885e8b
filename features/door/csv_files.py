"""CSV files as text: their encoding, their delimiter, their header, and what is wrong with them.

A file is read with every column as text, so that the door does the typing and can name the row.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import gzip
import io
import re
from collections.abc import Iterator
from encodings.aliases import aliases
from pathlib import Path
from typing import IO

from features.errors import EmptyTable, SourceError

DELIMITERS = (",", ";", "\t", "|")
BLOCK_BYTES = 1 << 20


def read_header(path: Path, encoding: str, delimiter: str | None) -> tuple[list[str], str]:
    """Read the column names of a CSV file and find its delimiter.

    Parameters
    ----------
    path : Path
        A text file, or one packed with gzip if its name ends in `.gz`.
    encoding : str
        A Python codec name; a byte-order mark is dropped.
    delimiter : str or None
        None takes whichever of ``, ; tab |`` occurs most often in the first line.

    Returns
    -------
    list of str, str
        Column names, made unique by a suffix (``a, a_1``), and the delimiter.

    Raises
    ------
    EmptyTable
        If there is not even a header.
    SourceError
        If the first line is not text in `encoding`.
    """
    check_encoding(encoding)
    with open_bytes(path) as packed, io.TextIOWrapper(packed, encoding, newline="") as text:
        try:
            line = text.readline().removeprefix("\ufeff")
        except UnicodeDecodeError:
            raise not_in_encoding(path, encoding) from None
    if not line.strip():
        raise EmptyTable(
            path.stem, str(path), "", expected="a header line", got="an empty file",
            fix="Export it again with its column names in the first line.",
        )  # fmt: skip
    found = delimiter or max(DELIMITERS, key=lambda mark: _outside_quotes(line).count(mark))
    names = next(csv.reader(io.StringIO(line), delimiter=found))
    return _unique([name.strip() or f"column_{i}" for i, name in enumerate(names)]), found


def csv_sql(path: Path, names: list[str], delimiter: str) -> str:
    """Return the table expression that reads a UTF-8 CSV file with all columns as text."""
    columns = ", ".join(f"{quote_text(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({quote_text(str(path))}, auto_detect = false, header = true, "
        f"delim = {quote_text(delimiter)}, quote = '\"', escape = '\"', "
        f"columns = {{{columns}}})"
    )


def write_utf8(path: Path, encoding: str, target: Path) -> Path:
    """Copy a CSV file of another encoding to `target` as UTF-8 and return `target`.

    Raises
    ------
    SourceError
        If a byte does not belong to `encoding`.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with target.open("w", encoding="utf-8", newline="") as out:
            for block in _blocks(path):
                out.write(decoder.decode(block))
            out.write(decoder.decode(b"", final=True))
    except UnicodeDecodeError:
        raise not_in_encoding(path, encoding) from None
    return target


def not_in_encoding(path: Path, encoding: str) -> SourceError:
    """Return the error that names the first byte which is not text in `encoding`."""
    offset, byte = _first_bad_byte(path, encoding)
    with open_bytes(path) as packed:
        start = packed.read(2)
    is_utf16 = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    guess = "utf-16" if is_utf16 else "latin-1" if encoding != "latin-1" else "cp1252"
    return SourceError(
        f"{path}: byte {offset} (0x{byte:02x}) is not {encoding}; expected text in {encoding}. "
        f'State what it is, for example `encoding = "{guess}"`, or save it again as UTF-8.'
    )


def explain_csv_error(path: Path, encoding: str, message: str) -> SourceError:
    """Return DuckDB's complaint about a CSV file as an error that names its line."""
    if "unicode" in message.lower() or "utf-8" in message.lower():
        return not_in_encoding(path, encoding)
    line = re.search(r"CSV Error on Line: (\d+)", message)
    where = f", line {line[1]} (data row {int(line[1]) - 1})" if line else ""
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    if counts:
        what = f"expected {counts[1]} fields, as in the header, got {counts[2]}"
        fix = "Put quotes around text that holds the delimiter, or state `delimiter`."
    elif "unterminated quote" in message:
        what, fix = "expected a closing quote, got the end of the file", "Close or drop the quote."
    else:
        what, fix = message.splitlines()[0].rstrip("."), "Export the file again as plain CSV."
    return SourceError(f"{path}{where}: {what}. {fix}")


def check_encoding(name: str) -> None:
    """Raise SourceError unless Python knows the encoding `name`."""
    try:
        codecs.lookup(name)
    except LookupError:
        known = {alias.replace("_", "-") for pair in aliases.items() for alias in pair}
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise SourceError(f"encoding '{name}' is not known; nearest: '{nearest}'") from None


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading, unpacking it if its name ends in `.gz`."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def quote_text(text: str) -> str:
    """Return `text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with open_bytes(path) as packed:
            while block := packed.read(BLOCK_BYTES):
                yield block
    except (gzip.BadGzipFile, EOFError) as error:
        raise SourceError(f"{path}: not a whole gzip file: {error}. Copy it again.") from None


def _first_bad_byte(path: Path, encoding: str) -> tuple[int, int]:
    decoder, offset = codecs.getincrementaldecoder(encoding)(), 0
    for block in _blocks(path):
        held = len(decoder.getstate()[0])
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            return offset - held + error.start, error.object[error.start]
        offset += len(block)
    return offset, 0


def _outside_quotes(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line)


def _unique(names: list[str]) -> list[str]:
    taken: dict[str, str] = {}
    for name in names:
        candidate, count = name, 0
        # DuckDB compares column names without case.
        while candidate.lower() in taken:
            count += 1
            candidate = f"{name}_{count}"
        taken[candidate.lower()] = candidate
    return list(taken.values())
