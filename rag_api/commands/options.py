"""Options that several commands have."""

from typing import Annotated

import typer

CollectionOption = Annotated[str, typer.Option("--collection", "-c", help="The collection's name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines for programs.")]
