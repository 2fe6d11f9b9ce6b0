"""Where reports of evaluations are kept: all that `rag eval` needs of the wiring. Settings stop here, too."""

from rag_api.backends.reports import ReportFiles
from rag_api.settings import Settings


def report_files(settings: Settings) -> ReportFiles:
    return ReportFiles(settings.home / "evaluations")
