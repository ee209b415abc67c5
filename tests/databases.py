"""Databases of a test run: on one server, cloned from one migrated template, emptied to be used again."""

import gc
import os
import uuid
from functools import cache

import psycopg
from psycopg import sql

from dashboard import keys, roles
from dashboard.config import settings
from dashboard.db import Base

OWNER_URL = "PURSER_TEST_OWNER_URL"  # how xdist's workers learn of the server that the controller started
TEMPLATE = "purser_template"


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
    made = sql.Identifier(name)
    with psycopg.connect(os.environ[OWNER_URL], autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(made, sql.Identifier(template)))
        for role in ("purser_app", "purser_partner"):
            for setting in _PATIENT:
                statement = f"ALTER ROLE {role} IN DATABASE {{}} SET {setting} = '60s'"
                connection.execute(sql.SQL(statement).format(made))
    return name


_LEFT_BEHIND = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
AND NOT (state = 'idle' AND application_name IN ('purser-web', 'purser-partner'))
"""
"""Without what waits in the pool of an application that stays connected."""
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
        deletions = [f'DELETE FROM "{table}"' for table in _inward() if table in filled]
        connection.execute(";".join([*deletions, _COUNT_ANEW]))


@cache
def _inward() -> list[str]:
    """Every table, none before one that refers to it."""
    return [*_QUEUE, *(table.name for table in reversed(Base.metadata.sorted_tables))]
