"""One PostgreSQL per test run, one migrated template database, and a clone of it wherever a test commits.

PURSER_TEST_DATABASE_URL runs the same tests on another server: the URL of a role that may create
databases and roles.
"""

import gc
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import psycopg
import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from psycopg import sql
from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.orm import Session
from werkzeug.serving import make_server

import dashboard
from dashboard import db, embedded, keys, migrate, roles
from dashboard.cli import main
from dashboard.config import settings
from dashboard.db import Base
from dashboard.services import passwords
from tests.pages import PageClient

OWNER_URL = "PURSER_TEST_OWNER_URL"  # how xdist's workers learn of the server that the controller started
TEMPLATE = "purser_template"

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


def database_url(role: str, database: str) -> str:
    """The URL of a role (short name) on a database of this run's server."""
    passwords = keys.database_passwords(settings().home)
    return roles.url_on(os.environ[OWNER_URL], role, passwords, database=database)


def run_as_owner(statement: str, *names: str) -> None:
    """Run a statement about databases; `{}` stands for a name."""
    with psycopg.connect(os.environ[OWNER_URL], autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def drop_database(name: str) -> None:
    """Drop a database, whoever is still connected."""
    run_as_owner("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


_PATIENT = ("statement_timeout", "idle_in_transaction_session_timeout")
"""What ends a statement or a transaction of the desk after five seconds: longer than that, a busy machine
lets a test stand still."""


def clone(template: str = TEMPLATE) -> str:
    """A fresh copy of a database to which nobody is connected: the migrated, empty one; returns its name."""
    name = f"purser_test_{uuid.uuid4().hex[:12]}"
    run_as_owner("CREATE DATABASE {} TEMPLATE {}", name, template)
    for role in ("purser_app", "purser_partner"):
        for setting in _PATIENT:
            run_as_owner(f"ALTER ROLE {role} IN DATABASE {{}} SET {setting} = '60s'", name)
    return name


_LEFT_BEHIND = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_FILLED = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0"
)
_COUNT_ANEW = """
SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences
WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
_QUEUE = (
    "procrastinate_events",
    "procrastinate_periodic_defers",
    "procrastinate_jobs",
    "procrastinate_workers",
)


def empty(name: str) -> None:
    """Leave nothing in the tables of a migrated database: a tenth of the time of a new one."""
    with psycopg.connect(database_url("owner", name), autocommit=True) as connection:
        if connection.execute(_LEFT_BEHIND).fetchall():
            # Whoever holds them is out of reach, and complains when it is collected: here it disturbs nobody.
            # Within ast.parse, which Python 3.11 cannot be called from again, it would.
            gc.collect()
        filled = {row[0] for row in connection.execute(_FILLED)}
        inward = [table.name for table in reversed(Base.metadata.sorted_tables)]
        for table in (*_QUEUE, *inward):
            if table in filled:
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        connection.execute(_COUNT_ANEW)


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


@pytest.fixture
def connection(shared_database: str) -> Iterator[Connection]:
    """The application role's connection, in a transaction that is rolled back at the end."""
    engine = create_engine(database_url("app", shared_database), poolclass=NullPool)
    with engine.connect() as opened:
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
def application(database: str) -> Iterator[Flask]:
    """The application on that database."""
    made = dashboard.create_app(
        TESTING=True,
        SQLALCHEMY_DATABASE_URI=database_url("app", database),
        PARTNER_DATABASE_URI=database_url("partner", database),
        DATABASE_OWNER_URL=database_url("owner", database),
    )
    made.test_client_class = PageClient
    # Each application would compile every template anew: a third of the time of a web test.
    made.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(settings().home))
    yield made
    made.extensions["live"].close()
    with made.app_context():
        engines = made.extensions["sqlalchemy"].engines
    # Answers that nobody waits for any more may still be on their way.
    deadline = time.monotonic() + 5
    while engines[None].pool.checkedout() and time.monotonic() < deadline:
        time.sleep(0.005)
    for engine in (engines[None], engines[db.PARTNERS]):
        engine.dispose()


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
    with application(app_database) as made:
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
