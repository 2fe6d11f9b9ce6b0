"""How many tokens a text is for a language model whose tokenizer is not at hand. Pure.

The estimate is made to be no less than what vocabularies of 30,000 pieces and more make of real text: words by their
letters, other scripts by the character as the poorest of them cuts it, what is rare by its bytes. So it is twice what
English takes. Against which it was held: docs/decisions/0019-packing.md.
"""

import math
import re

_WORD = re.compile(r"[A-Za-z]+")
_PLAIN_WORD = re.compile(r"[A-Z]?[a-z]*")
_LONG_SPACE = re.compile(r" {2,}")
_LONE_SPACE = re.compile(r"(?<! ) (?![ A-Za-z\x80-\uffff])")  # which some vocabularies join to no digit and no sign
_LETTER = 0.55  # tokens for a letter of a word
_ODD_LETTER = 0.95  # of what is none: keys, base64, names of programs
# tokens for each character of a class; the classes share none, what is in none costs nothing: single spaces
_CLASSES = tuple(
    (re.compile(pattern), cost)
    for pattern, cost in (
        (r"[^A-Za-z\x80-\U0010ffff ]", 1.0),  # digits, punctuation, line ends
        (r"[\x80-\u036f]", 2.0),  # letters and marks of Latin that ASCII has not
        (r"[\u0400-\u052f]", 1.0),  # Cyrillic
        (r"[\u0370-\u03ff\u0530-\u07ff]", 1.25),  # Greek, Armenian, Hebrew, Arabic
        (r"[\u0800-\u1cff\ua800-\uabff]", 2.0),  # Indic, Thai, Georgian, Khmer …
        (r"[\u3041-\u30ff]", 1.6),  # kana
        (r"[\u4e00-\u9fff]", 2.0),  # Han
        (r"[\uac00-\ud7af]", 2.5),  # Hangul
        (r"[\u1d00-\u3040\u3100-\u4dff\ua000-\ua7ff\ud7b0-\uffff]", 3.0),  # by its bytes
        (r"[\U00010000-\U0010ffff]", 4.0),
    )
)


def estimate_tokens(text: str) -> int:
    words = (
        max(1.0, len(word) * (_LETTER if _PLAIN_WORD.fullmatch(word) else _ODD_LETTER)) for word in _WORD.findall(text)
    )
    spaces = (1 + len(run) / 8 for run in _LONG_SPACE.findall(text))
    others = (cost * len(pattern.findall(text)) for pattern, cost in _CLASSES)
    return 1 + math.ceil(sum(words) + sum(spaces) + sum(others) + len(_LONE_SPACE.findall(text)))
