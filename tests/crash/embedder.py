"""An OpenAI-compatible embeddings server without a neural network, which remembers what it was asked to embed."""

import base64
import json
import re
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

DIMENSION = 384
MODEL = "all-MiniLM-L6-v2"


def vector(text: str) -> np.ndarray:
    """Words hashed to places, and noise that only the same text has: so no two chunks are each other's twin."""
    found = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIMENSION).astype(np.float32) / 4
    for word in re.findall(r"\w+", text.lower()):
        found[zlib.crc32(word.encode()) % DIMENSION] += 1
    return found / np.float32(np.linalg.norm(found))


class CountingEmbedder(ThreadingHTTPServer):
    """`documents`: the texts of documents that it embedded, each with how often."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.documents: Counter[str] = Counter()
        self.pause_s = 0.0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked has been killed."""


class _Handler(BaseHTTPRequestHandler):
    server: CountingEmbedder
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/v1/models":
            self._send({"error": {"message": "no tokenizer"}}, 404)
            return
        self._send({"data": [{"id": MODEL, "fingerprint": "counting", "dimension": DIMENSION, "max_tokens": 256}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["input_type"] == "document":
            with self.server.lock:
                self.server.documents.update(body["input"])
            if self.server.pause_s:
                threading.Event().wait(self.server.pause_s)
        data = [
            {"index": at, "embedding": base64.b64encode(vector(text).tobytes()).decode()}
            for at, text in enumerate(body["input"])
        ]
        self._send({"data": data})

    def _send(self, body: object, status: int = 200) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve_embedder() -> Iterator[CountingEmbedder]:
    with CountingEmbedder() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
