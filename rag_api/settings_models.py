"""The settings of language models."""

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class FallbackSettings(BaseModel):
    """One more language model, as an object of JSON; what is not here is as for the first."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["chat_completions", "anthropic"] = "chat_completions"
    base_url: str = ""
    model: str = Field(min_length=1)
    api_key: SecretStr = SecretStr("")
    price_in: float | None = Field(None, ge=0)
    price_out: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _is_whole(self) -> "FallbackSettings":
        if not self.base_url and self.kind == "chat_completions":
            raise ValueError("base_url is missing")
        return _with_both_prices(self)


class LanguageModelSettings(BaseModel):
    kind: Literal["auto", "extractive", "chat_completions", "anthropic"] = Field(
        "auto", description="auto: chat_completions when base_url is given, else extractive"
    )
    base_url: str = Field("", description="of an OpenAI-compatible server, such as http://127.0.0.1:11434/v1")
    model: str = Field("", description="the name that this server knows the model by")
    api_key: SecretStr = Field(SecretStr(""))
    connect_s: float = Field(5, gt=0)
    first_token_s: float = Field(30, gt=0)
    between_tokens_s: float = Field(20, gt=0)
    total_s: float = Field(600, gt=0, description="seconds that one answer of a model may take")
    retries: int = Field(2, ge=0, le=10, description="of a request of which nothing has come back")
    retry_after_s: float = Field(10, ge=0, description="the longest wait that a server may ask for")
    breaker_failures: int = Field(5, ge=1, description="in a row, after which a model is left alone")
    breaker_s: float = Field(30, gt=0, description="seconds for which it is")
    fallbacks: list[FallbackSettings] = Field([], description="models to ask when the one before fails, in order")
    fallback_to_extractive: bool = Field(False, description="true: quote the documents when no model answers")
    citations: Literal["auto", "markers", "documents"] = Field(
        "auto", description="documents: an Anthropic model cites by its own means; auto: at Anthropic's own server only"
    )
    price_in: float | None = Field(None, ge=0, description="of a million tokens read; shown as usage.cost")
    price_out: float | None = Field(None, ge=0, description="of a million tokens written")
    context_tokens: int = Field(8_192, ge=512, description="tokens that the model reads and writes in one go")
    reserve_tokens: int = Field(1_024, ge=1, description="of them for the answer, where max_tokens does not say")
    tokenizer: Path | None = Field(None, description="the model's tokenizer.json; unset: tokens are estimated, not low")
    temperature: float | None = Field(None, ge=0, le=2, description="unset: the server's own")
    max_tokens: int | None = Field(None, ge=1, description="unset: the server's own")

    @property
    def is_extractive(self) -> bool:
        return self.kind == "extractive" or (self.kind == "auto" and not self.base_url)

    @model_validator(mode="after")
    def _has_both_prices(self) -> "LanguageModelSettings":
        return _with_both_prices(self)


class JudgeSettings(BaseModel):
    kind: Literal["rules", "model"] = Field(
        "rules", description="who says whether passages support what they are cited for"
    )
    base_url: str = Field("", description="of an OpenAI-compatible server; unset: that of the language model")
    model: str = Field("", description="unset: the language model")
    api_key: SecretStr = Field(SecretStr(""), description="for that server")
    timeout_s: float = Field(10, gt=0, description="seconds for a verdict, and for the last ones after the text")
    at_once: int = Field(4, ge=1, description="verdicts that are asked for at once")


Priced = TypeVar("Priced", LanguageModelSettings, FallbackSettings)


def _with_both_prices(one: Priced) -> Priced:
    if (one.price_in is None) != (one.price_out is None):
        raise ValueError("price_in and price_out are given together or not at all")
    return one
