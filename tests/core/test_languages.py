"""Questions whose language is told, and others. How often it is right on many: docs/decisions/0018-prompts.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.languages import LANGUAGES, guess_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Was kostet eine Einzelfahrt?", "de"),
        ("Wer ist Olga?", "de"),
        ("WO IST DER HAFEN", "de"),
        ("Combien coûte un billet simple ?", "fr"),
        ("Où se trouve le port ?", "fr"),
        ("donde esta el puerto", "es"),
        ("Chi è Olga?", "it"),
        ("Onde fica o porto?", "pt"),
        ("Wat kost een enkele reis?", "nl"),
        ("Ile kosztuje bilet?", "pl"),
        ("Сколько стоит билет?", "ru"),
        ("单程票多少钱", "zh"),
        ("片道切符はいくらですか", "ja"),
        ("편도 요금은 얼마예요?", "ko"),
        ("Debian 是什么？", "zh"),
        ("How much is a single?", "en"),
        ("What does “Schadenfreude” mean?", "en"),
        ("ticket price", "en"),
        ("Скільки коштує квиток? Які?", "en"),
        ("Bilet fiyatı ne kadar?", "en"),
        ("كم سعر التذكرة؟", "en"),
        ("", "en"),
        ("42?", "en"),
    ],
)
def test_a_short_question_tells_its_language(text: str, language: str) -> None:
    assert guess_language(text) == language


@given(st.text())
def test_any_text_is_of_some_language(text: str) -> None:
    assert guess_language(text) in LANGUAGES
