"""Backups of the whole database: made by pg_dump, encrypted, brought back in one transaction.

Roles and their passwords are the server's and no part of it; `roles.ensure` has them. What a backup
means for anchors and proofs is the business of `services/recovery.py`.
"""

import contextlib
import datetime as dt
import os
import subprocess
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import psycopg
from psycopg.rows import dict_row

from dashboard import embedded, migrate, roles, sealed_file
from dashboard.config import ROOT
from dashboard.errors import PurserError

_BLOCK_BYTES = 256 * 1024
_LEAVING_SECONDS = 3  # so long a connection that was just closed may still be counted
_KEEPALIVE = "SET idle_in_transaction_session_timeout = 0"
_HEAD = """
SELECT a.id, a.taken_at, a.entries, encode(a.seal, 'hex') AS seal, now() AS made_at,
       (SELECT count(*) FROM balances WHERE version > 0) AS balances,
       (SELECT coalesce(sum(version), 0)::bigint FROM balances) AS entries_now
FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT * FROM anchors ORDER BY id DESC LIMIT 1) a ON true
"""
# Row-level security shows everything to who owns the database; to another role, only what policies say.
_MISSES_ROWS = """
SELECT NOT pg_has_role('pg_database_owner', 'USAGE')
   AND EXISTS (SELECT FROM pg_class WHERE relrowsecurity AND row_security_active(oid))
"""
# Whoever owns the database owns this schema, as initdb leaves it.
_EMPTY = """
DROP SCHEMA public CASCADE;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;
"""
# pg_restore writes it for every server, and those before 17 do not know it. It is off by default.
_UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;\n"


class BackupFailed(PurserError):
    """The backup was not made, or not brought back; nothing was changed."""


class _Ended(Exception):
    """A program that was being written to has ended."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process.args)
        self.process = process


def write(path: Path, *, owner_url: str, key: bytes) -> dict[str, Any]:
    """Back the database up to a new file, as of one instant; returns the head of the file.

    The server must be up; nothing in the database is touched or locked against writing. The file is
    there whole, or not at all. Raises PurserError.
    """
    _refuse_to_miss_rows(owner_url)
    revision = migrate.current_revision(owner_url)
    if revision is None:
        raise BackupFailed("The database is empty: there is nothing to back up.")
    with roles.connect_as_owner(owner_url) as connection, sealed_file.whole_or_nothing(path) as file:
        connection.execute(_KEEPALIVE)
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            head = _head(connection, revision)
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
            snapshot = row[0] if row else ""
            # Without the second, pg_dump refuses tables that force their policies on their owner, too.
            arguments = ["--format=custom", "--enable-row-security", f"--snapshot={snapshot}"]
            with _program("pg_dump", *arguments, url=owner_url, stdout=subprocess.PIPE) as dump:
                sealed_file.seal(file, _out(dump), head=head, key=key)
    return head


def read_head(path: Path) -> dict[str, Any]:
    """What the file says about itself. Raises PurserError."""
    with _reading(path) as file:
        return sealed_file.read_head(file)


def prove(path: Path, *, key: bytes) -> dict[str, Any]:
    """Go through the whole file, so that no half of it is ever acted on. Raises PurserError."""
    with _reading(path) as file:
        for _ in sealed_file.opened(file, key=key):
            pass
    return read_head(path)


def is_empty(owner_url: str) -> bool:
    """Whether there is no table yet."""
    with roles.connect_as_owner(owner_url) as connection:
        row = connection.execute(
            "SELECT NOT EXISTS (SELECT FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p'))"
        ).fetchone()
    return bool(row and row[0])


def restore(path: Path, *, owner_url: str, key: bytes, replace: bool = False) -> None:
    """Bring the backup into the database, in one transaction: all of it, or nothing is changed.

    Roles must be there. The database must be empty; with `replace` what it holds is dropped in the
    same transaction. Raises PurserError.
    """
    _refuse_company(owner_url)
    reader = ("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
    with (
        _reading(path) as file,
        _program(*reader, url=owner_url, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as client,
    ):
        _send(client, b"BEGIN;\n" + (_EMPTY.encode() if replace else b""))
        with (
            _program(
                *("pg_restore", "--no-owner", "--file=-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as script,
            _feeding(script, sealed_file.opened(file, key=key)),
        ):
            _copy_statements(_out(script), client)
        # Only now: a client whose input ends without this line rolls back.
        _send(client, b"COMMIT;\n")


def _refuse_to_miss_rows(owner_url: str) -> None:
    with roles.connect_as_owner(owner_url) as connection:
        row = connection.execute(_MISSES_ROWS).fetchone()
        name, role = connection.info.dbname, connection.info.user
    if row and row[0]:
        raise BackupFailed(
            f"The role {role} does not own the database {name} and would miss rows of it."
            f" As an administrator: ALTER DATABASE {name} OWNER TO {role}"
        )


def _head(connection: psycopg.Connection, revision: str) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(_HEAD).fetchone() or {}
    anchor = {
        "id": found["id"],
        "taken_at": _instant(found["taken_at"]),
        "entries": found["entries"],
        "seal": found["seal"],
    }
    return {
        "made_at": _instant(found["made_at"]),
        "release": _release(),
        "revision": revision,
        "entries": found["entries_now"],
        "balances": found["balances"],
        "anchor": anchor if found["id"] is not None else None,
    }


def _release() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def _instant(at: dt.datetime | None) -> str | None:
    return at.astimezone(dt.UTC).isoformat(timespec="microseconds") if at else None


def _refuse_company(owner_url: str) -> None:
    deadline = time.monotonic() + _LEAVING_SECONDS
    while others := _count_others(owner_url):
        if time.monotonic() > deadline:
            raise BackupFailed(
                f"{others} other connections use this database: stop `run`, `web` and `worker` first."
            )
        time.sleep(0.05)


def _count_others(owner_url: str) -> int:
    with roles.connect_as_owner(owner_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL"
        ).fetchone()
    return int(row[0]) if row else 0


def _copy_statements(source: BinaryIO, client: subprocess.Popen[bytes]) -> None:
    # It stands in the preamble, long before the first row of data.
    _send(client, source.read(_BLOCK_BYTES).replace(_UNKNOWN_BEFORE_17, b"", 1))
    while block := source.read(_BLOCK_BYTES):
        _send(client, block)


def _send(client: subprocess.Popen[bytes], block: bytes) -> None:
    try:
        _in(client).write(block)
        _in(client).flush()
    except BrokenPipeError:
        raise _Ended(client) from None


@contextmanager
def _feeding(process: subprocess.Popen[bytes], chunks: Iterator[bytes]) -> Iterator[None]:
    """Write the chunks to a program in the background; raises what went wrong with them."""
    failures: list[PurserError] = []

    def feed() -> None:
        # A program that ended early says why itself.
        with contextlib.suppress(BrokenPipeError), _in(process) as target:
            try:
                for chunk in chunks:
                    target.write(chunk)
            except PurserError as error:
                failures.append(error)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    except BaseException:
        process.kill()  # or the thread would wait for somebody to read what the program has to say
        raise
    finally:
        thread.join()
    if failures:
        raise failures[0]


@contextmanager
def _program(
    name: str,
    *arguments: str,
    url: str | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int,
) -> Iterator[subprocess.Popen[bytes]]:
    """One of PostgreSQL's programs, for the length of the block; it is killed when the block fails.

    Raises BackupFailed with the first line of what it complained about when it ends badly.
    """
    target = [f"--dbname={roles.without_password(url)}"] if url else []
    environment = {**os.environ, "PGPASSWORD": roles.password_of(url) if url else ""}
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(  # noqa: S603 - our own binary and arguments
            [embedded.binary(name), *target, *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=complaints,
            env=environment,
        )
        try:
            yield process
            _close(process.stdin)
            process.wait()
        except _Ended as ended:
            if ended.process is not process:
                raise
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            _close(process.stdin)
            _close(process.stdout)
        if process.returncode:
            raise BackupFailed(f"{name}: {_complaint(complaints)}")


def _close(pipe: IO[bytes] | None) -> None:
    """Close it; what was buffered for a program that has ended is lost."""
    with contextlib.suppress(BrokenPipeError):
        if pipe is not None:
            pipe.close()


def _complaint(complaints: BinaryIO) -> str:
    complaints.seek(0)
    lines = complaints.read().decode(errors="replace").splitlines()
    # The lines after an error may quote rows.
    return next((line for line in lines if "error" in line.lower()), lines[0] if lines else "failed.")


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise BackupFailed(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        yield file


def _out(process: subprocess.Popen[bytes]) -> BinaryIO:
    return cast(BinaryIO, process.stdout)


def _in(process: subprocess.Popen[bytes]) -> BinaryIO:
    return cast(BinaryIO, process.stdin)
