"""Clients that go on while processes die: one uploads, one searches and holds every reply to what was acknowledged.

Each text says of itself `chunk-group V of document D, part I of N`, so a reply that shows half a document, two
versions of one, an old one or a deleted one gives itself away.
"""

import contextlib
import json
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

SAYS = re.compile(r"chunk-group (\d+) of document (\w+), part (\d+) of (\d+)")
DOCUMENTS = "/api/v1/collections/default/documents"
SEARCH = "/api/v1/collections/default/search"
PATIENCE_S = 90.0
LOOKS = 8


def text(document: str, group: int, parts: int) -> str:
    words = ("harbour", "lantern", "gannet", "mooring", "ledger", "tide")
    lines = [
        f"chunk-group {group} of document {document}, part {part} of {parts}. The {words[part % 6]} keeps watch."
        for part in range(1, parts + 1)
    ]
    return "\n\n".join(lines)


@dataclass
class Sent:
    """An acknowledged upload of a document."""

    group: int
    parts: int
    job_id: str


@dataclass
class Book:
    """What was acknowledged, by document name."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    sent: dict[str, list[Sent]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    known_done: dict[str, int] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)  # a DELETE is on its way, which may have been done already
    deleted: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    jobs: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)


class Client(threading.Thread):
    """Ends when `stopped` is set; `wrong` holds what it saw that must not be."""

    def __init__(self, url: str, book: Book, seed: int) -> None:
        super().__init__(daemon=True)
        self.book = book
        self.stopped = threading.Event()
        self.wrong: list[str] = []
        self.replies = 0
        self.random = random.Random(seed)
        self.http = httpx.Client(base_url=url, timeout=30)

    def run(self) -> None:
        try:
            while not self.stopped.is_set():
                self.step()
        except Exception as error:  # noqa: BLE001 - the test that started this thread raises it
            self.wrong.append(f"{type(self).__name__}: {error!r}")

    def step(self) -> None:
        raise NotImplementedError

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """None when the server died over it or can't do it now; a 500 is never right."""
        try:
            reply = self.http.request(method, path, **options)
        except httpx.TransportError:
            time.sleep(0.1)
            return None
        self.replies += 1
        if reply.status_code == 503:
            time.sleep(0.05)
            return None
        if reply.status_code >= 500:
            self.wrong.append(f"{method} {path}: {reply.status_code} {reply.text}")
            return None
        return reply

    def insist(self, method: str, path: str, **options: Any) -> httpx.Response:
        """As a client that wants an answer does: again and again."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if reply := self.ask(method, path, **options):
                return reply
        raise AssertionError(f"no answer to {method} {path} within {PATIENCE_S:.0f} s")


class Uploader(Client):
    group = 0
    bulk_job: str | None = None

    def step(self) -> None:
        names = [f"d{n}" for n in range(12)]
        match self.random.choices(("one", "bulk", "delete", "cancel", "retry", "broken"), (10, 2, 2, 1, 1, 1))[0]:
            case "one":
                self.upload(self.random.choice(names if self.random.random() < 0.2 else self.settled(names)))
            case "bulk":
                self.upload_bulk()
            case "delete":
                self.delete(self.random.choice(names))
            case "cancel":
                self.cancel(self.random.choice(names))
            case "retry":
                self.retry()
            case "broken":
                self.upload_broken()
        time.sleep(self.random.uniform(0.05, 0.3))

    def settled(self, names: list[str]) -> list[str]:
        """Those whose newest upload is done, so that versions do not only overtake each other in the queue."""
        with self.book.lock:
            newest = {name: sent[-1].group for name, sent in self.book.sent.items() if sent}
            return [name for name in names if newest.get(name, 0) <= self.book.known_done.get(name, 0)] or names

    def upload(self, name: str) -> Sent:
        self.group += 1
        parts = self.random.randint(3, 40)
        data = text(name, self.group, parts).encode()
        reply = self.insist("POST", DOCUMENTS, files={"files": (f"{name}.txt", data)})
        assert reply.status_code == 202, reply.text
        [row] = reply.json()["documents"]
        assert row["status"] in ("queued", "unchanged"), row
        sent = Sent(self.group, parts, row["job_id"] or self.newest_job(f"{name}.txt"))
        self._note(name, sent, row["document_id"])
        return sent

    def newest_job(self, source: str) -> str:
        """That of an earlier try, which had got through though its reply did not: nobody else uploads."""
        jobs = self.insist("GET", "/api/v1/jobs", params={"limit": 100}).json()["items"]
        return next(str(job["job_id"]) for job in jobs if job["source"] == source)

    def _note(self, name: str, sent: Sent, document_id: str | None) -> None:
        with self.book.lock:
            self.book.sent.setdefault(name, []).append(sent)
            if document_id:
                self.book.ids[name] = document_id
            self.book.jobs.add(sent.job_id)

    def upload_bulk(self) -> None:
        """One bulk load after the other: which of two at once comes last would be anybody's guess."""
        if self.bulk_job and self.insist("GET", f"/api/v1/jobs/{self.bulk_job}").json()["state"] in (
            "queued",
            "running",
        ):
            return
        self.group += 1
        sizes = {f"line{n}": self.random.randint(1, 12) for n in range(self.random.randint(5, 60))}
        lines = [json.dumps({"id": name, "text": text(name, self.group, parts)}) for name, parts in sizes.items()]
        reply = self.insist("POST", DOCUMENTS, files={"files": ("lines.jsonl", "\n".join(lines).encode())})
        self.bulk_job = job_id = str(reply.json()["documents"][0]["job_id"] or self.newest_job("lines.jsonl"))
        for name, parts in sizes.items():
            self._note(name, Sent(self.group, parts, job_id), None)

    def delete(self, name: str) -> None:
        document_id = self.book.ids.get(name)
        if document_id is None:
            return
        with self.book.lock:
            self.book.leaving.add(document_id)
        reply = self.insist("DELETE", f"{DOCUMENTS}/{document_id}")
        assert reply.status_code in (200, 404), reply.text
        with self.book.lock:
            self.book.deleted.add(document_id)
            del self.book.ids[name], self.book.sent[name]
            self.book.known_done.pop(name, None)

    def cancel(self, name: str) -> None:
        sent = self.upload(name)
        reply = self.insist("POST", f"/api/v1/jobs/{sent.job_id}/cancel")
        assert reply.status_code in (200, 202, 409), reply.text
        self.book.cancelled.add(sent.job_id)

    def retry(self) -> None:
        if self.book.cancelled:
            job_id = self.random.choice(sorted(self.book.cancelled))
            reply = self.insist("POST", f"/api/v1/jobs/{job_id}/retry")
            assert reply.status_code in (200, 202, 404, 409), reply.text

    def upload_broken(self) -> None:
        self.group += 1
        data = f"%PDF-1.7 number {self.group} ends here".encode()
        reply = self.insist("POST", DOCUMENTS, files={"files": ("broken.pdf", data)})
        if job_id := reply.json()["documents"][0]["job_id"]:
            self.book.refused.append(job_id)


class Searcher(Client):
    """`nothing`: how often a search met the moment in which a version took another's place and showed neither."""

    nothing = 0

    def step(self) -> None:
        with self.book.lock:
            known = sorted(self.book.ids.items())
        if not known:
            time.sleep(0.05)
            return
        name, document_id = self.random.choice(known)
        match self.random.choice(("lexical", "dense", "hybrid", "list", "content", "open")):
            case "list":
                self.look(name, document_id, self.listed)
            case "content":
                self.look(name, document_id, self.content)
            case "open":
                self.search_openly()
            case mode:
                self.look(name, document_id, partial(self.searched, mode=mode))

    def look(self, name: str, document_id: str, read: Any) -> None:
        """Whole, one version, none that was overtaken before the question, and nothing that had been deleted."""
        for _ in range(LOOKS):
            with self.book.lock:
                done, was_deleted = self.book.known_done.get(name, 0), document_id in self.book.deleted
                if self.book.ids.get(name) != document_id:
                    done = 0
            found = read(document_id)
            if found is None:
                return
            groups = {group for group, _, _, _ in found}
            parts = {part for _, _, part, _ in found}
            if not found:
                with self.book.lock:
                    is_gone = document_id in self.book.leaving or self.book.ids.get(name) != document_id
                if not done or is_gone:
                    return
                self.nothing += 1
                continue
            if was_deleted:
                self.wrong.append(f"{name}: shown after it was deleted")
            if len(groups) != 1 or parts != set(range(1, max(of for *_, of in found) + 1)):
                self.wrong.append(f"{name} by {read}: groups {groups}, parts {sorted(parts)} of {found[:1]}")
            if min(groups) < done:
                self.wrong.append(f"{name}: group {min(groups)} is shown after {done} was done")
            return
        self.wrong.append(f"{name}: not found though group {done} is done ({read})")

    def searched(self, document_id: str, mode: str) -> list[tuple[int, str, int, int]] | None:
        body = {"query": "chunk-group of document part", "top_k": 100, "mode": mode}
        reply = self.ask("POST", SEARCH, json=body | {"filter": {"document_id": document_id}})
        if reply is None or reply.json().get("degraded"):
            return None
        return said(hit["text"] for hit in reply.json()["hits"])

    def listed(self, document_id: str) -> list[tuple[int, str, int, int]] | None:
        reply = self.ask("GET", f"{DOCUMENTS}/{document_id}/chunks", params={"limit": 1000})
        if reply is None or reply.status_code == 404:
            return None
        return said(chunk["text"] for chunk in reply.json()["items"])

    def content(self, document_id: str) -> list[tuple[int, str, int, int]] | None:
        reply = self.ask("GET", f"{DOCUMENTS}/{document_id}/content")
        if reply is None or reply.status_code in (404, 410):
            return None
        return said([reply.text])

    def search_openly(self) -> None:
        """Over all documents: no two versions of one."""
        body = {"query": f"document d{self.random.randrange(12)} gannet", "top_k": self.random.choice((10, 50))}
        reply = self.ask("POST", SEARCH, json=body)
        if reply is None:
            return
        seen: dict[str, Mapping[str, Any]] = {}
        for hit in reply.json()["hits"]:
            if seen.setdefault(hit["document_id"], hit)["version"] != hit["version"]:
                self.wrong.append(f"two versions of {hit['source']} in one reply")


class Watcher(Client):
    """Asks how the newest jobs ended, so that searches know what must be found."""

    def step(self) -> None:
        with self.book.lock:
            open_ = [(name, one) for name, all_ in self.book.sent.items() for one in all_[-2:]
                     if one.group > self.book.known_done.get(name, 0)]  # fmt: skip
        self.random.shuffle(open_)
        for name, one in open_[:5]:
            reply = self.ask("GET", f"/api/v1/jobs/{one.job_id}")
            if reply is None or reply.status_code != 200 or reply.json()["state"] != "done":
                continue
            with self.book.lock:
                if one in self.book.sent.get(name, ()):
                    self.book.known_done[name] = max(one.group, self.book.known_done.get(name, 0))
        time.sleep(0.1)


def said(texts: Any) -> list[tuple[int, str, int, int]]:
    found = SAYS.findall("\n".join(texts))
    return [(int(group), document, int(part), int(parts)) for group, document, part, parts in found]


@contextlib.contextmanager
def traffic(url: str, seed: int) -> Any:
    """The book and the clients, stopped at the end of the block."""
    book = Book()
    clients = [Uploader(url, book, seed), Searcher(url, book, seed + 1), Watcher(url, book, seed + 2)]
    for client in clients:
        client.start()
    try:
        yield book, clients
    finally:
        for client in clients:
            client.stopped.set()
        for client in clients:
            client.join(PATIENCE_S + 10)
            client.http.close()
