"""`rag ingest` as people start it: folders, URLs, standard input, looking ahead, and following a folder."""

import gzip
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes import BIN, Backends, Service, clean_env
from tests.web_server import Reply, Site, serve_site

WELL = "The village of Ostrava Dolna has a well. The well is 42 metres deep."
TEA = "Tea is served at four in the blue room."
WATCH_S = 30.0


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serve_site() as started:
        yield started


@pytest.fixture(scope="module")
def service(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {**backends.env, "RAG_FETCH__ALLOW_HOSTS": "localhost"}
    with Service.start(tmp_path_factory.mktemp("home"), env) as started:
        yield started


def env_of(home: Path) -> dict[str, str]:
    return clean_env(RAG_HOME=str(home), RAG_FETCH__ALLOW_HOSTS="localhost")


def ingest(service: Service, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "rag"), "ingest", *args]
    return subprocess.run(
        command,
        env=env_of(service.home),
        cwd=service.home.parent,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
    )


def listed(service: Service, collection: str) -> dict[str, dict[str, Any]]:
    page = service.http.get(f"/api/v1/collections/{collection}/documents", params={"limit": 1000}).json()
    return {row["source"]: row for row in page["items"]}


def states(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["file"]: row.get("state") or row["would"] for row in rows if "file" in row}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    for name, text in {
        "well.txt": WELL,
        "inner/tea.md": TEA,
        "inner/draft.md": "A draft.",
        "inner/deep/notes.log": "A log.",
        "out/built.txt": "Built.",
        ".hidden/x.txt": "Hidden.",
        ".env": "SECRET=1",
        ".ragignore": "out/\n*.log\n",
        "inner/.ragignore": "draft*\n!deep/*.log\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "boat.mp3").write_bytes(b"ID3\x04\0\0\0\xff\xfb")
    return folder


def test_a_folder_is_walked_by_its_rules_and_unsupported_files_are_named_and_counted(
    service: Service, folder: Path
) -> None:
    done = ingest(service, str(folder), "-c", service.collection("rules"))
    assert done.returncode == 0, done.stderr
    assert "boat.mp3 skipped: unsupported (.mp3)" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 unsupported (.mp3), 3 done"
    found = listed(service, "rules")
    assert set(found) == {"well.txt", "inner/tea.md", "inner/deep/notes.log"}
    assert all(row["metadata"]["feed"].startswith("papers-") for row in found.values())
    again = ingest(service, str(folder), "-c", "rules", "--json")
    assert states(again) == {**dict.fromkeys(found, "unchanged"), "boat.mp3": "skipped"}


def test_globs_choose_among_a_folders_files(service: Service, folder: Path) -> None:
    collection = service.collection("globs")
    done = ingest(
        service, str(folder), "-c", collection, "--include", "*.md", "--include", "*.log", "--exclude", "deep/"
    )
    assert done.returncode == 0, done.stderr
    assert set(listed(service, collection)) == {"inner/tea.md"}


def test_many_files_go_up_in_batches_and_one_that_cant_be_read_does_not_stop_them(
    service: Service, tmp_path: Path
) -> None:
    folder, collection = tmp_path / "many", service.collection("many")
    folder.mkdir()
    for number in range(130):
        (folder / f"{number:03}.txt").write_text(f"The number of this paper is {number}.")
    (folder / "050.txt").unlink()
    (folder / "050.txt").symlink_to("nowhere")
    (folder / "051.pdf").write_bytes(b"<html>not a PDF")
    done = ingest(service, str(folder), "-c", collection, "--json")
    assert done.returncode == 1
    ended = states(done)
    assert ended.pop("051.pdf") == "rejected"
    assert (len(ended), set(ended.values())) == (129, {"done"})
    assert len(listed(service, collection)) == 129


@pytest.mark.parametrize(
    "args",
    [
        ("nowhere",),
        (".", "--source", "x"),
        ("-",),
        ("-", "-", "--source", "x"),
        ("http://localhost/", "--watch"),
        (".", "--watch", "--dry-run"),
        ("http://localhost/", "--delete"),
        ("http://localhost/", "--include", "*"),
        (".", "--max-pages", "0"),
        (),
    ],
)
def test_wrong_use_is_told_apart_from_failure(service: Service, args: tuple[str, ...]) -> None:
    done = ingest(service, *args, stdin="no JSON lines")
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr


def test_a_wrong_collection_is_failure(service: Service, folder: Path) -> None:
    done = ingest(service, str(folder), "-c", "atlantis")
    assert (done.returncode, "atlantis" in done.stderr) == (1, True)


def test_standard_input_is_a_document_or_json_lines(service: Service) -> None:
    collection = service.collection("stdin")
    done = ingest(service, "-", "--source", "notes/well", "--title", "The well", "-c", collection, stdin=WELL)
    assert done.returncode == 0, done.stderr
    lines = '{"text": "Gulls eat chips.", "id": "gull"}\n{"text": "Terns dive.", "id": "tern"}\n'
    assert ingest(service, "-", "-c", collection, stdin=lines).returncode == 0
    found = listed(service, collection)
    assert (set(found), found["notes/well"]["title"]) == ({"notes/well", "gull", "tern"}, "The well")


def test_a_page_and_a_sitemap_are_fetched(service: Service, site: Site) -> None:
    base, collection = f"http://localhost:{site.port}", service.collection("pages")
    urls = [f"{base}/page/{number}" for number in range(3)]
    for number, url in enumerate(urls):
        site.pages[url.removeprefix(base)] = Reply(f"<html><p>Page number {number} is here.</p></html>".encode())
    listing = "".join(f"<url><loc>{url}</loc></url>" for url in [*urls, f"{base}/private/x", "http://elsewhere.test/"])
    index = f"<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'><sitemap><loc>{base}/s.xml.gz</loc></sitemap></sitemapindex>"
    packed = gzip.compress(f"<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{listing}</urlset>".encode())
    site.pages["/sitemap.xml"] = Reply(index.encode(), media_type="application/xml")
    site.pages["/s.xml.gz"] = Reply(packed, media_type="application/gzip")
    site.pages["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /private/\n", media_type="text/plain")
    done = ingest(service, f"{base}/sitemap.xml", "-c", collection, "--json")
    assert done.returncode == 0, done.stdout
    assert states(done) == {
        **dict.fromkeys(urls, "done"),
        f"{base}/private/x": "skipped",
        "http://elsewhere.test/": "skipped",
    }
    assert "/private/x" not in site.asked
    assert set(listed(service, collection)) == set(urls)
    few = ingest(service, f"{base}/sitemap.xml", "-c", collection, "--max-pages", "1", "--json")
    assert list(states(few).values()).count("unchanged") == 1
    gone = ingest(service, f"{base}/gone", "-c", collection)
    assert (gone.returncode, "answers 404" in gone.stdout) == (1, True)


def test_a_dry_run_says_what_would_be_done_and_sends_nothing(service: Service, folder: Path) -> None:
    collection = service.collection("dry")
    assert ingest(service, str(folder), "-c", collection).returncode == 0
    before = listed(service, collection)
    (folder / "well.txt").write_text(WELL * 20)
    (folder / "new.txt").write_text("New.")
    (folder / "birds.jsonl").write_text('{"text": "Gulls eat chips."}\n{"text": "Terns dive."}\n')
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    (folder / "inner" / "tea.md").unlink()
    done = ingest(service, str(folder), "-c", collection, "--dry-run", "--delete", "--json")
    assert done.returncode == 1  # one of them would fail
    assert states(done) == {
        "birds.jsonl": "new",
        "boat.mp3": "unsupported",
        "broken.pdf": "failed",
        "inner/deep/notes.log": "unchanged",
        "inner/tea.md": "deleted",
        "new.txt": "new",
        "well.txt": "changed",
    }
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    well = next(row for row in rows if row.get("file") == "well.txt")
    assert well["chunks"] > 1
    assert 200 < well["tokens"] < 800
    last = rows[-1]
    assert last["total"]["documents"] == 4
    assert last["total"]["chunks"] == sum(row.get("chunks", 0) for row in rows)
    assert last["seconds"] > 0
    assert "chunks a second" in last["basis"]
    assert listed(service, collection) == before
    names = [row["name"] for row in service.http.get("/api/v1/collections").json()["items"]]
    assert not [name for name in names if name.startswith("rate-")]
    ingest(service, str(folder), "-c", collection)
    (job,) = [row for row in service.http.get("/api/v1/jobs").json()["items"] if row["source"] == "well.txt"][:1]
    assert job["chunks_total"] == well["chunks"]


def test_delete_removes_what_the_folder_lost_and_nothing_else(service: Service, folder: Path) -> None:
    collection = service.collection("delete")
    (folder / "birds.jsonl").write_text('{"text": "Gulls eat chips.", "id": "gull"}\n')
    assert ingest(service, str(folder), "-c", collection).returncode == 0
    service.ingest(collection, {"by-hand.txt": b"Uploaded by hand."})
    (folder / "birds.jsonl").unlink()
    (folder / "well.txt").unlink()
    kept = ingest(service, str(folder), "-c", collection)
    assert kept.returncode == 0
    assert {"well.txt", "gull"} <= set(listed(service, collection))  # not unless it is asked for
    done = ingest(service, str(folder), "-c", collection, "--delete", "--exclude", "*.md")
    assert done.returncode == 0
    assert {"birds.jsonl deleted", "well.txt deleted"} <= set(done.stdout.splitlines())
    assert set(listed(service, collection)) == {"by-hand.txt", "inner/tea.md", "inner/deep/notes.log"}


def test_an_empty_folder_deletes_nothing(service: Service, folder: Path) -> None:
    collection = service.collection("unmounted")
    assert ingest(service, str(folder), "-c", collection).returncode == 0
    folder.rename(folder.with_name("elsewhere"))
    folder.mkdir()
    done = ingest(service, str(folder), "-c", collection, "--delete")
    assert (done.returncode, "the folder is empty" in done.stdout) == (1, True)
    assert len(listed(service, collection)) == 3


@contextmanager
def watching(home: Path, log: Path, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(BIN / "rag"), "ingest", *args, "--watch"], env=env_of(home), cwd=home.parent, stdout=out, stderr=out
        )
        try:
            eventually(lambda: "watching " in log.read_text() or process.poll() is not None, log)
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def eventually(is_so: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + WATCH_S
    while not is_so():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def test_a_watched_folder_and_its_collection_stay_the_same(service: Service, folder: Path, tmp_path: Path) -> None:
    collection, log = service.collection("watched"), tmp_path / "watch.log"
    assert ingest(service, str(folder), "-c", collection).returncode == 0
    service.ingest(collection, {"by-hand.txt": b"Uploaded by hand."})
    (folder / "well.txt").unlink()  # while nobody watches
    (folder / "inner" / "tea.md").write_text("Tea is served at five.")
    with watching(service.home, log, str(folder), "-c", collection) as process:
        has = lambda *names: set(listed(service, collection)) == {*names, "by-hand.txt"}  # noqa: E731
        eventually(lambda: has("inner/tea.md", "inner/deep/notes.log"), log)
        eventually(lambda: "at five" in service.search(collection, "When is tea?")[0]["text"], log)
        (folder / "new.txt").write_text("The new paper.")
        (folder / "boat2.mp3").write_bytes(b"ID3\x04\0\0\0\xff\xfb")
        (folder / "out" / "more.txt").write_text("Ignored.")
        eventually(lambda: has("inner/tea.md", "inner/deep/notes.log", "new.txt"), log)
        (folder / "new.txt").rename(folder / "renamed.txt")
        eventually(lambda: has("inner/tea.md", "inner/deep/notes.log", "renamed.txt"), log)
        (folder / "fresh").mkdir()
        (folder / "fresh" / "a.txt").write_text("In a new folder.")
        eventually(lambda: has("inner/tea.md", "inner/deep/notes.log", "renamed.txt", "fresh/a.txt"), log)
        (folder / "fresh" / "a.txt").unlink()
        (folder / "fresh").rmdir()
        eventually(lambda: has("inner/tea.md", "inner/deep/notes.log", "renamed.txt"), log)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0, log.read_text()
    said = log.read_text()
    assert "Traceback" not in said
    assert "stopped watching" in said
    assert "inner/deep/notes.log unchanged" in said


def test_a_file_that_is_still_written_to_waits_until_it_is_quiet(
    service: Service, folder: Path, tmp_path: Path
) -> None:
    collection, log = service.collection("quiet"), tmp_path / "watch.log"
    with watching(service.home, log, str(folder), "-c", collection):
        with (folder / "growing.txt").open("w") as growing:
            for line in range(12):
                growing.write(f"Line {line}.\n")
                growing.flush()
                time.sleep(0.2)
        eventually(lambda: "growing.txt" in listed(service, collection), log)
        eventually(lambda: "growing.txt done" in log.read_text(), log)
    row = listed(service, collection)["growing.txt"]
    assert (row["version"], row["bytes"]) == (1, (folder / "growing.txt").stat().st_size)


def test_watching_survives_a_restart_of_the_server(backends: Backends, folder: Path, tmp_path: Path) -> None:
    home, log = tmp_path / "home", tmp_path / "watch.log"
    with ExitStack() as until_restart:
        first = until_restart.enter_context(Service.start(home, backends.env))
        with watching(home, log, str(folder)) as process:
            eventually(lambda: len(listed(first, "default")) == 3, log)
            until_restart.close()
            (folder / "late.txt").write_text("Written while the server was away.")
            (folder / "well.txt").unlink()
            eventually(lambda: "trying again" in log.read_text(), log)
            with Service.start(home, backends.env) as second:  # at another port
                wanted = {"late.txt", "inner/tea.md", "inner/deep/notes.log"}
                eventually(lambda: set(listed(second, "default")) == wanted, log)
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0, log.read_text()
    assert "the server is there again" in log.read_text()


def test_sending_survives_a_restart_of_the_server(backends: Backends, tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "many"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number}.txt").write_text(f"The number of this paper is {number}.")
    with ExitStack() as until_restart:
        first = until_restart.enter_context(Service.start(home, backends.env))
        command = [str(BIN / "rag"), "ingest", str(folder), "--json"]
        with subprocess.Popen(command, env=env_of(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            eventually(lambda: len(listed(first, "default")) >= 20, tmp_path / "home.log")
            until_restart.close()
            with Service.start(home, backends.env) as second:
                said, told = process.communicate(timeout=90)
                assert process.returncode == 0, told
                assert len(listed(second, "default")) == 200
    rows = [json.loads(line) for line in said.decode().splitlines()]
    assert {row["file"] for row in rows} == {f"{number}.txt" for number in range(200)}
    assert b"trying again" in told
