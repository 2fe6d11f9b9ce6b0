"""The checks of what the service stands on, against servers that are right and wrong."""

from pathlib import Path

import pytest

from rag_api.doctor_backends import Wrong, chroma, embedder, port
from rag_api.errors import PortInUse
from rag_api.settings import ChromaSettings, EmbedderSettings, Settings
from rag_api.supervise import bind
from tests.web_server import Reply, serve_site

VECTOR = Reply(b'{"data": [{"embedding": [0.1, 0.2, 0.3]}]}', media_type="application/json")


def settings(home: Path, embedder_url: str = "", chroma_url: str = "", at: int = 0) -> Settings:
    return Settings(  # type: ignore[call-arg]
        home=home,
        host="127.0.0.1",
        port=at,
        embedder=EmbedderSettings(url=embedder_url, model="m"),  # type: ignore[call-arg]
        chroma=ChromaSettings(url=chroma_url),  # type: ignore[call-arg]
    )


def test_an_embeddings_server_is_asked_for_a_vector(tmp_path: Path) -> None:
    with serve_site() as site:
        site.pages["/v1/embeddings"] = VECTOR
        assert embedder(settings(tmp_path, f"{site.url}/v1")) == f"m at {site.url}/v1, 3 dimensions"
        site.pages["/v1/embeddings"] = Reply(b"no model m", 404)
        with pytest.raises(Wrong, match=r"404 for m: no model m; check RAG_EMBEDDER__URL"):
            embedder(settings(tmp_path, f"{site.url}/v1"))
        site.pages["/v1/embeddings"] = Reply(b"", 401)
        with pytest.raises(Wrong, match="RAG_EMBEDDER__API_KEY"):
            embedder(settings(tmp_path, f"{site.url}/v1"))
        site.pages["/v1/embeddings"] = Reply(b"<html>")
        with pytest.raises(Wrong, match="holds no vector"):
            embedder(settings(tmp_path, f"{site.url}/v1"))
        away = site.url
    with pytest.raises(Wrong, match="can't be reached"):
        embedder(settings(tmp_path, f"{away}/v1"))


def test_a_chroma_server_is_asked_whether_it_is_there(tmp_path: Path) -> None:
    with serve_site() as site:
        site.pages["/api/v2/heartbeat"] = Reply(b"{}")
        assert chroma(settings(tmp_path, chroma_url=site.url)) == f"at {site.url}"
        site.pages["/api/v2/heartbeat"] = Reply(b"", 403)
        with pytest.raises(Wrong, match="RAG_CHROMA__API_KEY"):
            chroma(settings(tmp_path, chroma_url=site.url))
    with pytest.raises(Wrong, match="RAG_CHROMA__URL"):
        chroma(settings(tmp_path, chroma_url=site.url))


def test_a_port_that_another_program_has_is_named(tmp_path: Path) -> None:
    with bind("127.0.0.1", 0) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=str(number)):
            port(settings(tmp_path, at=number))
    assert port(settings(tmp_path, at=number)) == f"127.0.0.1:{number} is free"
