"""CSV and TSV: each row becomes a line of its own, told by the header."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice

from ingest.documents import Block, BlockKind, Parsed, Source
from ingest.errors import BrokenDocument, DocumentTooLarge
from ingest.parsers.decoding import decode
from ingest.parsers.rows import header_of, line_of, names_columns

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50
_SAMPLE_CHARACTERS = 100_000
_MOST_COLUMNS = 5_000
_MOST_CHARACTERS = 100_000_000  # a header comes again in each row, so a small file can make a large text


def parse(source: Source) -> Parsed:
    text = decode(source.path.read_bytes(), name=source.uri)
    is_tsv = source.media_type.startswith("text/tab-separated-values")
    rows = _rows(text, "\t" if is_tsv else _delimiter(text), source.uri)
    first = list(islice(rows, 2))
    header = header_of(first.pop(0)) if len(first) > 1 and names_columns(first[0]) else []
    lines = _lines(chain(first, rows), header, source.uri)
    return Parsed(title="", blocks=tuple(Block(line, BlockKind.TABLE) for line in lines))


def _delimiter(text: str) -> str:
    """The one that cuts most of the first lines into the same number of cells, and into the most."""
    sample = list(islice(io.StringIO(text[:_SAMPLE_CHARACTERS], newline=""), _SAMPLE_LINES))

    def evenness(delimiter: str) -> tuple[float, int]:
        try:
            rows = [row for row in csv.reader(sample, delimiter=delimiter) if row]
        except csv.Error:
            return 0.0, 0
        ((columns, count),) = Counter(map(len, rows)).most_common(1) or [(1, 0)]
        return (count / len(rows), columns) if columns > 1 else (0.0, 0)

    return max(_DELIMITERS, key=evenness)


def _rows(text: str, delimiter: str, name: str) -> Iterator[list[str]]:
    """The rows that are not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            if len(row) > _MOST_COLUMNS:
                raise DocumentTooLarge(
                    f"'{name}' has {len(row):,} columns in line {reader.line_num}, over the limit of "
                    f"{_MOST_COLUMNS:,}: send fewer"
                )
            if any(map(str.strip, row)):
                yield row
    except csv.Error as error:
        where = f"'{name}' can't be read as a table at line {reader.line_num} ({error})"
        if "field larger" in str(error):
            raise DocumentTooLarge(f"{where}: close its open quote or shorten the cell") from error
        raise BrokenDocument(f"{where}: repair that line") from error


def _lines(rows: Iterator[list[str]], header: list[str], name: str) -> Iterator[str]:
    size = 0
    for row in rows:
        line = line_of(row, header)
        size += len(line)
        if size > _MOST_CHARACTERS:
            raise DocumentTooLarge(f"'{name}' makes over {_MOST_CHARACTERS:,} characters of rows: split the file")
        yield line
