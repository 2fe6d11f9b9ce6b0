"""The only file that chooses implementations. Settings stop here."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.sandbox import Limits, ParserPool
from rag_api.backends.disk import DiskUse
from rag_api.backends.doorbell import Doorbell
from rag_api.backends.fetch import Fetcher, FetchLimits, Reach
from rag_api.backends.files import FileStore
from rag_api.backends.process_table import ProcessTable
from rag_api.core.ports import LanguageModel
from rag_api.db.database import Database
from rag_api.services.answerer import Answerer, AnswererOptions
from rag_api.services.comparing import Comparer
from rag_api.services.conversations import ConversationOptions, Conversations
from rag_api.services.evaluations import Evaluations
from rag_api.services.feedback import Feedback
from rag_api.services.feeds import Feeds
from rag_api.services.gatekeeper import Gatekeeper
from rag_api.services.health import Health
from rag_api.services.indexing import CatalogueSink
from rag_api.services.ingestion import Ingestion
from rag_api.services.ingestor import Ingestor, IngestorOptions, Labour
from rag_api.services.jobs import Jobs
from rag_api.services.journal import Journal
from rag_api.services.library import Library
from rag_api.services.lineups import Lineups
from rag_api.services.pipelines import Cutting, Pipelines
from rag_api.services.purging import Purging
from rag_api.services.reaper import Reaper
from rag_api.services.reconciler import Reconciler
from rag_api.services.reindexing import Reindexing
from rag_api.services.reingestion import Reingestion
from rag_api.services.retriever import Retriever
from rag_api.services.runs import Runs
from rag_api.services.upkeep import Upkeep
from rag_api.services.usage import UsageBook
from rag_api.services.visibility import Visibility
from rag_api.settings import Settings
from rag_api.wiring_access import Door, open_door
from rag_api.wiring_answers import Wires, answer_cache, make_runs, open_wires
from rag_api.wiring_endpoints import is_extractive
from rag_api.wiring_models import in_order, open_judge, open_lineups, open_models
from rag_api.wiring_prompts import language_window, load_prompts
from rag_api.wiring_reports import report_files
from rag_api.wiring_retrieval import open_gatekeeper, open_retriever
from rag_api.wiring_stores import open_stores

SQLITE = "sqlite:///"
PATIENCE_S = 60.0
LOG_CACHE_KB = 2_000  # what is written to the log of answers is seldom read


@dataclass(frozen=True, slots=True)
class Services:
    """What the web layer serves."""

    door: Door
    library: Library
    feeds: Feeds
    reingestion: Reingestion
    files: FileStore
    jobs: Jobs
    retriever: Retriever
    answerer: Answerer
    gatekeeper: Gatekeeper
    runs: Runs
    conversations: Conversations
    feedback: Feedback
    usage: UsageBook
    evaluations: Evaluations
    health: Health
    lineups: Lineups
    wires: Wires


@dataclass(frozen=True, slots=True)
class WorkerServices:
    ingestor: Ingestor
    upkeep: Upkeep


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    async with AsyncExitStack() as stack:
        stores = await open_stores(settings, stack)
        answers = settings.answers
        answer_log = Database(settings.answer_log, cache_kb=LOG_CACHE_KB)
        stack.push_async_callback(answer_log.close)
        journal = await stack.enter_async_context(Journal(answer_log, stores.db, kept_days=answers.kept_days))
        cache = answer_cache(settings, stores.embedders)
        runs = make_runs(settings, journal, cache)
        stack.push_async_callback(runs.close)
        prompts = load_prompts(settings)
        library = Library(stores.db, stores.files, stores.embedders, runs, _doorbell(settings), prompts=prompts)
        await library.prepare(settings.embedder.model)
        visibility = Visibility(stores.db, answer_log, runs)
        door = await open_door(settings, stack, stores.db, visibility)
        retriever = await open_retriever(
            settings, stack, db=stores.db, embedders=stores.embedders, vectors=stores.vectors, lexical=stores.lexical
        )
        gatekeeper = open_gatekeeper(settings, stack, stores.db, stores.embedders, stores.vectors)
        comparer = Comparer(stores.embedders, kept=answers.sentence_vectors)
        window = language_window(settings)
        lineups, models = await open_lineups(settings, window, comparer, stack)
        talk = ConversationOptions(answers.history_turns, answers.condense, answers.condense_s)
        conversations = Conversations(
            answer_log, journal, runs, visibility, model=lineups.writer, window=window, options=talk
        )
        answerer = Answerer(
            library,
            retriever,
            lineups,
            prompts,
            gatekeeper=gatekeeper,
            comparer=comparer,
            runs=runs,
            conversations=conversations,
            cache=cache,
            judge=await open_judge(settings, models, stack),
            options=AnswererOptions(answers.passages, answers.budget_chars, answers.history_chars),
        )
        processes = ProcessTable(settings.home / "run")
        health = Health(stores.db, stores.embedders.of(None), stores.vectors, processes, models, disk=_disk(settings))
        feeds = Feeds(library, make_fetcher(settings))
        jobs, reingestion = Jobs(stores.db, stores.embedders), Reingestion(stores.db, stores.files, _doorbell(settings))
        told = (Feedback(answer_log, runs), UsageBook(answer_log), Evaluations(stores.db, report_files(settings)))
        reading = (retriever, answerer, gatekeeper, runs, conversations, *told)
        wires = open_wires(library, stores.embedders, runs, lineups.writer)
        yield Services(door, library, feeds, reingestion, stores.files, jobs, *reading, health, lineups, wires)


@asynccontextmanager
async def open_worker(settings: Settings) -> AsyncIterator[WorkerServices]:
    async with AsyncExitStack() as stack:
        stores = await open_stores(settings, stack)
        options = settings.ingest
        parsers = ParserPool(
            Limits(
                memory_bytes=options.parse_memory_bytes,
                document_s=options.parse_s,
                text_chars=options.text_chars,
                ocr=options.ocr,
            ),
            size=options.parsers,
        )
        stack.push_async_callback(parsers.close)
        db, files = stores.db, stores.files
        answer_log = Database(settings.answer_log, cache_kb=LOG_CACHE_KB)
        stack.push_async_callback(answer_log.close)
        sink = CatalogueSink(db, stores.vectors, stores.lexical, patience_s=PATIENCE_S)
        cutting = Cutting(settings.chunks.max_tokens, settings.chunks.overlap_tokens, PATIENCE_S)
        pipelines = Pipelines(db, stores.embedders, sink, batch_chunks=options.batch_chunks, cutting=cutting)
        await stack.enter_async_context(pipelines)
        reconciler = Reconciler(db, stores.vectors, stores.lexical, sink.turn)
        reaper = Reaper(db, files, stores.vectors, stores.lexical)
        process, limit = ProcessTable(settings.home / "run"), settings.chroma.memory_bytes
        upkeep = Upkeep(db, reaper, reconciler, process, sink, memory_bytes=limit)
        labours: dict[str, Labour] = {
            "ingest": Ingestion(db, files, parsers, sink, pipelines),
            "reindex": Reindexing(db, pipelines, share=options.reindex_share),
            "purge": Purging(db, upkeep, reconciler, sink, answer_log=answer_log, reports=report_files(settings)),
        }
        ingestor = Ingestor(
            db, files, labours, IngestorOptions(options.jobs, options.attempts, options.lease_s), _doorbell(settings)
        )
        yield WorkerServices(ingestor, upkeep)


def make_fetcher(settings: Settings) -> Fetcher:
    options = settings.fetch
    hosts = frozenset(host.strip().rstrip(".").lower() for host in options.allow_hosts.split(",") if host.strip())
    reach = Reach(options.allow_private, hosts)
    return Fetcher(reach, FetchLimits(options.max_bytes, options.total_s))


@asynccontextmanager
async def open_writer(settings: Settings) -> AsyncIterator[LanguageModel | None]:
    """The configured language model, for other words than answers; None where answers are extractive."""
    async with AsyncExitStack() as stack:
        yield None if is_extractive(settings) else in_order(await open_models(settings, stack))


def _disk(settings: Settings) -> DiskUse:
    home, databases = settings.home, {"catalogue": settings.database, "answers": settings.answer_log}
    places: dict[str, Path | None] = {name: home / name for name in ("files", "lexical", "chroma", "evaluations")}
    places["matrices"] = home / "matrix"
    for name, url in databases.items():
        places[name] = Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None
    return DiskUse(places, elsewhere=("chroma",))


def _doorbell(settings: Settings) -> Doorbell:
    return Doorbell(settings.home / "run" / "doorbell")
