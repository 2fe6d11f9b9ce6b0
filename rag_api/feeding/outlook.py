"""`--dry-run`: the plans, what they come to, and how long that takes."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ingest.sandbox import Limits, ParserPool
from ingest.split import Splitting
from rag_api.client import Client
from rag_api.feeding.deleting import lost_names
from rag_api.feeding.folders import Folder
from rag_api.feeding.forecast import Plan, Planner, measured_rate, recent_rate, total
from rag_api.feeding.items import Item, sendable
from rag_api.feeding.known import known_documents
from rag_api.feeding.report import Report
from rag_api.feeding.sending import Patience
from rag_api.settings import Settings

DEFAULT_MAX_TOKENS = 256


async def look_ahead(
    items: Iterator[Item],
    lost_of: list[Folder],
    *,
    client: Client,
    collection: str,
    settings: Settings,
    patience: Patience,
    report: Report,
) -> None:
    """Says of each item what would become of it; `lost_of`: folders whose lost files would be deleted."""
    known = patience(lambda: known_documents(client, collection))
    tokenizer = _tokenizer(settings)
    options = settings.ingest
    limits = Limits(
        memory_bytes=options.parse_memory_bytes,
        document_s=options.parse_s,
        text_chars=options.text_chars,
        ocr=options.ocr,
    )
    parsers = ParserPool(limits, size=1)
    splitting = Splitting(settings.chunks.max_tokens or DEFAULT_MAX_TOKENS, settings.chunks.overlap_tokens)
    planner = Planner(known, parsers, tokenizer, splitting)
    plans: list[Plan] = []
    try:
        for item in items:
            plan = await planner.plan(sendable(item, unread=unread(settings)))
            _say(plan, report)
            plans.append(plan)
    finally:
        await parsers.close()
    for folder in lost_of:
        for name in lost_names(client, collection, folder):
            plans.append(Plan(name, "deleted", "its file is gone"))
            _say(plans[-1], report)
    _sum_up(plans, client, patience, report, is_counted=tokenizer is not None)


def _say(plan: Plan, report: Report) -> None:
    report.failures += plan.would == "failed"
    counts = f"{plan.chunks} chunks, about {plan.tokens:,} tokens" if plan.chunks else ""
    several = f"{plan.documents} documents, {plan.known} of them known" if plan.documents > 1 else ""
    details = "; ".join(part for part in (several, counts, plan.reason) if part)
    line = {"file": plan.name, **{name: value for name, value in asdict(plan).items() if name != "name"}}
    report.row(line, f"{plan.name} {plan.would}{f': {details}' if details else ''}")


def _sum_up(plans: list[Plan], client: Client, patience: Patience, report: Report, *, is_counted: bool) -> None:
    sums = total(plans)
    rate = patience(lambda: recent_rate(client)) or (measured_rate(client, patience) if sums["chunks"] else None)
    seconds = sums["chunks"] / rate.chunks_a_second if rate else 0.0
    basis = f"{rate.chunks_a_second:.0f} chunks a second, by {rate.basis}" if rate else "nothing to be embedded"
    files = ", ".join(f"{count} {would}" for would, count in sums["files"].items()) or "no files"
    counted = "counted as the embedder does" if is_counted else "estimated"
    report.row(
        {"total": sums, "seconds": math.ceil(10 * seconds) / 10, "basis": basis, "tokens_are": counted},
        f"{files}. To be ingested: {sums['documents']} documents, {sums['bytes']:,} bytes, {sums['chunks']} chunks, "
        f"about {sums['tokens']:,} tokens ({counted}); that takes about {seconds:.0f} s ({basis}). Nothing was sent.",
    )


def unread(settings: Settings) -> str:
    """Media types whose parser is switched off: pictures, without text recognition."""
    return "" if settings.ingest.ocr else "image/"


def _tokenizer(settings: Settings) -> Path | None:
    """Of the embedder that this home used last."""
    found = sorted((settings.home / "cache").glob("*.tokenizer.json"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None
