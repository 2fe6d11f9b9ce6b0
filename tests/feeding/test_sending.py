"""Batches, and patience with a server that is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_api.client import ServerError
from rag_api.feeding import sending
from rag_api.feeding.items import Batch, Item, LocalFile, Skipped, WebPage, batches, sendable, unsupported
from rag_api.feeding.sending import Patience


def files(folder: Path, sizes: dict[str, int], feed: str = "") -> list[Item]:
    for name, size in sizes.items():
        (folder / name).write_bytes(b"x" * size)
    return [LocalFile(name, folder / name, feed) for name in sizes]


def shape(items: list[Item]) -> list[list[str] | str]:
    found = batches(iter(items))
    return [[file.name for file in each.files] if isinstance(each, Batch) else type(each).__name__ for each in found]


def test_neighbours_go_together_up_to_a_number(tmp_path: Path) -> None:
    names = [f"{number}.txt" for number in range(45)]
    assert [len(names) for names in shape(files(tmp_path, dict.fromkeys(names, 1)))] == [20, 20, 5]


def test_neighbours_go_together_up_to_a_size(tmp_path: Path) -> None:
    sizes = {"a.txt": 9 * 1024**2, "b.txt": 9 * 1024**2, "c.txt": 1, "d.txt": 40 * 1024**2, "e.txt": 1}
    assert shape(files(tmp_path, sizes)) == [["a.txt"], ["b.txt", "c.txt"], ["d.txt"], ["e.txt"]]


def test_feeds_do_not_mix_and_what_holds_many_goes_alone(tmp_path: Path) -> None:
    one = files(tmp_path, {"a.txt": 1, "b.jsonl": 1, "c.txt": 1}, "one")
    two = files(tmp_path, {"d.txt": 1}, "two")
    items = [*one, *two, WebPage("http://a.example/"), Skipped("e", "why")]
    assert shape(items) == [["a.txt"], ["b.jsonl"], ["c.txt"], "WebPage", "Skipped", ["d.txt"]]
    metadata = [dict(each.metadata) for each in batches(iter([*one, *two])) if isinstance(each, Batch)]
    assert metadata == [{"feed": "one"}, {"feed": "one", "feed_file": "b.jsonl"}, {"feed": "one"}, {"feed": "two"}]


def test_batches_are_made_as_they_are_asked_for(tmp_path: Path) -> None:
    def endless() -> Iterator[Item]:
        [file] = files(tmp_path, {"a.txt": 1})
        while True:
            yield file

    assert isinstance(next(batches(endless())), Batch)


def test_only_a_kind_that_nobody_reads_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"ID3\x04\0\0\0\xff\xfb")
    (tmp_path / "a.pdf").write_bytes(b"<html>")
    (tmp_path / "a.unknown").write_text("Words.")
    left = [unsupported(LocalFile(path.name, path)) for path in sorted(tmp_path.iterdir())]
    assert [skipped and skipped.reason for skipped in left] == ["unsupported (.mp3)", None, None]
    gone = unsupported(LocalFile("b.txt", tmp_path / "b.txt"))
    assert gone
    assert gone.is_wrong


class Server:
    """Fails some times with a status, then answers."""

    def __init__(self, times: int, status: int) -> None:
        self.times = times
        self.status = status
        self.found_again = 0

    def call(self) -> str:
        if self.times:
            self.times -= 1
            raise ServerError("it is away", code="x", status=self.status)
        return "answer"

    def find_again(self) -> None:
        self.found_again += 1


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PAUSES_S", (0.01, 0.02))


@pytest.mark.parametrize("status", [0, 429, 502, 503, 504])
def test_a_server_that_is_away_is_asked_again_and_that_is_told_once(
    status: int, quickly: None, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(4, status)
    assert Patience(server.find_again, 5)(server.call) == "answer"
    assert server.found_again == 4
    assert capsys.readouterr().err.count("trying again for up to 5 s") == 1


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 500])
def test_what_will_not_pass_is_not_tried_again(status: int, quickly: None) -> None:
    server = Server(1, status)
    with pytest.raises(ServerError):
        Patience(server.find_again)(server.call)
    assert server.found_again == 0


def test_patience_ends(quickly: None) -> None:
    server = Server(10**9, 503)
    with pytest.raises(ServerError, match="it is away"):
        Patience(server.find_again, 0.2)(server.call)
    assert server.found_again > 1


def test_one_who_is_stopped_does_not_wait(quickly: None) -> None:
    server = Server(10**9, 503)
    patience = Patience(server.find_again, float("inf"))
    patience.stopped.set()
    with pytest.raises(ServerError):
        patience(server.call)
    assert server.found_again == 0


def test_a_kind_whose_parser_is_switched_off_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<html>")
    file = LocalFile("a.html", tmp_path / "a.html", "papers")
    assert sendable(file) == file
    assert sendable(file, unread="text/html") == Skipped("a.html", "unsupported (.html)")
    by_hand = LocalFile("a.html", tmp_path / "a.html")
    assert sendable(by_hand, unread="text/html") == by_hand
