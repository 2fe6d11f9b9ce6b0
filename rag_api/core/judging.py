"""What a language model says when it is asked whether a passage supports a sentence. Pure."""

import re

from rag_api.core.verifying import Verdict

_WORD = re.compile(r"[^\W\d_]+")
_VERDICTS = {verdict.value: verdict for verdict in Verdict}


def read_verdict(reply: str) -> Verdict | None:
    """None for a reply that does not begin with one of the three words, or takes it back."""
    words = _WORD.findall(reply.casefold())
    named = {word for word in words if word in _VERDICTS}
    if not words or words[0] not in _VERDICTS or len(named) > 1:
        return None
    return _VERDICTS[words[0]]
