"""Excel workbooks from before 2007 and binary ones, by calamine."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

import python_calamine as calamine

from ingest.documents import Parsed, Source
from ingest.errors import BrokenDocument, EncryptedDocument
from ingest.parsers import OLE
from ingest.parsers.archives import check_archive
from ingest.parsers.sheets import Row, Sheet, blocks_of


def parse(source: Source) -> Parsed:
    with source.path.open("rb") as file:
        is_ole = file.read(len(OLE)) == OLE
    if not is_ole:
        check_archive(source)
    try:
        with calamine.CalamineWorkbook.from_path(source.path) as workbook:
            blocks = tuple(blocks_of(_sheets(workbook), name=source.uri))
    except calamine.PasswordError as error:
        raise EncryptedDocument(f"'{source.uri}' is locked by a password: save it without one") from error
    except calamine.CalamineError as error:
        raise BrokenDocument(f"'{source.uri}' is no whole workbook ({error}): save it again as .xlsx") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's, which is no Exception and can't be imported
            raise
        raise BrokenDocument(f"'{source.uri}' is no whole workbook ({error}): save it again as .xlsx") from error
    return Parsed("", blocks if any(not block.level for block in blocks) else ())


def _sheets(workbook: calamine.CalamineWorkbook) -> Iterator[Sheet]:
    for meta in workbook.sheets_metadata:
        if meta.typ is calamine.SheetTypeEnum.WorkSheet:
            yield Sheet(meta.name, _rows(workbook.get_sheet_by_name(meta.name)))


def _rows(sheet: calamine.CalamineSheet) -> Iterator[Row]:
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells = {column: text for column, cell in enumerate(row, start=1) if (text := _shown(cell)).strip()}
        if cells:
            yield Row(number, cells)


def _shown(cell: float | str | bool | time | date | datetime | timedelta) -> str:
    match cell:
        case bool():
            return str(cell).upper()
        case float() | int():
            return f"{cell:.0f}" if float(cell).is_integer() and abs(cell) < 1e21 else f"{cell:.15g}"
        case datetime():
            return f"{cell:%Y-%m-%d}" if cell.time() == time() else f"{cell:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
    return str(cell)
