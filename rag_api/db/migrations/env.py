"""Alembic's entry: runs the migrations on the URL it is given."""

import asyncio

from alembic import context
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from rag_api.db.tables import metadata


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


async def _migrate_server(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()
    await engine.dispose()


def _run() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    assert url
    if make_url(url).get_backend_name() != "sqlite":
        asyncio.run(_migrate_server(url))
        return
    engine = create_engine(make_url(url).set(drivername="sqlite"), poolclass=pool.NullPool)
    with engine.connect() as connection:
        _migrate(connection)
        connection.commit()


_run()
