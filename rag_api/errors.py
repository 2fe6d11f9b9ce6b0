"""What can go wrong, as the outside sees it; `code` is the class in snake case, the status is `web.errors.STATUS`.

This file is longer than the others because the whole tree is in one place.

RagError
├── InvalidRequest               something asked for makes no sense
│   ├── InvalidFilter
│   ├── InvalidCursor
│   ├── InvalidParameter         of another wire than our own; `details` names it
│   ├── InvalidPrompt            a template that would not work
│   ├── QuestionTooLong          for the language model's window
│   └── NothingAccepted          an upload of which no file could be taken; `details` has a row for each
├── Unauthenticated              no key or token, or one that is wrong, revoked or too old
├── Forbidden                    the role is too low for what is asked
├── ForeignOrigin                a page of another site asks a server that wants no key
├── NotFound
│   ├── CollectionNotFound
│   ├── DocumentNotFound
│   ├── JobNotFound
│   ├── ModelNotFound            no collection goes by the name of the model
│   ├── AnswerNotFound
│   ├── ConversationNotFound
│   ├── EvaluationNotFound
│   └── KeyNotFound
├── CollectionExists
├── LastAdminKey                 without it nobody could manage keys any more
├── JobRunning                   another one of its kind is at it
├── JobFinished                  too late to cancel, too early to retry
├── AnswerRedacted               it rested on a document that has been deleted, or is hidden from who asks
├── ContentGone                  it was there: a version since replaced, an answer's log since dropped
├── UploadTooLarge
├── FetchError                   a URL that was to be ingested can't be had
│   ├── UrlRefused               it is none, or leads to what is not of the public internet
│   ├── FetchFailed              no such host, no connection, an error status, a broken transfer
│   ├── FetchTimedOut
│   └── PageTooLarge
├── Unavailable                  a part of this system is not there at the moment
│   ├── EmbedderUnavailable
│   ├── VectorStoreUnavailable
│   │   └── VectorStoreBroken    it is there, and can't read what it holds
│   ├── LexicalIndexUnavailable
│   ├── RerankerUnavailable
│   ├── TokenKeysUnavailable     by which tokens are checked
│   ├── StorageFull              the disk has no room for what was to be kept
│   └── TooBusy                  a queue is full
├── LanguageModelError           the configured language model failed
│   ├── LanguageModelUnavailable it can't be reached
│   ├── LanguageModelTimeout     it said nothing for too long
│   ├── LanguageModelRefused     it rejects the key or the request
│   ├── LanguageModelBusy        it asks for fewer requests
│   └── LanguageModelBroken      it answers with an error, with nonsense, or breaks off
├── Interrupted                  this process ended while it was answering
└── StartupError                 the command can't start: shown on the terminal, never over HTTP
    ├── InvalidSettings
    ├── HomeNotWritable
    ├── HomeInUse
    └── PortInUse
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any


class RagError(Exception):
    """`str(error)` is a sentence for the caller: what, which, what to do."""

    details: Sequence[Mapping[str, Any]] | None = None

    @property
    def code(self) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


class InvalidRequest(RagError):
    pass


class InvalidFilter(InvalidRequest):
    pass


class InvalidCursor(InvalidRequest):
    def __init__(self, cursor: str) -> None:
        super().__init__(f"cursor {cursor!r} is not one that this list gave; leave it out to start over")


class InvalidParameter(InvalidRequest):
    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.details = [{"field": name, "message": problem}]


class InvalidPrompt(InvalidRequest):
    pass


class QuestionTooLong(InvalidRequest):
    """`taken`: tokens of question, instructions and templates; `room`: what a prompt may have of the `window`."""

    def __init__(self, taken: int, room: int, window: int) -> None:
        super().__init__(
            f"question and instructions take {taken:,} tokens, and {room:,} of the language model's {window:,} are for "
            "the prompt, passages included; ask in fewer words, ask for fewer max_tokens, or raise "
            "RAG_LLM__CONTEXT_TOKENS if the model reads more"
        )


class NothingAccepted(InvalidRequest):
    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("none of the files could be taken; `details` says why for each")
        self.details = rows


class Unauthenticated(RagError):
    def __init__(
        self, problem: str = "this server wants a key", remedy: str = "send it as `Authorization: Bearer <key>`"
    ) -> None:
        super().__init__(f"{problem}: {remedy}")


class Forbidden(RagError):
    def __init__(self, wanted: str, role: str) -> None:
        super().__init__(
            f"this wants the role {wanted}, and your key has the role {role}: ask an admin for another key"
        )


class ForeignOrigin(RagError):
    def __init__(self, origin: str) -> None:
        super().__init__(
            f"this server wants no key and therefore answers programs and pages of this machine only, not {origin!r}; "
            "`rag keys create` makes a key, and opens it to all who have one"
        )


class NotFound(RagError):
    pass


class CollectionNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"there is no collection {name!r}; GET /api/v1/collections lists those that are")


class ModelNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"there is no model {name!r}; GET /v1/models lists those that are, one for each collection")


class DocumentNotFound(NotFound):
    def __init__(self, document_id: str, collection: str) -> None:
        super().__init__(f"collection {collection!r} has no document {document_id!r}")


class JobNotFound(NotFound):
    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {job_id!r}")


class AnswerNotFound(NotFound):
    def __init__(self, answer_id: str) -> None:
        super().__init__(f"there is no answer {answer_id!r}")


class ConversationNotFound(NotFound):
    def __init__(self, conversation_id: str) -> None:
        super().__init__(f"there is no conversation {conversation_id!r}; GET /api/v1/conversations lists them")


class EvaluationNotFound(NotFound):
    def __init__(self, evaluation_id: str) -> None:
        super().__init__(f"there is no evaluation {evaluation_id!r}; GET /api/v1/evaluations lists them")


class KeyNotFound(NotFound):
    def __init__(self, key_id: str) -> None:
        super().__init__(f"there is no key {key_id!r}; GET /api/v1/keys lists them")


class LastAdminKey(RagError):
    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"{key_id!r} is the last key of an admin that does not expire: create another before it is revoked"
        )


class CollectionExists(RagError):
    def __init__(self, name: str) -> None:
        super().__init__(f"there is a collection {name!r} already; choose another name or use that one")


class JobRunning(RagError):
    pass


class JobFinished(RagError):
    pass


class AnswerRedacted(RagError):
    def __init__(self) -> None:
        super().__init__(
            "the answer rested on a document that has been deleted, or that you may not see any more; ask again "
            "for one without it"
        )


class ContentGone(RagError):
    pass


class UploadTooLarge(RagError):
    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"the upload is over {max_bytes:,} bytes; send less at a time or raise RAG_UPLOADS__MAX_BYTES")


class FetchError(RagError):
    pass


class UrlRefused(FetchError):
    pass


class FetchFailed(FetchError):
    """`status`: what the page's server answered, 0 when nothing."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class FetchTimedOut(FetchError):
    pass


class PageTooLarge(FetchError):
    pass


class Unavailable(RagError):
    pass


class EmbedderUnavailable(Unavailable):
    pass


class VectorStoreUnavailable(Unavailable):
    pass


class VectorStoreBroken(VectorStoreUnavailable):
    pass


class LexicalIndexUnavailable(Unavailable):
    pass


class RerankerUnavailable(Unavailable):
    pass


class TokenKeysUnavailable(Unavailable):
    pass


class StorageFull(Unavailable):
    pass


class TooBusy(Unavailable):
    pass


class LanguageModelError(RagError):
    """`passes`: the same request may succeed in a moment; `after_s`: when, if the model's server said so.

    `is_alive`: it is the request's fault, or that of its limits; the model answers others.
    """

    def __init__(
        self, message: str, *, passes: bool = False, after_s: float | None = None, is_alive: bool = False
    ) -> None:
        super().__init__(message)
        self.passes = passes
        self.after_s = after_s
        self.is_alive = is_alive


class LanguageModelUnavailable(LanguageModelError):
    pass


class LanguageModelTimeout(LanguageModelError):
    pass


class LanguageModelRefused(LanguageModelError):
    pass


class LanguageModelBusy(LanguageModelError):
    pass


class LanguageModelBroken(LanguageModelError):
    pass


class Interrupted(RagError):
    pass


class StartupError(RagError):
    pass


class InvalidSettings(StartupError):
    pass


class HomeNotWritable(StartupError):
    pass


class HomeInUse(StartupError):
    pass


class PortInUse(StartupError):
    pass
