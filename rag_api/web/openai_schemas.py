"""Bodies of OpenAI's wires. What is not known is left alone, as their servers do."""

from typing import Any

from pydantic import ConfigDict, Field

from rag_api.core.ports import Sampling
from rag_api.errors import InvalidParameter
from rag_api.web.schemas import In

Json = dict[str, Any]
TEXTS_A_CALL = 2_048


class Foreign(In):
    """A body of a wire that is not ours: fields that we don't know are ignored."""

    model_config = ConfigDict(extra="ignore")


class StreamOptions(Foreign):
    include_usage: bool | None = False


class ChatIn(Foreign):
    model: str = "rag"
    messages: list[Json] = Field(min_length=1, examples=[[{"role": "user", "content": "Who approves expenses?"}]])
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    n: int | None = None
    tool_choice: Any = None
    response_format: Json | None = None
    include_reasoning: bool | None = Field(default=False, description="also show what the language model thinks aloud")
    filter: Json | None = Field(default=None, description="beyond the standard: on metadata, as in search")

    @property
    def sampling(self) -> Sampling:
        return Sampling(self.temperature, self.max_completion_tokens or self.max_tokens)

    def check(self) -> None:
        """Raises InvalidParameter for what would be missed in the answer."""
        if self.n is not None and self.n != 1:
            raise InvalidParameter("n", "this server gives one answer to a question")
        check_tools(self.tool_choice)
        check_format("response_format", (self.response_format or {}).get("type"))


class ResponseIn(Foreign):
    model: str = "rag"
    input: str | list[Json] = Field(examples=["Who approves expenses?"])
    instructions: str | None = Field(default=None, max_length=20_000)
    stream: bool | None = False
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_output_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    include: list[str] | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    background: bool | None = False
    reasoning: Json | None = None
    text: Json | None = None
    tools: list[Any] | None = Field(default=None, description="`file_search`: `max_num_results`, `filters`")
    tool_choice: Any = None
    filter: Json | None = Field(default=None, description="beyond the standard: on metadata, as in search")

    @property
    def sampling(self) -> Sampling:
        return Sampling(self.temperature, self.max_output_tokens)

    @property
    def messages(self) -> list[Json]:
        """The input as messages; items that are none are what an answer went through before."""
        if isinstance(self.input, str):
            return [{"role": "user", "content": self.input}]
        return [item for item in self.input if item.get("type", "message") == "message"]

    def check(self) -> None:
        for name in ("previous_response_id", "conversation"):
            if getattr(self, name):
                raise InvalidParameter(name, "responses are not kept: send the messages before in `input`")
        if self.background:
            raise InvalidParameter("background", "answers are given at once: leave it out")
        check_tools(self.tool_choice)
        check_format("text.format", ((self.text or {}).get("format") or {}).get("type"))


class EmbeddingsIn(Foreign):
    model: str = "rag"
    input: Any = Field(examples=[["a text", "another"]])
    encoding_format: str | None = "float"
    dimensions: int | None = None
    input_type: str | None = Field(default=None, description="beyond the standard: `query` or `document`")

    def texts(self) -> list[str]:
        """Raises InvalidParameter."""
        texts = [self.input] if isinstance(self.input, str) else self.input
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise InvalidParameter("input", "send texts: a string or a list of strings, no numbers of tokens")
        if not 1 <= len(texts) <= TEXTS_A_CALL:
            raise InvalidParameter("input", f"send 1 to {TEXTS_A_CALL:,} texts at a time")
        if "" in texts:
            raise InvalidParameter("input", "an empty text has no meaning to embed")
        if self.encoding_format not in (None, "float", "base64"):
            raise InvalidParameter("encoding_format", "it is float or base64")
        return texts


def check_tools(choice: Any) -> None:
    if choice == "required" or (isinstance(choice, dict) and choice.get("type") in ("function", "custom")):
        raise InvalidParameter("tool_choice", "answers come from the documents and call no tools of yours")


def check_format(name: str, kind: Any) -> None:
    if kind not in (None, "text"):
        raise InvalidParameter(name, "answers are text with citations, not JSON")
