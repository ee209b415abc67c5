"""A scratch server with durability on, thrown away at the end: what benchmarks measure on."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from flask import Flask
from sqlalchemy.orm import Session

import dashboard
from dashboard import clock, embedded, keys, migrate, roles
from dashboard.config import settings
from dashboard.models.operator import MoneyMode
from dashboard.services import operators

_OWNER_URL = "benchmark_owner_url"


@contextmanager
def application() -> Iterator[Flask]:
    """The application on an empty, migrated database of its own.

    Outside of its context: a request that finds one takes over what the last one kept in it.
    """
    folder = Path(tempfile.mkdtemp(prefix="purser-bench-"))
    folder.chmod(0o711)
    home = folder / "home"
    os.environ["PURSER_HOME"] = str(home)
    for name in ("DATABASE_URL", "PURSER_SECRET_KEY", "PURSER_ANCHOR_KEY", "PURSER_ANCHOR_DIR"):
        os.environ.pop(name, None)
    settings.cache_clear()
    server = embedded.start(home)
    try:
        owner_url = server.url("owner")
        with roles.connect_as_owner(owner_url) as connection:
            roles.ensure(connection, owner_url, keys.database_passwords(home))
        migrate.upgrade(owner_url)
        app = dashboard.create_app()
        app.extensions[_OWNER_URL] = owner_url
        yield app
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def vacuum(app: Flask) -> None:
    """What autovacuum does within a minute of a large fill; only the owner of the tables may."""
    with roles.connect_as_owner(app.extensions[_OWNER_URL]) as connection:
        connection.execute("VACUUM (ANALYZE)")


@contextmanager
def as_owner(app: Flask) -> Iterator[psycopg.Connection]:
    """A transaction of the owner, for rows in sets that no service writes."""
    with roles.connect_as_owner(app.extensions[_OWNER_URL]) as connection, connection.transaction():
        yield connection


def make_operator(session: Session) -> int:
    """An operator with the VIP table in USD; returns its id."""
    return operators.create(
        session,
        slug="bench",
        name="Bench",
        currency="USD",
        timezone="Europe/Prague",
        money_mode=MoneyMode.PLAY,
        currencies=[],
        defaults=operators.Defaults(),
        now=clock.now(),
    )
