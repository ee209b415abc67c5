"""`python -m tests.on_oldest_server`: the tests that ask the most of a database, on the oldest supported one.

It is a server of their own, thrown away at the end. Without its programs (Debian: postgresql-15) nothing
is run, and a line says so. Arguments go to pytest; name files there to run others.
"""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import click
import psycopg
from psycopg import sql

from dashboard import roles, service_account
from dashboard.bootstrap import PYTEST
from dashboard.config import ROOT

PROGRAMS = Path(f"/usr/lib/postgresql/{roles.SERVER_VERSION_MIN}/bin")
FOLDERS = ("tests/services", "tests/property", "tests/concurrency")
ELSEWHERE = (
    "tests/services/test_backup.py",
    "tests/services/test_embedded.py",
    "tests/services/test_demo.py",
)
"""These are about the programs of the embedded server, or long: they ask nothing special of a database."""
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "timezone": "UTC",
    "jit": "off",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def main(arguments: list[str]) -> int:
    """Pytest's exit code; 0 where there is nothing to run on."""
    if not (PROGRAMS / "initdb").exists():
        click.echo(f"skipped: PostgreSQL {roles.SERVER_VERSION_MIN} is not installed ({PROGRAMS}).")
        return 0
    with server() as url:
        named = any(not argument.startswith("-") for argument in arguments)
        chosen = () if named else (*FOLDERS, *(f"--ignore={path}" for path in ELSEWHERE))
        command = [sys.executable, "-m", *PYTEST, *arguments, *chosen]
        environment = {**os.environ, "PURSER_TEST_DATABASE_URL": url}
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


@contextmanager
def server() -> Iterator[str]:
    """A running server; the URL of a role there that may create databases and roles, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="purser-oldest-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL's user passes through
        data, socket = folder / "data", folder / "socket"
        # It does not run as root either.
        account = service_account.for_data(data)
        for path in (data, socket):
            account.own_folder(path)
        password = socket / "password"
        account.write(password, secrets.token_hex(16))
        superuser = password.read_text()

        def run(program: str, *options: str) -> None:
            command = [PROGRAMS / program, f"--pgdata={data}", *options]
            subprocess.run(
                command, cwd=data, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL, **account.as_user()
            )

        run(
            "initdb",
            *("--username=postgres", "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"),
            *("--encoding=UTF8", "--locale=C.UTF-8"),
        )
        options = " ".join(f"-c {key}='{value}'" for key, value in SETTINGS.items())
        run("pg_ctl", "--wait", f"--log={data}/log", f"--options={options} -k '{socket}'", "start")
        try:
            yield make_owner(
                f"postgresql://postgres:{superuser}@/postgres?host={quote(str(socket), safe='')}"
            )
        finally:
            run("pg_ctl", "--wait", "--mode=immediate", "stop")


def make_owner(superuser_url: str) -> str:
    """A role as the embedded server's owner is, with a database; its URL."""
    password = secrets.token_hex(16)
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE purser_owner LOGIN CREATEROLE CREATEDB PASSWORD {}").format(
                sql.Literal(password)
            )
        )
        # Before 16 who makes a role may not end its connections, as dropping a database in use does.
        connection.execute("GRANT pg_signal_backend TO purser_owner")
        connection.execute("CREATE DATABASE purser OWNER purser_owner")
    host = superuser_url.partition("?")[2]
    return f"postgresql://purser_owner:{password}@/purser?{host}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
