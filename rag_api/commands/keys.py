import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from rag_api.attach import server
from rag_api.client_values import Key
from rag_api.commands.options import JsonOption
from rag_api.core.principals import ROLES, Role
from rag_api.settings import load_settings
from rag_api.terminal import err, out, print_json

keys = typer.Typer(no_args_is_help=True, help="List, create and revoke API keys.")
RoleOption = Annotated[str, typer.Option(help=f"What the key is for: {', '.join(ROLES)}.")]
NameOption = Annotated[str, typer.Option(help="Who or what has it.")]
Collections = Annotated[
    list[str] | None, typer.Option("--collection", "-c", help="A collection that it may enter; none: all.")
]
Groups = Annotated[list[str] | None, typer.Option("--group", "-g", help="A group of it, as in a document's acl.")]
Days = Annotated[float | None, typer.Option("--days", min=0.001, help="For how long it will do; unset: for good.")]
KeyId = Annotated[str, typer.Argument(help="As the list names it.")]


@keys.command("list")
def list_keys(as_json: JsonOption = False) -> None:
    """List the keys, without their secrets."""
    with server(load_settings()) as client:
        rows = list(client.keys())
    if as_json:
        for row in rows:
            print_json(row)
        return
    table = Table("key", "begins", "role", "collections", "groups", "created", "last used", "state", "name", box=None)
    for row in rows:
        collections = "all" if row["collections"] is None else ", ".join(row["collections"])
        cells = [row["key_id"], f"{row['prefix']}…", row["role"], collections, ", ".join(row["groups"])]
        cells += [row["created_at"][:10], (row["last_used_at"] or "never")[:16], _state(row), row["name"]]
        table.add_row(*map(escape, cells))
    out.print(table)


@keys.command()
def create(
    role: RoleOption,
    name: NameOption = "",
    *,
    collection: Collections = None,
    group: Groups = None,
    days: Days = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key and print it, this once. The first one closes the server to all who have none."""
    if role not in ROLES:
        raise typer.BadParameter(f"{role!r} is none of the roles {', '.join(ROLES)}")
    expires_at = (datetime.now(UTC) + timedelta(days=days)).isoformat() if days else None
    with server(load_settings()) as client:
        row = client.create_key(
            role, name=name, collections=collection or None, groups=group or [], expires_at=expires_at
        )
    if as_json:
        print_json(row)
        return
    err.print(f"created {row['key_id']}, {_article(row['role'])} {row['role']}'s; this is told only now:")
    sys.stdout.write(f"{row['secret']}\n")


@keys.command()
def revoke(key_id: KeyId, as_json: JsonOption = False) -> None:
    """Revoke a key: its next request is refused."""
    with server(load_settings()) as client:
        row = client.revoke_key(key_id)
    if as_json:
        print_json(row)
    else:
        out.print(f"revoked {row['key_id']}", markup=False)


def _state(row: Key) -> str:
    if row["revoked"]:
        return "revoked"
    if not row["expires_at"]:
        return "good"
    is_over = datetime.fromisoformat(row["expires_at"]) <= datetime.now(UTC)
    return "expired" if is_over else f"until {row['expires_at'][:10]}"


def _article(role: Role | str) -> str:
    return "an" if role[0] in "aeiou" else "a"
