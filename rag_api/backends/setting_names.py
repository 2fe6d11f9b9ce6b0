from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingNames:
    """What a person has to look at when this model is wrong."""

    base_url: str = "RAG_LLM__BASE_URL"
    model: str = "RAG_LLM__MODEL"
    api_key: str = "RAG_LLM__API_KEY"
