"""The database roles, on whatever server, and the URL of each.

`purser_owner` owns the database and runs migrations; `purser_app`, `purser_partner` and `purser_report`
only sign in and use what migrations grant them. Nothing here creates or changes a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from dashboard import embedded, keys
from dashboard.config import ConfigurationError, settings
from dashboard.errors import PurserError

SERVER_VERSION_MIN = 15
_CONNECT_TIMEOUT_SECONDS = 10
_ENSURE_LOCK = 0x50555253_0001  # "PURS": one process at a time changes roles


class DatabaseUnavailable(PurserError):
    """The database server cannot be reached, or is too old."""


class RolesMissing(PurserError):
    """The owner may not create the roles; the message holds the SQL for an administrator."""


@dataclass(frozen=True)
class _Role:
    name: str
    session: Mapping[str, str] = field(default_factory=dict)

    def has_settings(self, connection: psycopg.Connection) -> bool:
        row = connection.execute("SELECT rolconfig FROM pg_roles WHERE rolname = %s", [self.name]).fetchone()
        found = dict(entry.split("=", 1) for entry in (row[0] or [])) if row else None
        return found is not None and dict(self.session).items() <= found.items()


_SHORT_LIVED = {
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "5s",
    "TimeZone": "UTC",
}
ROLES: Mapping[str, _Role] = {
    "app": _Role("purser_app", _SHORT_LIVED),
    "partner": _Role("purser_partner", _SHORT_LIVED),
    "report": _Role(
        "purser_report",
        {**_SHORT_LIVED, "statement_timeout": "15s", "default_transaction_read_only": "on"},
    ),
}


def url_for(role: str) -> str:
    """The URL of `owner`, `app`, `partner` or `report`; starts nothing."""
    at = settings()
    if at.database_url is None:
        return embedded.url(at.home, role)
    return url_on(at.database_url.get_secret_value(), role, keys.database_passwords(at.home))


def url_on(owner_url: str, role: str, passwords: Mapping[str, str], *, database: str | None = None) -> str:
    """The owner's URL, made over for another role and, if named, another database of that server.

    SQLAlchemy's spelling of the driver (`postgresql+psycopg://`) is taken off, so that psql takes it too.
    """
    try:
        url = make_url(owner_url)
    except ArgumentError:
        raise ConfigurationError("DATABASE_URL is no URL: postgresql://user:password@host/name.") from None
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigurationError("DATABASE_URL must begin with postgresql://: Purser needs PostgreSQL.")
    url = url.set(drivername="postgresql")
    if role != "owner":
        url = url.set(username=ROLES[role].name, password=passwords[role])
    if database is not None:
        url = url.set(database=database)
    return plain(url)


def database_of(url: str) -> str:
    """The name of the database in a URL."""
    return make_url(url).database or ""


def password_of(url: str) -> str:
    """The password in a URL, to be given to a program by its environment."""
    return make_url(url).password or ""


def without_password(url: str) -> str:
    """The URL without it, fit for a process list."""
    return plain(make_url(url).set(password=None))


def plain(url: URL) -> str:
    """A URL, password included, as libpq reads it."""
    # SQLAlchemy's "+" for a blank is not understood by libpq; a "+" that is meant is written %2B.
    return url.render_as_string(hide_password=False).replace("+", "%20")


def connect_as_owner(owner_url: str) -> psycopg.Connection:
    """A connection in autocommit. Raises DatabaseUnavailable in one line."""
    try:
        connection = psycopg.connect(owner_url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_SECONDS)
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise DatabaseUnavailable(f"PostgreSQL cannot be reached: {reason}") from None
    version = connection.info.server_version // 10_000
    if version < SERVER_VERSION_MIN:
        connection.close()
        raise DatabaseUnavailable(
            f"PostgreSQL {version} is too old: DATABASE_URL must lead to {SERVER_VERSION_MIN} or newer."
        )
    return connection


def ensure(owner_connection: psycopg.Connection, owner_url: str, passwords: Mapping[str, str]) -> None:
    """Have every login role with its password and its session settings; changes nothing when it is so.

    The connection must be in autocommit. Raises RolesMissing, with the SQL that an administrator can
    run; it carries hashes, no password.
    """
    wrong = [short for short in ROLES if not _is_right(owner_connection, owner_url, short, passwords)]
    if not wrong:
        return
    wanted: list[sql.SQL | sql.Composed] = []
    for short in wrong:
        wanted += _statements(owner_connection, short, passwords)
    database = sql.Identifier(owner_connection.info.dbname)
    wanted += [
        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database),
        sql.SQL("GRANT CONNECT ON DATABASE {} TO purser_app, purser_partner, purser_report").format(database),
        sql.SQL("GRANT TEMPORARY ON DATABASE {} TO purser_app").format(database),
        sql.SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
    ]
    owner_connection.execute("SELECT pg_advisory_lock(%s)", [_ENSURE_LOCK])
    try:
        with owner_connection.transaction():
            for statement in wanted:
                owner_connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        script = "\n".join(f"  {statement.as_string(owner_connection)};" for statement in wanted)
        raise RolesMissing(
            f"The role of DATABASE_URL may not set up Purser's roles. As an administrator run:\n{script}"
        ) from None
    finally:
        owner_connection.execute("SELECT pg_advisory_unlock(%s)", [_ENSURE_LOCK])


def _is_right(
    connection: psycopg.Connection, owner_url: str, short: str, passwords: Mapping[str, str]
) -> bool:
    if not ROLES[short].has_settings(connection):
        return False
    try:
        psycopg.connect(url_on(owner_url, short, passwords), connect_timeout=_CONNECT_TIMEOUT_SECONDS).close()
    except psycopg.OperationalError:
        return False
    return True


def _statements(
    connection: psycopg.Connection, short: str, passwords: Mapping[str, str]
) -> list[sql.Composed]:
    role = ROLES[short]
    name = sql.Identifier(role.name)
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role.name]).fetchone()
    # The hash is made here, so that no log of the server ever holds the password.
    verifier = connection.pgconn.encrypt_password(
        passwords[short].encode(), role.name.encode(), b"scram-sha-256"
    )
    head = sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
        sql.SQL("ALTER" if found else "CREATE"), name, sql.Literal(verifier.decode())
    )
    return [
        head,
        *(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(name, sql.Identifier(setting), sql.Literal(value))
            for setting, value in role.session.items()
        ),
    ]
