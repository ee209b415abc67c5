"""What million-row CSVs cost: memory of the server over idle, and rows a second against a bare COPY.

Two of them: the list of recent changes, and the report of balance changes with all of its usual columns.

The real server runs as a process of its own. Its reader first takes nothing for a while, as a slow line
would, so that a server which reads ahead shows itself. The baseline is COPY of the same rows to a reader
that throws them away, in the same run. Memory is stated at the beginning, the middle and the end, and the
most of it. `--entries` sets the size, `--xlsx` measures a workbook too.
"""

import datetime as dt
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import click
import psycopg

from benchmarks.pages import EMAIL, PASSWORD, PLAYERS, fill, post
from benchmarks.scratch import application, vacuum
from dashboard import roles
from dashboard.config import ROOT, settings

MEGABYTES_MOST = 60
SLOW_SECONDS = 5
LISTS = {
    "recent changes": "/recent-changes/exports",
    "report of balance changes": "/reports/balance-changes/exports?period=monthly",
}
COPY = """COPY (
  SELECT e.created_at, e.player_id, p.name, p.external_id, e.sequence, e.change_type, e.currency,
         e.real_delta, e.bonus_delta, e.real_after, e.reason, e.performed_by, e.risk_score
  FROM wallet_entries e JOIN players p ON p.id = e.player_id AND p.operator_id = e.operator_id
  WHERE e.created_at >= now() - interval '24 hours'
  ORDER BY e.created_at DESC, e.player_id DESC, e.currency DESC, e.sequence DESC
) TO STDOUT (FORMAT csv)"""


@click.command()
@click.option("--entries", default=1_000_000, show_default=True)
@click.option("--xlsx", is_flag=True, help="Measure a workbook of the same rows too.")
def main(entries: int, xlsx: bool) -> None:
    """Fill, export, compare; exit 1 where memory grows beyond what we claim."""
    with application() as app:
        with app.app_context():
            post(fill(), 0, entries // PLAYERS, within=dt.timedelta(hours=20))
        vacuum(app)
        with serving() as (address, pid):
            browser = SignedIn(address)
            browser.export("csv", "/recent-changes/exports?change_type=deposit", is_slow=False)
            idle = resident(pid)  # what is loaded once is no cost of a file
            took = copy()
            click.echo(f"bare COPY: {entries:,} rows in {took:.1f} s, {entries / took:,.0f} rows/s")
            fine = [stream(browser, name, pid=pid, idle=idle, entries=entries, copied=took) for name in LISTS]
            if xlsx:
                with Peak(pid) as peak:
                    size, seconds = browser.export("xlsx", LISTS["recent changes"])
                grown = peak.megabytes - idle
                click.echo(f"XLSX: {size / 1e6:.0f} MB in {seconds:.1f} s, {grown:.0f} MB over idle")
    sys.exit(0 if all(fine) else 1)


def stream(browser: "SignedIn", name: str, *, pid: int, idle: float, entries: int, copied: float) -> bool:
    """Take one list as CSV, and say what it cost; whether that is no more than we claim."""
    moments: list[float] = []

    def look(rows: int) -> None:
        if rows >= len(moments) * entries / 2:
            moments.append(resident(pid))

    with Peak(pid) as peak:
        rows, seconds = browser.export("csv", LISTS[name], look=look)
    grown = peak.megabytes - idle
    fine = grown < MEGABYTES_MOST and rows == entries
    speed = f"{rows / seconds:,.0f} rows/s, {copied / seconds:.2f} of COPY's"
    click.echo(f"CSV of {name}: {rows:,} rows in {seconds:.1f} s, {speed}")
    begun, middle, end = moments
    click.echo(
        f"  memory: {idle:.0f} MB idle; {begun:.0f}, {middle:.0f}, {end:.0f} MB at the beginning, the middle,"
        f" the end; {peak.megabytes:.0f} MB at most, {grown:.0f} MB over idle"
        f" (under {MEGABYTES_MOST}: {'yes' if fine else 'NO'})"
    )
    return fine


@contextmanager
def serving() -> Iterator[tuple[str, int]]:
    """The web server as a process of its own: its address, and the id of the process that answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PURSER_HOME": str(settings().home),
        "PORT": str(port),
        "PYTHONPATH": str(ROOT),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "dashboard.cli", "web", "--child"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/healthz")
        yield address, answering(server.pid)
    finally:
        server.terminate()
        server.wait()


def wait_for(url: str) -> None:
    """Ask until there is an answer."""
    for _attempt in range(300):
        try:
            urllib.request.urlopen(url).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise click.ClickException("The web server does not answer.")


def answering(pid: int) -> int:
    """The process among this one and its children that holds the application: the largest."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return max([pid, *map(int, children)], key=resident)


def resident(pid: int) -> float:
    """Megabytes that a process has in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


class Peak:
    """The most memory that a process has within the block, looked at twenty times a second."""

    def __init__(self, pid: int) -> None:
        self.megabytes = 0.0
        self._pid, self._over = pid, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.megabytes = max(self.megabytes, resident(self._pid))


class SignedIn:
    """The admin, who takes files away."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._opener.addheaders = [("Origin", address)]
        self._send("/sign-in", {"csrf_token": self._token("/sign-in"), "email": EMAIL, "password": PASSWORD})
        self._csrf = self._token("/account")

    def export(
        self,
        file_format: str,
        path: str,
        *,
        is_slow: bool = True,
        look: Callable[[int], None] = lambda _rows: None,
    ) -> tuple[int, float]:
        """Take a list as a file: rows (of a workbook bytes) and seconds of reading.

        `look` is called with the rows so far, after each piece.
        """
        data = urlencode({"csrf_token": self._csrf, "format": file_format}).encode()
        begun = time.perf_counter()
        with self._opener.open(f"{self.address}{path}", data) as answer:
            found, paused = len(answer.read(1)) if file_format == "xlsx" else 0, 0.0
            if is_slow:
                time.sleep(SLOW_SECONDS)
                paused = SLOW_SECONDS
            while piece := answer.read(256 * 1024):
                found += len(piece) if file_format == "xlsx" else piece.count(b"\n")
                look(found - 1)
        header = 1 if file_format == "csv" else 0
        return found - header, time.perf_counter() - begun - paused

    def _token(self, path: str) -> str:
        with self._opener.open(self.address + path) as answer:
            found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', answer.read().decode())
        assert found
        return found[1]

    def _send(self, path: str, form: dict[str, str]) -> None:
        self._opener.open(self.address + path, urlencode(form).encode()).close()


def copy() -> float:
    """Seconds that a bare COPY of the same rows takes."""
    begun = time.perf_counter()
    with psycopg.connect(roles.url_for("app")) as connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        with cursor.copy(COPY) as rows:
            for _piece in rows:
                pass
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
