"""Many open pages on one server process: how soon a change reaches them all, and what they cost at rest.

Starts the web server as it is run, on a database of its own, signs in by the page and opens the event streams
all at once, as browsers do after a restart. Then writes notes, which are told as any change is, and waits
until every stream has heard of each. There is no baseline: the claims are absolute.
"""

import http.client
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import click
import psycopg

from benchmarks.pages import EMAIL, PASSWORD, fill
from benchmarks.scratch import application
from dashboard import roles, serve
from dashboard.config import ROOT, settings
from dashboard.db import alchemy

REACH_MOST_SECONDS = 2.0
IDLE_MOST_PERCENT = 10.0
OPENING_SECONDS, HEARING_SECONDS = 60, 10
_TICKS = os.sysconf("SC_CLK_TCK")


@click.command()
@click.option("--streams", default=300, show_default=True)
@click.option("--changes", default=10, show_default=True)
@click.option("--idle-seconds", default=60, show_default=True)
def main(streams: int, changes: int, idle_seconds: int) -> None:
    """Measure and print; exit 1 where a claim does not hold."""
    with application() as app:
        with app.app_context():
            player_id = fill()[0]
            alchemy.engine.dispose()  # only the server's connections are to be counted
        connections_most = app.config["SQLALCHEMY_ENGINE_OPTIONS"]["pool_size"]
        with serving() as server:
            visitor = Visitor(settings().port)
            visitor.sign_in()
            pages = Pages()
            begun = time.monotonic()
            pages.open(visitor, f"/events?topics=operator&topics=alerts&topics=player:{player_id}", streams)
            click.echo(f"{streams} streams open after {time.monotonic() - begun:.2f} s")
            reached = [pages.hear(visitor, player_id) for _ in range(changes)]
            idle = busy_percent(server.pid, idle_seconds)
            connections = count_connections()
            still_open = pages.count()
    fine = max(reached) < REACH_MOST_SECONDS and idle < IDLE_MOST_PERCENT
    fine &= connections["purser-web"] <= connections_most and still_open == streams
    median = statistics.median(reached)
    click.echo(
        f"a change reached all of them after {median:.3f} s (median), {max(reached):.3f} s at most"
        f" (under {REACH_MOST_SECONDS:.0f} s)"
    )
    click.echo(f"at rest {idle:.1f} % of one core over {idle_seconds} s (under {IDLE_MOST_PERCENT:.0f} %)")
    told = ", ".join(f"{count} {name}" for name, count in sorted(connections.items()))
    click.echo(
        f"{sum(connections.values())} database connections: {told} (of the pool at most {connections_most})"
    )
    click.echo(f"{still_open} streams still open: {'yes' if fine else 'NO'}")
    sys.exit(0 if fine else 1)


@contextmanager
def serving() -> Iterator[subprocess.Popen[bytes]]:
    """The web server as a process of its own, ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ["PORT"] = str(free.getsockname()[1])
    settings.cache_clear()
    command = [sys.executable, "-m", "dashboard.cli", "web", "--child", f"--parent={os.getpid()}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + OPENING_SECONDS
        while not is_ready():
            if time.monotonic() > deadline:
                raise click.ClickException("The server does not become ready.")
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(serve.GRACE_SECONDS + 10)


def is_ready() -> bool:
    """Whether it answers."""
    try:
        return Visitor(settings().port).ask("GET", "/readyz")[0] == 200
    except OSError:
        return False


@dataclass
class Visitor:
    """A browser without JavaScript, as far as this needs one."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and body of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {**self.headers, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, urlencode(form or {}) if form else None, headers)
        answer = connection.getresponse()
        for given in answer.headers.get_all("Set-Cookie") or ():
            name, value = given.split(";")[0].split("=", 1)
            self.cookies[name] = value
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def hidden(self, path: str, name: str) -> str:
        """The value of a hidden input of a page."""
        found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', self.ask("GET", path)[1])
        if found is None:
            raise click.ClickException(f"{path} has no {name}.")
        return found[1]

    def sign_in(self) -> None:
        """Become the admin."""
        form = {"csrf_token": self.hidden("/sign-in", "csrf_token"), "email": EMAIL, "password": PASSWORD}
        if self.ask("POST", "/sign-in", form)[0] != 303:
            raise click.ClickException("Signing in did not work.")

    def note(self, player_id: int, token: str) -> None:
        """Change something about a player: a note is told to all open pages as any change is."""
        form = {"csrf_token": token, "body": f"Seen {uuid4()}"}
        status, _ = self.ask("POST", f"/players/{player_id}/notes", form)
        if status != 303:
            raise click.ClickException(f"The change was answered with {status}.")


class Pages:
    """The open event streams."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def count(self) -> int:
        """How many are open."""
        return len(self._selector.get_map())

    def open(self, visitor: Visitor, path: str, count: int) -> None:
        """Open so many at once, and wait until each has begun."""
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: text/event-stream"]
        lines += [f"{name}: {value}" for name, value in visitor.headers.items()]
        request = "\r\n".join([*lines, "", ""]).encode()
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", visitor.port), timeout=10)
            client.sendall(request)
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ)
        self._wait_for(b"retry: 1000", OPENING_SECONDS)
        self._drain(1)  # a stream that begins is told to look again, once somebody listens

    def hear(self, visitor: Visitor, player_id: int) -> float:
        """Make a change; seconds from its sending until every page has heard of it."""
        token = visitor.hidden(f"/players/{player_id}?tab=notes", "csrf_token")
        begun = time.monotonic()
        visitor.note(player_id, token)
        self._wait_for(b"event: live:player", HEARING_SECONDS)
        took = time.monotonic() - begun
        self._drain(0.5)
        return took

    def _wait_for(self, wanted: bytes, seconds: float) -> None:
        missing = {key.fileobj for key in self._selector.get_map().values()}
        deadline = time.monotonic() + seconds
        while missing and time.monotonic() < deadline:
            missing -= {client for client, content in self._read(0.1) if wanted in content}
        if missing:
            raise click.ClickException(f"{len(missing)} streams did not hear {wanted.decode()}.")

    def _drain(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            list(self._read(0.1))

    def _read(self, seconds: float) -> Iterator[tuple[object, bytes]]:
        for key, _ in self._selector.select(seconds):
            client = key.fileobj
            assert isinstance(client, socket.socket)
            content = client.recv(65536)
            if not content:
                self._selector.unregister(client)
                client.close()
            yield client, content


def busy_percent(process_id: int, seconds: float) -> float:
    """How much of one core the server's processes used in that time."""
    before = spent(process_id)
    time.sleep(seconds)
    return (spent(process_id) - before) / seconds * 100


def spent(process_id: int) -> float:
    """Seconds of processor time of a process and those that it started."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS + sum(spent(int(child)) for child in children)


def count_connections() -> dict[str, int]:
    """Connections to the database, by what they are for."""
    with psycopg.connect(roles.url_for("owner")) as connection:
        return dict(
            connection.execute(
                "SELECT application_name, count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() GROUP BY 1"
            ).fetchall()
        )


if __name__ == "__main__":
    main()
