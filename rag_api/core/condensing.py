"""A follow-up question made to stand alone, by rule. Pure.

Most follow-ups leave out what the question before named ("and in winter?", "who wrote it?"). Where one seems to, the
rare words of the questions before are put in front of it: an index needs the words, not the grammar.
"""

import re
from collections.abc import Sequence

from rag_api.core.words import STOP_WORDS, stem

_WORD = re.compile(r"[^\W_]+(?:['’.,-][^\W_]+)*")
_REFERS = frozenset(
    "it its itself he him his she her hers they them their theirs this that these those there then one ones "
    "former latter same such er sie es ihr ihm ihn ihre sein seine dieser diese dieses dort davon darin dazu il elle "
    "ils elles lui leur cela ce cette ces y en".split()
)
_CONTINUES = re.compile(r"^\s*(?:and|but|or|so|also|what about|how about|und|aber|et|mais)\b", re.IGNORECASE)
SHORT = 3  # words that carry meaning; a question with as many may lean on the one before
EARLIER_WORDS = 12
EARLIER_QUESTIONS = 2


def leans_on_earlier(question: str) -> bool:
    """Whether it seems to leave out what was named before."""
    words = [word.casefold() for word in _WORD.findall(question)]
    carrying = [word for word in words if word not in STOP_WORDS]
    return bool(_CONTINUES.match(question)) or bool(_REFERS & set(words)) or len(carrying) < SHORT


def standalone(question: str, earlier: Sequence[str]) -> str:
    """The question with what it leans on in the questions before it, the latest of them last."""
    if not earlier or not leans_on_earlier(question):
        return question
    own = {stem(word.casefold()) for word in _WORD.findall(question)}
    lent: list[str] = []
    for before in reversed(earlier[-EARLIER_QUESTIONS:]):
        named = [word for word in _WORD.findall(before) if word.casefold() not in STOP_WORDS | _REFERS]
        lent += [word for word in named if stem(word.casefold()) not in own and word not in lent]
        if not leans_on_earlier(before):
            break  # it stands alone: what came before it is another matter
    return f"{' '.join(lent[:EARLIER_WORDS])} {question}".strip()
