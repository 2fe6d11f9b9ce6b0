import asyncio
import signal
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, NoReturn

import typer

from rag_api.attach import find_again, server
from rag_api.client import Client
from rag_api.commands.options import CollectionOption, JsonOption
from rag_api.feeding.arguments import Arguments, Wanted, read_arguments
from rag_api.feeding.deleting import Deleter
from rag_api.feeding.outlook import look_ahead, unread
from rag_api.feeding.report import Report
from rag_api.feeding.sending import PATIENCE_S, Patience, Sender
from rag_api.feeding.watching import Watcher
from rag_api.settings import Settings, load_settings

Paths = Annotated[
    list[str], typer.Argument(help="Files, folders with all that is in them, URLs of pages and sitemaps, - for stdin.")
]
Globs = list[str] | None
Include = Annotated[Globs, typer.Option(help="Of folders, only files that match, as in .gitignore. Repeatable.")]
Exclude = Annotated[Globs, typer.Option(help="Of folders, nothing that matches, as in .gitignore. Repeatable.")]
SourceOption = Annotated[str, typer.Option(help="The one document's source, instead of its name or URL.")]
TitleOption = Annotated[str, typer.Option(help="The one document's title, instead of its own.")]
FeedOption = Annotated[str, typer.Option(help="The mark of a folder's documents, in their metadata's `feed`.")]
Watch = Annotated[bool, typer.Option("--watch", help="Follow the folders, deletions too, until Ctrl-C.")]
Delete = Annotated[bool, typer.Option("--delete", help="Delete the documents whose files the folders have lost.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and how long it takes; send nothing.")]
MaxPages = Annotated[int, typer.Option(help="Pages that are taken from a sitemap at most.", min=1)]
AnyHost = Annotated[bool, typer.Option("--any-host", help="Pages of other hosts than the sitemap's, too.")]


@dataclass(frozen=True, slots=True)
class _Run:
    arguments: Arguments
    settings: Settings
    client: Client
    collection: str
    patience: Patience
    report: Report

    def send(self) -> None:
        sender = Sender(self.client, self.collection, self.patience, self.report, unread(self.settings))
        sender.send(self.arguments.items(self.settings))
        for folder in self.arguments.folders if self.arguments.wanted.deletes else ():
            Deleter(self.client, self.collection, self.patience, self.report).delete_lost(folder)
        self.report.tell(self.report.summary())

    def watch(self) -> None:
        signal.signal(signal.SIGTERM, _interrupt)
        with suppress(KeyboardInterrupt):
            Watcher(
                self.arguments.folders,
                self.client,
                self.collection,
                patience=self.patience,
                report=self.report,
                unread=unread(self.settings),
            ).run()
        self.report.tell(f"stopped watching: {self.report.summary()}")

    def look_ahead(self) -> None:
        wanted = self.arguments.wanted
        # sitemaps are fetched in a loop of their own, before the one that parses
        items = iter(list(self.arguments.items(self.settings)))
        asyncio.run(
            look_ahead(
                items,
                self.arguments.folders if wanted.deletes else [],
                client=self.client,
                collection=self.collection,
                settings=self.settings,
                patience=self.patience,
                report=self.report,
            )
        )


def ingest(  # noqa: PLR0917 - the command line's own
    paths: Paths,
    collection: CollectionOption = "default",
    include: Include = None,
    exclude: Exclude = None,
    source: SourceOption = "",
    title: TitleOption = "",
    feed: FeedOption = "",
    watch: Watch = False,
    delete: Delete = False,
    dry_run: DryRun = False,
    max_pages: MaxPages = 500,
    any_host: AnyHost = False,
    as_json: JsonOption = False,
) -> None:
    """Put documents into a collection, and wait until they can be found."""
    globs = (tuple(include or ()), tuple(exclude or ()))
    wanted = Wanted(tuple(paths), *globs, source, title, feed, max_pages, any_host, watch, delete, dry_run)
    with ExitStack() as stack:
        try:
            arguments = read_arguments(wanted, stack)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        settings = load_settings()
        client = stack.enter_context(server(settings))
        report = stack.enter_context(Report(as_json=as_json, is_endless=watch or dry_run))
        patience = Patience(partial(find_again, client, settings), float("inf") if watch else PATIENCE_S)
        run = _Run(arguments, settings, client, collection, patience, report)
        if dry_run:
            run.look_ahead()
        elif watch:
            run.watch()
        else:
            run.send()
    if report.failures and not watch:
        sys.exit(1)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
