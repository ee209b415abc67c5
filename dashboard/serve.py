"""`run`: database, worker and web server together, as one thing that starts and stops."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click
import psycopg
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from dashboard import database, log, metrics, process, roles
from dashboard.config import ROOT, settings
from dashboard.errors import PurserError

# Every open event stream holds a thread, and so does a request whose body was sent by half: 300 of the
# one and 150 of the other leave enough for ordinary requests. Threads are made when they are needed.
BLOCKING_THREADS = 600
BACKPRESSURE = 1024
HEADER_TIMEOUT_MS = 10_000
GRACE_SECONDS = 3  # for ordinary requests in progress; event streams never end by themselves
_WORKER_GRACE_SECONDS = 15
DEMO_PASSWORD = "purser-demo-2026"  # noqa: S105 - told to everybody who starts the demo
_READY_TIMEOUT_SECONDS = 60
_BACKOFF_SECONDS = (0.5, 1, 2, 5, 10, 30)
_STABLE_AFTER_SECONDS = 60


class _Stop(Exception):
    """SIGINT or SIGTERM arrived."""


def run(*, demo: bool) -> None:
    """Start everything, stay until SIGINT or SIGTERM, stop everything. Raises PurserError in one line."""
    with _signals(), database.ready():
        require_free_port()
        metrics.forget_ended()
        try:
            if demo:
                fill_if_empty()
            _supervise()
        except _Stop:
            click.echo("Stopped.")


def web() -> None:
    """The web server alone, until it is told to stop."""
    require_free_port()
    server = Granian(
        "dashboard.wsgi:app",
        address=settings().host,
        port=settings().port,
        interface=Interfaces.WSGI,
        workers=1,  # one process: its own changes reach its own open pages at once
        blocking_threads=BLOCKING_THREADS,
        backpressure=BACKPRESSURE,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
        websockets=False,
        workers_kill_timeout=GRACE_SECONDS,
        working_dir=ROOT,
        log_level=LogLevels.error,
    )
    server.serve()


def require_free_port() -> None:
    """Raises PurserError when somebody else listens where we shall, or nobody can."""
    host, port = settings().host, settings().port
    try:
        free = process.is_port_free(host, port)
    except OSError as error:
        raise PurserError(
            f"Purser cannot listen on {host}:{port}: {error.strerror or error}. Set HOST and PORT."
        ) from None
    if not free:
        raise PurserError(f"Port {port} on {host} is in use: stop the program there, or set PORT.")


def fill_if_empty() -> None:
    """Fill in the demo if there is no operator yet."""
    with psycopg.connect(roles.url_for("app")) as connection:
        if connection.execute("SELECT 1 FROM operators LIMIT 1").fetchone():
            return
    click.echo("The database is empty: filling in the demo …")
    finished = subprocess.run(_command("demo"), check=False, cwd=ROOT, env=_environment())  # noqa: S603 - our own
    if finished.returncode:
        raise PurserError("The demo could not be filled in: see above. `run --no-demo` starts without it.")


class _Child:
    """A process of ours that is started again when it ends."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.failures = 0
        self.due_at = 0.0
        self.started_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Start it when it is due; when it has ended, say so and set when it is due again."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.due_at:
                command = [*_command(self.name), "--child", f"--parent={os.getpid()}"]
                self.process = subprocess.Popen(command, cwd=ROOT, env=_environment())  # noqa: S603 - our own
                self.started_at = now
            return
        code = self.process.poll()
        if code is None:
            return
        if now - self.started_at > _STABLE_AFTER_SECONDS:
            self.failures = 0
        pause = _BACKOFF_SECONDS[min(self.failures, len(_BACKOFF_SECONDS) - 1)]
        log.event("process_ended", job=self.name, status=code, wait_seconds=pause)
        self.failures += 1
        self.due_at = now + pause
        self.process = None

    def stop(self, grace_seconds: float) -> None:
        """Ask it to end, and after the grace end it."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            log.event("process_killed", job=self.name)
            self.process.kill()
            self.process.wait()


def _supervise() -> None:
    server, worker = _Child("web"), _Child("worker")
    try:
        server.look()
        _wait_until_answering(server)
        _announce()
        while True:
            server.look()
            worker.look()
            time.sleep(0.25)
    finally:
        with _unstoppable():
            server.stop(GRACE_SECONDS + 2)
            worker.stop(_WORKER_GRACE_SECONDS)


def _wait_until_answering(server: _Child) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
    while not _answers():
        if server.process is None or server.process.poll() is not None:
            raise PurserError("The web server does not start: see above.")
        if time.monotonic() > deadline:
            raise PurserError(f"The web server does not answer after {_READY_TIMEOUT_SECONDS} s.")
        time.sleep(0.05)


def _answers() -> bool:
    connection = http.client.HTTPConnection(settings().host, settings().port, timeout=5)
    try:
        connection.request("HEAD", "/", headers={"Host": f"localhost:{settings().port}"})
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()


def _announce() -> None:
    click.echo(f"Purser is ready: http://{settings().host}:{settings().port}/")
    for line in _demo_sign_ins():
        click.echo(line)


def _demo_sign_ins() -> list[str]:
    with psycopg.connect(roles.url_for("app")) as connection:
        found = connection.execute(
            "SELECT role, email FROM logins WHERE active AND email = role || '@example.com' ORDER BY id"
        ).fetchall()
    if not found:
        return []
    people = "\n".join(f"  {role:<8} {email}" for role, email in found)
    return [f"Demo sign-ins, with the password {DEMO_PASSWORD}:", people]


@contextmanager
def _signals() -> Iterator[None]:
    """SIGINT and SIGTERM raise _Stop in the main thread for the length of the block."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _Stop

    with _handlers(stop):
        yield


@contextmanager
def _unstoppable() -> Iterator[None]:
    """Stopping is not interrupted by a second Ctrl-C."""
    with _handlers(lambda _number, _frame: None):
        yield


@contextmanager
def _handlers(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = [(number, signal.signal(number, handler)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handled in before:
            signal.signal(number, handled)


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "dashboard.cli", name]


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
