"""The reranker's client, and the model that the embedder process runs."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rag_api.backends.cross_encoder import CrossEncoderModel
from rag_api.backends.http import open_caller
from rag_api.backends.reranker import HttpReranker
from rag_api.errors import RerankerUnavailable
from tests.models import make_cross_encoder
from tests.web_server import Reply, Site, open_site


def ranked(*scores: object) -> Reply:
    rows = [{"index": at, "relevance_score": score} for at, score in enumerate(scores)]
    return Reply(json.dumps({"results": rows[::-1]}).encode(), media_type="application/json")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_site() as site:
        yield site


async def rerank(site: Site, reply: Reply) -> list[float]:
    site.pages["/v1/rerank"] = reply
    async with open_caller(f"{site.url}/v1", timeout_s=5) as caller:
        return await HttpReranker(caller, model="judge").rerank("ferry", ["the ferry", "a gull"])


async def test_the_scores_come_in_the_order_of_the_texts(site: Site) -> None:
    assert await rerank(site, ranked(0.9, 0.1)) == [0.9, 0.1]


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(b'{"error": {"message": "no such model"}}', 404), "404: no such model"),
        (Reply(b'{"message": "too many"}', 429), "429: too many"),
        (Reply(b"<html>", 502), "502: <html>"),
        (Reply(b"<html>"), "relevance_score for each document"),
        (Reply(b"[]"), "relevance_score for each document"),
        (ranked(0.9), "relevance_score for each document"),
        (ranked(0.9, None), "relevance_score for each document"),
        (ranked(0.9, "nan"), "no numbers"),
    ],
)
async def test_an_answer_that_is_no_ranking_is_told_as_what_it_is(site: Site, reply: Reply, says: str) -> None:
    with pytest.raises(RerankerUnavailable, match=says):
        await rerank(site, reply)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with open_caller("http://127.0.0.1:9/v1", timeout_s=1) as caller:
        with pytest.raises(RerankerUnavailable, match="can't be reached"):
            await HttpReranker(caller, model="judge").rerank("ferry", ["the ferry"])


def test_a_cross_encoder_scores_each_text_with_the_query_alone(tmp_path: Path) -> None:
    model = CrossEncoderModel(str(make_cross_encoder(tmp_path)))
    texts = ["the ferry leaves at noon", "a gull", "wind " * 2_000, ""]
    together = model.scores("ferry", texts)
    assert together == pytest.approx([model.scores("ferry", [text])[0] for text in texts], abs=1e-4)
    assert len({round(score, 4) for score in together}) > 1
    assert model.scores("gull", texts) != pytest.approx(together, abs=1e-4)


def test_a_model_that_is_no_reranker_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RerankerUnavailable, match="3 classes"):
        CrossEncoderModel(str(make_cross_encoder(tmp_path / "classifier", labels=3)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RerankerUnavailable, match="RAG_RERANKER__MODEL"):
        CrossEncoderModel(str(tmp_path / "empty"))
