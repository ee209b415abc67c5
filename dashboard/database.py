"""Have a database that is ready for this release: what `run` and every command need first."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

import dashboard
from dashboard import db, embedded, keys, migrate, roles
from dashboard.config import settings


@contextmanager
def ready(*, keep_running: bool = False) -> Iterator[None]:
    """A database that is up, with its roles and this release's schema, for the length of the block.

    The embedded server is started unless DATABASE_URL names another one, and stopped at the end by
    whoever started it, unless others still use it or `keep_running`. Raises PurserError in one line.
    """
    if settings().database_url is None and keep_running:
        embedded.start(settings().home)
        prepare()
        yield
    else:
        with reachable():
            prepare()
            yield


@contextmanager
def reachable() -> Iterator[None]:
    """The server alone, up for the length of the block, and nothing in the database touched."""
    if settings().database_url is not None:
        yield
    else:
        with embedded.running(settings().home):
            yield


@contextmanager
def application() -> Iterator[Flask]:
    """The application within its context, on a database that is ready: for commands that use services."""
    with ready():
        app = dashboard.create_app()
        with app.app_context():
            try:
                yield app
            finally:
                app.extensions["live"].close()
                db.alchemy.engine.dispose()  # before the server goes, and for whoever runs many commands


def prepare() -> None:
    """Set up roles, then migrate if the schema is behind; the server must be up."""
    ensure_roles()
    migrate.upgrade(roles.url_for("owner"))


def ensure_roles() -> None:
    """Have the roles, which are the server's and no part of a backup; the server must be up."""
    owner_url = roles.url_for("owner")
    with roles.connect_as_owner(owner_url) as connection:
        roles.ensure(connection, owner_url, keys.database_passwords(settings().home))
