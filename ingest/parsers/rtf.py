"""RTF: paragraphs, headings and table rows. One pass over its words; groups that hold no text are skipped whole."""

import codecs
import re
from dataclasses import dataclass, field, replace

from ingest.documents import Block, BlockKind, Json, Parsed, Source
from ingest.errors import BrokenDocument, DocumentTooLarge
from ingest.parsers.rows import Cell, lines_of, names_columns
from ingest.parsers.rtf_words import CHARSETS, CODE_PAGES, SIGNS, SYMBOLS, UNSEEN

_MOST_BYTES = 128 * 1024**2  # most of which are pictures
_TOKEN = re.compile(
    rb"\\(?:(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?|'(?P<hex>[0-9a-fA-F]{2})|(?P<sign>[^a-zA-Z]))"
    rb"|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)|[\r\n]+|\\"
)
_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _State:
    """What a group inherits and what ends with it. `into`: where its text goes, empty for the body."""

    into: str = ""
    is_unseen: bool = False
    is_hidden: bool = False
    font: int = -1
    skip: int = 1  # characters that stand for a `\u` in old readers
    is_fresh: bool = True  # nothing but its brace was seen


@dataclass(slots=True)
class _Paragraph:
    level: int = 0
    style: int = -1
    in_table: bool = False
    is_item: bool = False

    def format(self, word: str, number: int | None) -> None:
        match word:
            case "s":
                self.style = number or 0
            case "outlinelevel":
                self.level = (number or 0) + 1 if (number or 0) < 9 else 0
            case "intbl":
                self.in_table = True
            case _:
                self.is_item = number != 0


@dataclass(slots=True)
class _Reader:
    encoding: str = "cp1252"
    charsets: dict[int, str] = field(default_factory=dict)
    styles: dict[int, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    _stack: list[_State] = field(default_factory=list)
    _state: _State = field(default_factory=_State)
    _paragraph: _Paragraph = field(default_factory=_Paragraph)
    _pieces: list[str] = field(default_factory=list)
    _bytes: bytearray = field(default_factory=bytearray)
    _aside: dict[str, list[str]] = field(default_factory=dict)
    _cells: list[str] = field(default_factory=list)
    _rows: list[list[str]] = field(default_factory=list)
    _to_skip: int = 0
    _defined: int = -1

    def read(self, raw: bytes) -> None:
        at = 0
        while token := _TOKEN.match(raw, at):
            at, kind = token.end(), token.lastgroup
            if token["word"] == b"bin":
                at += max(0, int(token["number"] or 0))
                continue
            if kind in ("word", "number"):
                self._flush_bytes()
                self._word(token["word"].decode(), int(token["number"]) if token["number"] else None)
            elif kind == "brace":
                self._flush_bytes()
                self._brace(token["brace"])
            elif kind == "hex":
                self._add(bytes([int(token["hex"], 16)]))
            elif kind == "text":
                self._add(token["text"])
            elif kind == "sign":
                self._sign(token["sign"].decode("latin-1"))
        self._flush_bytes()
        self._end_paragraph()
        self._end_table()

    def _brace(self, brace: bytes) -> None:
        if brace == b"{":
            self._stack.append(self._state)
            self._state = replace(self._state, is_fresh=True)
        elif self._stack:
            ended, self._state = self._state, self._stack.pop()
            if ended.into and ended.into != self._state.into:
                self._end_aside(ended.into)

    def _sign(self, sign: str) -> None:
        if sign == "*":
            return  # the next word tells whether the group is known
        self._flush_bytes()
        self._write(SYMBOLS.get(sign, sign if sign in "\\{}" else ""))

    def _word(self, word: str, number: int | None) -> None:
        state, fresh = self._state, self._state.is_fresh
        if fresh:
            state = self._state = replace(state, is_fresh=False)
        if fresh and word in UNSEEN:
            self._state = replace(state, is_unseen=True)
        elif fresh and word in ("fonttbl", "stylesheet", "footnote", "title", "author", "info", "shptxt"):
            if word != "info":  # whose parts are told one by one
                self._state = replace(self._state, into=word)
        elif word == "u" and number is not None:
            self._write(chr(number % 65_536))
            self._to_skip = state.skip
        elif word == "uc":
            self._state = replace(state, skip=max(0, number or 0))
        elif word in SIGNS and not (word in ("par", "sect", "page") and self._state.into):
            self._end_paragraph() if SIGNS[word] == "\n" else self._write(SIGNS[word])
        else:
            self._format(word, number)

    def _format(self, word: str, number: int | None) -> None:
        match word:
            case "ansicpg":
                self.encoding = _codec(f"cp{number}") or self.encoding
            case "mac" | "pc" | "pca" | "ansi":
                self.encoding = CODE_PAGES[word]
            case "f" | "s" if self._state.into in ("fonttbl", "stylesheet"):
                self._defined = number or 0
            case "fcharset" | "cpg":
                self.charsets[self._defined] = CHARSETS.get(number or 0, "") if word == "fcharset" else f"cp{number}"
            case "f":
                self._state = replace(self._state, font=number or 0)
            case "v":
                self._state = replace(self._state, is_hidden=number != 0)
            case "plain":
                self._state = replace(self._state, is_hidden=False, font=-1)
            case "pard":
                self._paragraph = _Paragraph()
            case "s" | "outlinelevel" | "ls" | "pnlvlblt" | "pnlvlbody" | "intbl":
                self._paragraph.format(word, number)
            case "cell" | "nestcell":
                self._flush_bytes()
                self._cells.append(" ".join(_whole("".join(self._pieces)).split()))
                self._pieces.clear()
            case "row" | "nestrow":
                self._rows.append(self._cells)
                self._cells = []

    def _add(self, raw: bytes) -> None:
        skipped = min(self._to_skip, len(raw))
        self._to_skip -= skipped
        self._bytes += raw[skipped:]
        if self._state.is_fresh:
            self._state = replace(self._state, is_fresh=False)

    def _flush_bytes(self) -> None:
        if self._bytes:
            encoding = _codec(self.charsets.get(self._state.font, "")) or self.encoding
            text, self._bytes = self._bytes.decode(encoding, "replace"), bytearray()
            self._write(text)

    def _write(self, text: str) -> None:
        if self._state.is_unseen or self._state.is_hidden or not text:
            return
        if self._state.into:
            self._aside.setdefault(self._state.into, []).append(text)
            self._name_definition(text)
        else:
            self._pieces.append(text)

    def _name_definition(self, text: str) -> None:
        if self._state.into == "stylesheet" and self._defined >= 0:
            self.styles[self._defined] = self.styles.get(self._defined, "") + text

    def _end_aside(self, name: str) -> None:
        text = _whole("".join(self._aside.pop(name, []))).strip()
        if name in ("title", "author") and text:
            self.named.setdefault(name, text)
        elif name == "footnote" and text:
            self._aside.setdefault("notes", []).append(text)
        elif name == "shptxt" and text:
            self.blocks.append(Block(text))

    def _end_paragraph(self) -> None:
        self._flush_bytes()
        paragraph = self._paragraph
        if paragraph.in_table and (self._cells or "".join(self._pieces).strip()):
            self._pieces.append(" ")  # of a cell with several
            return
        text = _whole("".join(self._pieces)).strip()
        self._pieces.clear()
        if not text:
            return
        self._end_table()
        heading = _HEADING.match(self.styles.get(paragraph.style, "").strip())
        level = paragraph.level or (int(heading[1]) if heading else 0)
        if level:
            self.blocks.append(Block(" ".join(text.split()), BlockKind.HEADING, min(level, 6)))
        elif paragraph.is_item or text.startswith(("•", "·")):
            self.blocks.append(Block(f"- {text.lstrip('•·').strip()}", BlockKind.LIST))
        else:
            self.blocks.append(Block(text))

    def _end_table(self) -> None:
        rows, self._rows = [row for row in self._rows if any(row)], []
        has_header = len(rows) > 1 and len(rows[0]) > 1 and names_columns(rows[0])
        cells = [[Cell(text, has_header and at == 0) for text in row] for at, row in enumerate(rows)]
        self.blocks += [Block(line, BlockKind.TABLE) for line in lines_of(cells)]

    def notes(self) -> list[Block]:
        return [Block(text) for text in self._aside.get("notes", [])]


def parse(source: Source) -> Parsed:
    if source.path.stat().st_size > _MOST_BYTES:
        raise DocumentTooLarge(f"'{source.uri}' is over {_MOST_BYTES // 1024**2} MB: save it without pictures")
    raw = source.path.read_bytes()
    if not raw.lstrip().startswith(b"{\\rtf"):
        raise BrokenDocument(f"'{source.uri}' is not RTF: send the right file")
    reader = _Reader()
    reader.read(raw)
    metadata: dict[str, Json] = {"author": reader.named["author"]} if "author" in reader.named else {}
    title = reader.named.get("title") or next((block.text for block in reader.blocks if block.level == 1), "")
    return Parsed(title, (*reader.blocks, *reader.notes()), metadata)


def _codec(name: str) -> str:
    try:
        return codecs.lookup(name).name if name else ""
    except LookupError:
        return ""


def _whole(text: str) -> str:
    """Characters beyond the basic plane come as two halves."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
