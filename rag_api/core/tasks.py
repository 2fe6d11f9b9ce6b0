"""What a chat front end asks of a language model beside the conversation, and the same without a model. Pure.

Open WebUI sends, as a user's message to the model that is chatted with, `### Task:` with what is wanted (a title, tags,
follow-ups, …), the JSON to reply with, and the conversation between `<chat_history>` tags.
"""

import json
import re
from collections import Counter

from rag_api.core.words import STOP_WORDS

_TASK = re.compile(r"\s*### Task:")
_HISTORY = re.compile(r"<chat_history>(.*)</chat_history>", re.DOTALL)
_USER = re.compile(r"^USER: (.*?)(?=^(?:USER|ASSISTANT|SYSTEM): |\Z)", re.DOTALL | re.MULTILINE)
_WANTED = re.compile(r'"(title|tags|follow_ups|queries|prompt|text)"\s*:')
_WORD = re.compile(r"[^\W\d_][\w'’-]{2,}")
_SENTENCE_END = re.compile(r"(?<=[.!?。？！])\s")
TITLE_WORDS = 6
TITLE_CHARS = 60
TAGS = 3
TAGS_FROM_QUESTIONS = 2  # of less, there is nothing to say in general


def is_task(text: str) -> bool:
    return bool(_TASK.match(text)) and "<chat_history>" in text


def reply_by_rule(task: str) -> str:
    """JSON of the kind that the task asks for, made of the user's own words: nothing is invented."""
    history = _HISTORY.search(task)
    asked = [said.strip() for said in _USER.findall(history.group(1))] if history else []
    wanted = _WANTED.search(task)
    match wanted.group(1) if wanted else "":
        case "title":
            reply: dict[str, object] = {"title": _title(asked[0]) if asked else "Conversation"}
        case "tags":
            reply = {"tags": _tags(asked)}
        case "follow_ups":
            reply = {"follow_ups": []}
        case "queries":
            reply = {"queries": asked[-1:]}
        case "prompt":
            reply = {"prompt": asked[-1] if asked else ""}
        case "text":
            reply = {"text": ""}
        case _:
            reply = {}
    return json.dumps(reply, ensure_ascii=False)


def _title(question: str) -> str:
    """The first sentence, cut between words."""
    words = _SENTENCE_END.split(question.strip(), 1)[0].split()
    cut = " ".join(words[:TITLE_WORDS])[:TITLE_CHARS].rstrip(" ,;:.?!？。")
    return cut + ("…" if len(words) > TITLE_WORDS else "") if cut else "Conversation"


def _tags(asked: list[str]) -> list[str]:
    """What is spoken of most often."""
    if len(asked) < TAGS_FROM_QUESTIONS:
        return ["General"]
    words = [word for said in asked for word in _WORD.findall(said) if word.casefold() not in STOP_WORDS]
    counts = Counter(word.casefold() for word in words)
    first = {word.casefold(): word for word in reversed(words)}
    return [first[word].capitalize() for word, _ in counts.most_common(TAGS)] or ["General"]
