import pytest

from rag_api.core.judging import read_verdict
from rag_api.core.verifying import Verdict


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("supported", Verdict.SUPPORTED),
        (" **Unsupported**.\n", Verdict.UNSUPPORTED),
        ("partial: the price is missing", Verdict.PARTIAL),
        ("Supported, as the passage says so.", Verdict.SUPPORTED),
        ("supported. Or rather unsupported.", None),
        ("not supported", None),
        ("It is supported", None),
        ("supportedness", None),
        ("", None),
        ("42", None),
    ],
)
def test_a_reply_counts_when_it_begins_with_the_verdict(reply: str, verdict: Verdict | None) -> None:
    assert read_verdict(reply) is verdict
