"""An application on a database of its own for each file: these tests commit, from many threads at once."""

from collections.abc import Iterator

import pytest
from flask import Flask

import dashboard
from dashboard.db import alchemy
from tests.conftest import clone, database_url, drop_database

CONNECTIONS = 40
"""Two files may run side by side on a server that takes a hundred."""


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    """The application. Waiting for a lock may take long here: that is what is tested, not how fast."""
    name = clone()
    made = dashboard.create_app(
        TESTING=True,
        SQLALCHEMY_DATABASE_URI=database_url("app", name),
        SQLALCHEMY_ENGINE_OPTIONS={
            "pool_size": CONNECTIONS,
            "max_overflow": 0,
            "pool_timeout": 60,
            "connect_args": {
                "connect_timeout": 10,
                "options": "-c lock_timeout=60s -c statement_timeout=60s"
                " -c idle_in_transaction_session_timeout=60s",
            },
        },
    )
    yield made
    made.extensions["live"].close()
    with made.app_context():
        alchemy.engine.dispose()
    drop_database(name)
