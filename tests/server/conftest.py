"""The real web server as a process of its own, on a PostgreSQL of its own that tests may stop."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import Session

from dashboard import embedded, keys, migrate, roles
from dashboard.models.login import Role
from dashboard.services import staff
from tests.builders import NOW, allow, make_operator, make_player

ROOT = Path(__file__).parents[2]
EMAIL, PASSWORD = "manager@example.com", "a long enough password"
READY_SECONDS = 30
PLAYERS = 24


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


@dataclass
class Browser:
    """A person with cookies, who looks at every answer whatever its status."""

    address: str
    cookies: CookieJar = field(default_factory=CookieJar)

    def __post_init__(self) -> None:
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies), _Stay())

    def open(
        self, path: str, form: dict[str, str] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Message, str]:
        """Status, headers and body; raises OSError where there is no answer."""
        data = urlencode(form).encode() if form is not None else None
        asked = urllib.request.Request(self.address + path, data, {"Origin": self.address, **(headers or {})})
        try:
            with self._opener.open(asked, timeout=20) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.headers, answer.read().decode()

    def token(self, path: str) -> str:
        """The CSRF token of a page."""
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.open(path)[2])
        assert found, f"no token on {path}"
        return found[1]

    def sign_in(self) -> "Browser":
        """Become the manager."""
        form = {"csrf_token": self.token("/sign-in"), "email": EMAIL, "password": PASSWORD}
        assert self.open("/sign-in", form)[0] == 303
        return self


@dataclass
class Desk:
    """A running server, its database, and players with 1,000.00 USD each."""

    home: Path
    port: int
    players: list[int] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the web process and wait until it answers."""
        environment = {
            **os.environ,
            "PURSER_HOME": str(self.home),
            "PORT": str(self.port),
            "PYTHONPATH": str(ROOT),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dashboard.cli", "web", "--child"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.wait_for(200, "/healthz")

    def kill(self) -> None:
        """End it as a power cut would, workers and all."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def wait_for(self, status: int, path: str) -> None:
        """Ask until the answer has this status; fails after half a minute."""
        ends = time.monotonic() + READY_SECONDS
        last: object = None
        while time.monotonic() < ends:
            try:
                last = Browser(self.address).open(path)[0]
            except OSError as error:
                last = error
            if last == status:
                return
            select_pause()
        raise AssertionError(f"{path} never answered {status}, but {last}")

    def ask(self, path: str) -> dict[str, Any]:
        """What a path for machines says."""
        return dict(json.loads(Browser(self.address).open(path)[2]))

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session of the owner, to look at what really stands there."""
        url = embedded.url(self.home, "owner").replace("postgresql://", "postgresql+psycopg://", 1)
        engine = create_engine(url, poolclass=NullPool)
        with Session(engine) as session:
            yield session


def select_pause() -> None:
    """Give the processor away for a moment between two attempts to reach another process."""
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(0.1)
        try:
            left.recv(1)
        except TimeoutError:
            return


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """A desk of this module's own; it is running at the start of each test that asks for `running`."""
    folder = Path(tempfile.mkdtemp(prefix="purser-server-"))
    folder.chmod(0o711)
    home = folder / "home"
    server = embedded.start(home, fast_and_unsafe=True)
    owner_url = server.url("owner")
    with roles.connect_as_owner(owner_url) as connection:
        roles.ensure(connection, owner_url, keys.database_passwords(home))
    migrate.upgrade(owner_url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made = Desk(home, free.getsockname()[1])
    with made.session() as session:
        operator_id = make_operator(session)
        login_id = staff.create(
            session,
            operator_id=operator_id,
            email=EMAIL,
            name="M. Okafor",
            role=Role.MANAGER,
            password=PASSWORD,
            now=NOW,
        )
        allow(session, login_id, per_change=10**9)
        made.players = [
            make_player(session, operator_id=operator_id, balance_minor=1_000_00) for _ in range(PLAYERS)
        ]
        session.commit()
    yield made
    made.kill()
    embedded.stop(home)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def running(desk: Desk) -> Desk:
    """The desk, with database and web server up."""
    embedded.start(desk.home, fast_and_unsafe=True)
    if desk.process is None:
        desk.start()
    desk.wait_for(200, "/readyz")
    return desk
