"""Structured logs, the request's id, and the metrics that `/metrics` shows."""

import logging
import sys
from contextvars import ContextVar

import structlog
from prometheus_client import Counter, Gauge, Histogram
from structlog.typing import EventDict, WrappedLogger

request_id: ContextVar[str] = ContextVar("request_id", default="")

REQUESTS = Counter("rag_requests_total", "HTTP requests", ["route", "method", "status"])
REQUEST_S = Histogram("rag_request_seconds", "Until the response began", ["route"])
SEARCH_S = Histogram("rag_search_seconds", "Searches, whole", ["mode"], buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2))
ANSWERS = Counter("rag_answers_total", "Answers by how they ended", ["outcome"])
CACHE_ASKED = Counter("rag_answer_cache_total", "Questions that the cache of answers was asked for", ["outcome"])
ANSWERS_OPEN = Gauge("rag_answers_open", "Answers in progress")
FIRST_TEXT_S = Histogram("rag_first_text_seconds", "From the question to the first text")
MODEL = ["model", "server"]
MODEL_TRIES = Counter("rag_language_model_tries_total", "Requests to language models by what came", [*MODEL, "outcome"])
MODEL_TOKENS = Counter(
    "rag_language_model_tokens_total", "Tokens that language models read and wrote", [*MODEL, "kind"]
)
MODEL_COST = Counter("rag_language_model_cost_total", "What they cost, by the prices of the settings", MODEL)
MODEL_RESTS = Gauge("rag_language_model_rests", "1 while a language model is not asked, as it kept failing", MODEL)
MODEL_TURNS = Counter(
    "rag_language_model_turns_total", "Models that failed and that another stood in for", ["model", "reason"]
)
JUDGED = Counter("rag_judged_total", "Citations that a language model was to judge, by what it said", ["verdict"])


def configure_logging(*, process: str, level: str, as_json: bool) -> None:
    """Everything, libraries included, goes to standard error: as lines of JSON, or readable on a terminal."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        structlog.processors.format_exc_info,
    ]
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in (
        "httpx",
        "httpcore",
        "uvicorn",
        "uvicorn.error",
        "uvicorn.access",
        "sentence_transformers",
        "mcp",
        "alembic",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def log(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _add_request_id(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if current := request_id.get():
        event["request_id"] = current
    return event
