"""What of a folder is taken, and when a file counts as gone."""

import os
from pathlib import Path

import pytest

from rag_api.feeding.folders import Folder, Selection, feed_of
from rag_api.feeding.items import Skipped


def folder_with(
    root: Path, files: dict[str, str], include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()
) -> Folder:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Folder(root, "papers", Selection.of(include, exclude))


def taken(folder: Folder) -> list[str]:
    return [file.name for file in folder.files() if not isinstance(file, Skipped)]


def test_files_come_in_the_order_of_their_paths_without_hidden_ones(tmp_path: Path) -> None:
    names = ["b.txt", "a/z.txt", "a/b/c.txt", ".env", ".git/config", "a/.cache/x.txt"]
    assert taken(folder_with(tmp_path, dict.fromkeys(names, "x"))) == ["a/b/c.txt", "a/z.txt", "b.txt"]


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ("*.log", {"a.txt", "sub/a.txt", "sub/deep/a.txt", "build/a.txt"}),
        ("/a.txt", {"a.log", "sub/a.txt", "sub/a.log", "sub/deep/a.txt", "build/a.txt"}),
        ("build/\nsub", {"a.txt", "a.log"}),
        ("*\n!*/\n!*.log", {"a.log", "sub/a.log"}),
        ("sub/**\n!sub/a.txt", {"a.txt", "a.log", "sub/a.txt", "build/a.txt"}),
        ("sub/*\n!sub/deep/", {"a.txt", "a.log", "sub/deep/a.txt", "build/a.txt"}),
        ("sub/\n!sub/a.txt", {"a.txt", "a.log", "build/a.txt"}),
        ("deep", {"a.txt", "a.log", "sub/a.txt", "sub/a.log", "build/a.txt"}),
        ("sub/**/a.txt", {"a.txt", "a.log", "sub/a.log", "build/a.txt"}),
        ("# all\n\n", {"a.txt", "a.log", "sub/a.txt", "sub/a.log", "sub/deep/a.txt", "build/a.txt"}),
    ],
)
def test_an_ignore_file_is_read_as_git_reads_its_own(tmp_path: Path, rules: str, left: set[str]) -> None:
    names = ["a.txt", "a.log", "sub/a.txt", "sub/a.log", "sub/deep/a.txt", "build/a.txt"]
    assert set(taken(folder_with(tmp_path, {**dict.fromkeys(names, "x"), ".ragignore": rules}))) == left


def test_the_nearest_ignore_file_that_says_something_decides(tmp_path: Path) -> None:
    files = {".ragignore": "*.log\n*.tmp", "sub/.ragignore": "!*.log\nprivate/", "sub/a.log": "", "sub/a.tmp": ""}
    files |= {"sub/private/b.txt": "", "private/b.txt": "", "a.log": ""}
    assert taken(folder_with(tmp_path, files)) == ["private/b.txt", "sub/a.log"]


def test_included_and_not_excluded(tmp_path: Path) -> None:
    names = ["a.md", "a.txt", "node_modules/a.md", "docs/b.md", "docs/old/c.md"]
    folder = folder_with(tmp_path, dict.fromkeys(names, "x"), ("*.md",), ("node_modules/", "/docs/old"))
    assert taken(folder) == ["a.md", "docs/b.md"]


def test_links_to_folders_are_not_followed_and_links_to_files_are(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "root", {"a.txt": "x"})
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "link.txt").symlink_to(tmp_path / "root" / "a.txt")
    (tmp_path / "root" / "dead.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "root" / "pipe.txt")
    assert taken(folder) == ["a.txt", "link.txt"]


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"a.txt": "x"})
    (tmp_path / os.fsdecode(b"b\xff.txt")).write_text("x")
    assert [(type(file).__name__, file.name) for file in folder.files()] == [
        ("LocalFile", "a.txt"),
        ("Skipped", r"'b\udcff.txt'"),
    ]


def test_a_folder_that_cant_be_read_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"shut/a.txt": "x", "z.txt": "x"})
    (tmp_path / "shut" / ".ragignore").mkdir()  # so nobody knows what may be taken
    assert [(type(file).__name__, file.name) for file in folder.files()] == [
        ("Skipped", "shut/"),
        ("LocalFile", "z.txt"),
    ]


def test_a_file_is_gone_when_the_folder_is_there_without_it(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "root", {"a.txt": "x", "sub/b.txt": "x"})
    assert not folder.has_lost("a.txt")
    assert folder.has_lost("c.txt")
    assert folder.has_lost("a.txt/c.txt")
    assert folder.has_lost("other/c.txt")
    assert not folder.has_lost("x" * 5_000)  # the system can't say
    (tmp_path / "root").rename(tmp_path / "elsewhere")
    assert not folder.has_lost("a.txt")
    assert not folder.has_lost("c.txt")


def test_a_feed_is_one_folders_and_does_not_tell_where_it_is(tmp_path: Path) -> None:
    one, other = tmp_path / "one" / "papers", tmp_path / "other" / "papers"
    one.mkdir(parents=True)
    other.mkdir(parents=True)
    assert feed_of(one) == feed_of(one / "." / ".." / "papers")
    assert feed_of(one) != feed_of(other)
    assert feed_of(one).startswith("papers-")
    assert len(feed_of(one)) == len("papers-") + 8
