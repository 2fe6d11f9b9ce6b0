"""What takes how much of the disk."""

from pathlib import Path

from rag_api.backends.disk import DiskUse


def test_folders_are_summed_and_a_database_counts_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "files" / "ab").mkdir(parents=True)
    (tmp_path / "files" / "ab" / "one").write_bytes(b"12345")
    (tmp_path / "files" / "two").write_bytes(b"67")
    (tmp_path / "files" / "link").symlink_to(tmp_path / "gone")
    (tmp_path / "db").write_bytes(b"123")
    (tmp_path / "db-wal").write_bytes(b"4")
    places = {"files": tmp_path / "files", "db": tmp_path / "db", "new": tmp_path / "new", "postgres": None}
    links = len(str(tmp_path / "gone"))
    assert DiskUse(places).measure() == {"files": 7 + links, "db": 4, "new": 0, "postgres": None}


def test_what_may_be_elsewhere_is_where_it_is_not_here(tmp_path: Path) -> None:
    use = DiskUse({"chroma": tmp_path / "chroma"}, elsewhere=("chroma",))
    assert use.measure() == {"chroma": None}
    (tmp_path / "chroma").mkdir()
    assert use.measure() == {"chroma": 0}
