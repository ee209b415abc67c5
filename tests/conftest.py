"""One PostgreSQL per test run, one migrated template database, and a clone of it wherever a test commits.

PURSER_TEST_DATABASE_URL runs the same tests on another server: the URL of a role that may create
databases and roles.
"""

import gc
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.orm import Session
from werkzeug.serving import make_server

from dashboard import embedded, keys, migrate, roles
from dashboard.cli import main
from dashboard.config import settings
from dashboard.services import passwords
from tests.applications import application
from tests.databases import OWNER_URL, TEMPLATE, clone, database_url, drop_database, empty, run_as_owner
from tests.pages import PageClient

# Always the same examples, so that a failure is nobody's bad luck and comes back when it is looked at.
hypothesis.settings.register_profile("purser", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("purser")


@dataclass(frozen=True)
class Finished:
    """How a command ended: its exit code, what it printed, what it complained about."""

    code: int | str
    out: str
    err: str


def pytest_configure(config: pytest.Config) -> None:
    """In the controller alone: a home, a server, a template database; the environment tells the workers."""
    passwords.lower_cost_for_tests()
    if hasattr(config, "workerinput"):
        return
    folder = Path(tempfile.mkdtemp(prefix="purser-test-"))
    folder.chmod(0o711)  # PostgreSQL's user passes through
    home = folder / "home"
    os.environ["PURSER_HOME"] = str(home)
    for name in ("DATABASE_URL", "PURSER_SECRET_KEY", "PURSER_ANCHOR_KEY", "PURSER_ANCHOR_DIR"):
        os.environ.pop(name, None)
    settings.cache_clear()
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    owner_url = os.environ.get("PURSER_TEST_DATABASE_URL")
    if owner_url is None:
        server = embedded.start(home, fast_and_unsafe=True)
        config.add_cleanup(server.stop)
        owner_url = server.url("owner")
    os.environ[OWNER_URL] = owner_url
    with roles.connect_as_owner(owner_url) as connection:
        roles.ensure(connection, owner_url, keys.database_passwords(home))
        # Whoever drops or empties a database must be allowed to end what is still connected to it.
        connection.execute("GRANT purser_app, purser_partner, purser_report TO CURRENT_USER")
    drop_database(TEMPLATE)
    run_as_owner("CREATE DATABASE {}", TEMPLATE)
    migrate.upgrade(database_url("owner", TEMPLATE))


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end: collecting garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()


# The database


@pytest.fixture(scope="session")
def used_databases() -> Iterator[list[str]]:
    """At most one empty database that tests of this process have used before."""
    names: list[str] = []
    yield names
    for name in names:
        drop_database(name)


@pytest.fixture
def app_database(used_databases: list[str]) -> Iterator[str]:
    """The name of a migrated, empty database for one application; its schema must be left as it is."""
    name = used_databases.pop() if used_databases else clone()
    yield name
    empty(name)
    used_databases.append(name)


@pytest.fixture
def database() -> Iterator[str]:
    """The name of a migrated, empty database for this test alone: for tests that commit."""
    name = clone()
    yield name
    drop_database(name)


@pytest.fixture(scope="session")
def shared_database() -> Iterator[str]:
    """The name of a database that the tests of one process share, because each rolls back."""
    name = clone()
    yield name
    drop_database(name)


@pytest.fixture(scope="session")
def shared_engine(shared_database: str) -> Iterator[Engine]:
    """The application role's engine there: what it once compiled serves the next test too."""
    engine = create_engine(database_url("app", shared_database), pool_size=1, pool_pre_ping=True)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(shared_engine: Engine) -> Iterator[Connection]:
    """The application role's connection, in a transaction that is rolled back at the end."""
    with shared_engine.connect() as opened:
        transaction = opened.begin()
        yield opened
        if transaction.is_active:
            transaction.rollback()


@pytest.fixture
def session(connection: Connection) -> Iterator[Session]:
    """A session of the application role: what a service would get, rolled back at the end.

    `session.commit()` ends in a savepoint, so that a service under test sees its own work.
    """
    with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as opened:
        yield opened


@pytest.fixture
def command(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Finished]]:
    """Runs a command of `python3 -m dashboard` on this test's database: `command("verify", "--json")`."""
    monkeypatch.setenv("DATABASE_URL", database_url("owner", database))
    settings.cache_clear()

    def run(*arguments: str) -> Finished:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        return Finished(ended.value.code or 0, printed.out, printed.err)

    yield run
    monkeypatch.undo()
    settings.cache_clear()


# The web application


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The address of a server that runs in this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture
def app(app_database: str) -> Iterator[Flask]:
    """The application on a database that is its own for this test."""
    with application(app_database, stays_connected=True) as made:
        yield made


@pytest.fixture
def client(app: Flask) -> PageClient:
    """A browser without JavaScript; `client.page(url)` checks what every page owes."""
    made = app.test_client()
    assert isinstance(made, PageClient)
    return made


@pytest.fixture
def live(app: Flask) -> Iterator[str]:
    """The address at which the application answers a browser."""
    with serving(app) as address:
        yield address
