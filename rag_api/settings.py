"""Every setting, from `RAG_…` environment variables and `.env`. Read by the mains and `wiring`, by nobody else."""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from rag_api.core.defaults import DEFAULT_MODEL, DEFAULT_THRESHOLD
from rag_api.errors import InvalidSettings
from rag_api.settings_access import JwtSettings
from rag_api.settings_models import JudgeSettings, LanguageModelSettings

PREFIX = "RAG_"
MIN_CHUNK_TOKENS = 16


class EmbedderSettings(BaseModel):
    model: str = Field(DEFAULT_MODEL, description="a sentence-transformers model by name or folder")
    url: str = Field("", description="an OpenAI-compatible embeddings server to use instead of an own process")
    api_key: SecretStr = Field(SecretStr(""), description="for that server")
    number_format: Literal["auto", "int8", "bf16", "fp32"] = Field(
        "auto", description="auto: the quickest that the processor has and that is known to find the same"
    )
    threads: int = Field(0, ge=0, description="0: one for each core")
    batch_tokens: int = Field(4096, ge=256, description="tokens that one forward pass takes, padding included")
    other_models: int = Field(2, ge=1, description="models of collections that were indexed with another one, loaded")
    queue_texts: int = Field(4096, ge=1, description="texts that may wait; beyond, a call is refused")
    cache: str = Field(
        "",
        description="a folder for what was read of other models than the default once; empty: cache/models in the home",
    )


class ChromaSettings(BaseModel):
    url: str = Field("", description="a Chroma server to use instead of a supervised child")
    api_key: SecretStr = Field(SecretStr(""), description="sent as a bearer token to that server")
    ef_search: int = Field(200, ge=10, description="how widely the vector index is searched")
    shard_chunks: int = Field(65_536, ge=0, description="chunks of an index in one Chroma collection; 0: all")
    memory_bytes: int = Field(
        384 * 1024**2, ge=0, description="of an own Chroma, at which it lets go of what nobody asks for; 0: no limit"
    )
    timeout_s: float = Field(30, gt=0)


class ChunkSettings(BaseModel):
    max_tokens: int = Field(160, ge=0, description="of a chunk, at most what the embedder reads; 0: as much as that")
    overlap_tokens: int = Field(0, ge=0, description="of a chunk, repeated in the next; at most half of it")

    @model_validator(mode="after")
    def _can_be_cut(self) -> "ChunkSettings":
        if self.max_tokens and (self.max_tokens < MIN_CHUNK_TOKENS or 2 * self.overlap_tokens > self.max_tokens):
            raise ValueError(f"chunks need {MIN_CHUNK_TOKENS} tokens or more, of which half may overlap")
        return self


class IngestSettings(BaseModel):
    parsers: int = Field(2, ge=1, description="child processes that parse")
    jobs: int = Field(32, ge=1, description="jobs that a worker has in hand at once")
    batch_chunks: int = Field(200, ge=1, description="chunks embedded and indexed together")
    parse_s: float = Field(120, gt=0, description="seconds that parsing one document may take")
    parse_memory_bytes: int = Field(2 * 1024**3, gt=0, description="address space of a parsing child")
    text_chars: int = Field(50_000_000, gt=0, description="characters that one document's text may have")
    ocr: bool = Field(False, description="recognise the text of scans and pictures, with the tesseract program")
    attempts: int = Field(3, ge=1, description="tries before a job fails for good")
    reindex_share: float = Field(
        0.5, gt=0, le=1, description="of the time that building a new index takes the embedder"
    )
    lease_s: float = Field(30, gt=1, description="seconds after which a silent worker's job is another's")


class UploadSettings(BaseModel):
    max_bytes: int = Field(1024**3, gt=0, description="bytes that one request may bring")


class FetchSettings(BaseModel):
    allow_private: bool = Field(False, description="true: URLs may lead to this machine and its network, on any port")
    allow_hosts: str = Field("", description="hosts that may be fetched from whatever their address, with commas")
    max_bytes: int = Field(64 * 1024**2, gt=0, description="bytes that a URL may bring, unpacked")
    total_s: float = Field(60, gt=0, description="seconds that fetching a URL may take, redirects included")


class RetrievalSettings(BaseModel):
    dense_weight: float = Field(0.5, ge=0, le=1, description="of the dense score in hybrid search; the rest is lexical")
    neighbour_weight: float = Field(
        0.17, ge=0, le=1, description="how much of its better neighbour's lead over the last candidate a chunk gets"
    )
    dense_floor: float = Field(
        0.0, ge=-1, lt=1, description="the embedder's cosine of texts that have nothing in common"
    )
    same_text: int = Field(2, ge=1, description="hits that one document may have of just the same text")
    diversity: float = Field(
        0.1, ge=0, le=1, description="what a hit loses of its score when nearly a copy of another document's before it"
    )
    candidates: int = Field(100, ge=10, description="chunks that each index names before fusion")
    exact_below: int = Field(20_000, ge=0, description="chunks in question up to which they are scored exactly")
    exact_above: int | None = Field(
        None, ge=0, description="chunks of large collections beyond which, too; unset: what an own Chroma has room for"
    )
    mirrored_documents: int = Field(
        200_000, ge=0, description="documents whose filterable fields are kept in memory, some 1 to 2 KB each"
    )


class RerankerSettings(BaseModel):
    kind: Literal["none", "cross_encoder", "http"] = Field("none", description="what reads the best hits once more")
    model: str = Field("", description="a cross-encoder by name or folder, or the name that the server knows it by")
    base_url: str = Field("", description="of kind http: the server, whose rerank is asked")
    api_key: SecretStr = Field(SecretStr(""), description="for that server")
    candidates: int = Field(30, ge=1, le=200, description="hits that are read once more")
    timeout_s: float = Field(2.0, gt=0, description="seconds after which a search goes on without")


class AnswerSettings(BaseModel):
    passages: int = Field(5, ge=1, le=100, description="hits that go into a prompt unless top_k says otherwise")
    budget_chars: int = Field(12_000, ge=500, description="characters of passages in a prompt")
    gate: Literal["auto", "strict", "off"] = Field(
        "auto", description="refuses what passages can't answer: auto extractive answers only, strict all"
    )
    threshold: float = Field(DEFAULT_THRESHOLD, ge=0, le=1, description="the gate's score below which it refuses")
    sentence_vectors: int = Field(10_000, ge=0, description="vectors of sentences kept in memory")
    sentences: int = Field(3, ge=1, le=20, description="sentences of an extractive answer at most")
    orphan_s: float = Field(30, ge=0, description="seconds that an answer goes on without a reader")
    cache: Literal["off", "exact", "near"] = Field(
        "exact", description="the same question again gets the same answer while nothing has changed; near: one like it"
    )
    cache_entries: int = Field(1_000, ge=1, description="answers in the cache at most")
    cache_chars: int = Field(20_000_000, ge=1, description="characters of answers and passages in it at most")
    cache_age_s: float = Field(86_400, gt=0, description="seconds that an answer stays in it at most")
    cache_similarity: float = Field(0.97, ge=0, le=1, description="cosine from which questions are one in mode near")
    history_turns: int = Field(6, ge=0, le=100, description="turns of a conversation that a question sees")
    history_chars: int = Field(4_000, ge=0, description="characters of them in a prompt")
    condense: Literal["auto", "rule", "off"] = Field(
        "auto", description="how a follow-up question is made to stand alone: by the language model if there is one"
    )
    condense_s: float = Field(10, gt=0, description="seconds that the language model has for it; then by rule")
    kept: int = Field(200, ge=1, description="finished answers that are kept in memory; the others are read from disk")
    kept_days: float = Field(30, gt=0, description="days that an answer can be read again and resumed")
    running: int = Field(1_000, ge=1, description="answers in progress at once; beyond, 503")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_file=".env", extra="ignore", hide_input_in_errors=True
    )

    home: Path = Field(Path(".rag"), description="the folder that holds everything this service keeps")
    host: str = Field("127.0.0.1", description="address to serve; another than loopback wants keys or tokens")
    port: int = Field(8000, ge=0, le=65535)
    admin_key: SecretStr = Field(SecretStr(""), description="a key of an admin; set, every request needs a key")
    database_url: str = Field("", description="SQLAlchemy URL of the catalogue; empty: SQLite in the home")
    prompts_dir: Path | None = Field(None, description="folder of prompt templates; unset: those that come along")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool = Field(True, description="false: readable lines for a terminal")
    shutdown_s: float = Field(8, gt=0, description="seconds that open streams get to end")
    embedder: EmbedderSettings = EmbedderSettings()  # type: ignore[call-arg]
    chroma: ChromaSettings = ChromaSettings()  # type: ignore[call-arg]
    chunks: ChunkSettings = ChunkSettings()  # type: ignore[call-arg]
    ingest: IngestSettings = IngestSettings()  # type: ignore[call-arg]
    uploads: UploadSettings = UploadSettings()  # type: ignore[call-arg]
    fetch: FetchSettings = FetchSettings()  # type: ignore[call-arg]
    retrieval: RetrievalSettings = RetrievalSettings()  # type: ignore[call-arg]
    reranker: RerankerSettings = RerankerSettings()  # type: ignore[call-arg]
    llm: LanguageModelSettings = LanguageModelSettings()  # type: ignore[call-arg]
    answers: AnswerSettings = AnswerSettings()  # type: ignore[call-arg]
    judge: JudgeSettings = JudgeSettings()  # type: ignore[call-arg]
    jwt: JwtSettings = JwtSettings()  # type: ignore[call-arg]

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home.absolute() / 'catalogue.db'}"

    @property
    def is_guarded(self) -> bool:
        """Whether requests need a key or a token even where no key has been created."""
        return bool(self.admin_key.get_secret_value()) or self.jwt.is_set

    @property
    def answer_log(self) -> str:
        is_file = self.database.startswith("sqlite")
        return f"sqlite:///{self.home.absolute() / 'answers.db'}" if is_file else self.database


def setting_names(model: type[BaseModel] = Settings, prefix: str = PREFIX) -> list[str]:
    """The environment variables, in the order of the fields."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += setting_names(kind, f"{prefix}{name.upper()}__")
        else:
            names.append(f"{prefix}{name.upper()}")
    return names


def load_settings() -> Settings:
    """From the environment and `.env`. Raises InvalidSettings that names the variable and the nearest known one."""
    _refuse_unknown(os.environ)
    env_file = Path(".env")
    if env_file.is_file():
        lines = env_file.read_text("utf-8").splitlines()
        _refuse_unknown(line.partition("=")[0].removeprefix("export ").strip() for line in lines if "=" in line)
    try:
        settings = Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        raise InvalidSettings("; ".join(_sentence(problem) for problem in error.errors())) from error
    except SettingsError:  # its cause would show the value, which may hold a key
        raise InvalidSettings(f"{PREFIX}LLM__FALLBACKS is no JSON list of objects; see .env.example") from None
    if settings.judge.kind == "model" and settings.llm.is_extractive:
        raise InvalidSettings(
            f"{PREFIX}JUDGE__KIND=model judges what a language model writes, and there is none: set "
            f"{PREFIX}LLM__BASE_URL and {PREFIX}LLM__MODEL, or unset it"
        )
    return settings


def _refuse_unknown(names: Iterable[str]) -> None:
    known = setting_names()
    for name in names:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0)
            raise InvalidSettings(f"there is no setting {name}; the nearest is {near[0]}. Correct or unset it")


def _sentence(problem: object) -> str:
    assert isinstance(problem, dict)
    where = list(problem["loc"])
    at = next((i for i, part in enumerate(where) if isinstance(part, int)), len(where))
    variable = PREFIX + "__".join(str(part).upper() for part in where[:at])
    item = f", item {where[at] + 1}" + "".join(f", {part}" for part in where[at + 1 :]) if at < len(where) else ""
    return f"{variable}{item}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
