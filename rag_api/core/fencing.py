"""Text of documents as it may stand in a prompt: nothing in it that no person sees, or that a model's server would take
for a mark of its own. Pure."""

import re

from markupsafe import escape

ATTRIBUTE_CHARS = 200
# What shows nothing and carries letters for models: tags, direction marks, joiners of width zero, variation selectors
# that follow one another or choose none of emoji's. U+200C and U+200D stay: scripts and emoji mean something by them.
_HIDDEN_CHARS = (
    "\x00-\x08\x0b-\x1f\x7f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_HIDDEN = re.compile(f"[{_HIDDEN_CHARS}]|(?<=[\ufe0e\ufe0f])[\ufe0e\ufe0f]+")
_MAY_BE_HIDDEN = re.compile(f"[{_HIDDEN_CHARS}\ufe0e\ufe0f]")  # one set of characters is looked for four times as fast
# the templates' own marks, and those of the chat templates of models
_MARK = re.compile(
    r"<(?=\s*/?\s*(?:passage|conversation|sentence)\b|[|｜]|/?(?:s|bos|eos|start_of_turn|end_of_turn)>|</?SYS>>)"
    r"|\[(?=\s*/?\s*(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS|TOOL_CONTENT)\s*\])",
    re.IGNORECASE,
)
_DEFUSED = {"<": "&lt;", "[": "&#91;"}


def without_hidden(text: str) -> str:
    return _HIDDEN.sub("", text) if _MAY_BE_HIDDEN.search(text) else text


def blanked(text: str) -> str:
    """The same with a space for each hidden character, so that offsets stay."""
    return _HIDDEN.sub(lambda found: " " * len(found[0]), text)


def fenced(text: str) -> str:
    """Text that can't end or begin a passage, a conversation or a message, however it is written."""
    return _defused(without_hidden(text))


def attribute(text: str) -> str:
    """A title or a heading as it may stand between the quotes of an attribute, on one line and not too long."""
    line = " ".join(without_hidden(text).split())
    line = line if len(line) <= ATTRIBUTE_CHARS else f"{line[: ATTRIBUTE_CHARS - 1]}…"
    return _defused(str(escape(line)))


def _defused(text: str) -> str:
    if "<" not in text and "[" not in text:  # nearly always, and much faster than to look for the marks
        return text
    return _MARK.sub(lambda mark: _DEFUSED[mark[0]], text)
