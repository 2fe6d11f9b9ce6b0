"""Reports in a folder: the last ones, each whole or without its texts."""

from pathlib import Path

from rag_api.backends.reports import ReportFiles


def test_the_last_reports_are_kept_the_newest_first(tmp_path: Path) -> None:
    files = ReportFiles(tmp_path / "evaluations", kept=3)
    assert files.names() == []
    names = [files.keep({"n": n}, {"report.json": "{}", "report.html": ""}) for n in range(5)]
    assert files.names() == names[:1:-1]
    assert [files.figures(name) for name in names] == [None, None, {"n": 2}, {"n": 3}, {"n": 4}]


def test_texts_are_forgotten_and_figures_stay(tmp_path: Path) -> None:
    files = ReportFiles(tmp_path)
    first, second = (files.keep({}, {"report.json": "{}", "report.html": "<p>"}) for _ in range(2))
    files.forget_texts([first])
    assert (files.whole(first, "report.html"), files.whole(second, "report.html")) == (
        None,
        tmp_path / second / "report.html",
    )
    files.forget_texts()
    assert (files.whole(second, "report.json"), files.figures(second)) == (None, {})


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "figures.json").write_text("{}")
    (tmp_path / "evaluations").mkdir()
    assert ReportFiles(tmp_path / "evaluations").figures("..") is None
