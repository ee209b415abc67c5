"""The worker as a process of its own: killed and started again, it posts a held change exactly once, and
lets points lapse that nobody asks for."""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import select, text, update

from dashboard import clock
from dashboard.models import Login, Operator
from dashboard.services import points, points_reckoning, submissions
from dashboard.services.actors import SYSTEM
from tests.builders import actor_of, allow, change_request
from tests.server.conftest import ROOT, Desk, select_pause

PATIENCE_SECONDS = 60
UNDO_SECONDS = 3


@contextmanager
def worker(desk: Desk) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that is at work; killed in the end if it still is."""
    environment = {**os.environ, "PURSER_HOME": str(desk.home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dashboard.cli", "worker", "--child"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: connections(desk) > 0)
        yield process
    finally:
        process.kill()
        process.wait()


def until(holds: Callable[[], bool], *, within_seconds: float = PATIENCE_SECONDS) -> None:
    """Look until it holds; fails after a minute."""
    ends = time.monotonic() + within_seconds
    while not holds():
        assert time.monotonic() < ends, "it never came to hold"
        select_pause()


def connections(desk: Desk) -> int:
    """How many connections workers have open."""
    with desk.session() as session:
        found = session.scalar(
            text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'purser-worker'")
        )
    return found or 0


def hold(desk: Desk, player: int) -> int:
    """A debit of 10.00 that is held for three seconds from now; its request."""
    with desk.session() as session:
        manager = session.scalars(select(Login).where(Login.role == "manager")).one()
        session.execute(update(Operator).values(undo_seconds=UNDO_SECONDS))
        allow(session, manager.id, per_change=10**9)
        done = submissions.submit(
            session, request=change_request(player, -10_00), actor=actor_of(manager), now=clock.now()
        )
        session.commit()
    assert done.request_id
    return done.request_id


def state(desk: Desk, request: int) -> str:
    """Where the request is."""
    with desk.session() as session:
        found: str = session.scalar(text("SELECT state FROM change_requests WHERE id = :id"), {"id": request})
    return found


def real(desk: Desk, player: int) -> tuple[int, int, int]:
    """Real, pending and how many entries."""
    with desk.session() as session:
        row = session.execute(
            text("SELECT real, pending, version FROM balances WHERE player_id = :p"), {"p": player}
        ).one()
    return row.real, row.pending, row.version


def test_killed_before_the_time_and_started_after_it_posts_once(desk):
    player = desk.players[0]
    with worker(desk) as killed:
        request = hold(desk, player)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    ends = time.monotonic() + UNDO_SECONDS
    until(lambda: time.monotonic() > ends)
    assert (state(desk, request), real(desk, player)) == ("held", (1_000_00, 10_00, 1))

    with worker(desk):
        until(lambda: state(desk, request) == "posted")
        second = hold(desk, player)
        until(lambda: state(desk, second) == "posted")

    assert real(desk, player) == (980_00, 0, 3)


def test_what_ended_without_it_ends_when_it_is_started(desk):
    long_ago = clock.now() - dt.timedelta(days=2 * 365 + 10)
    player = desk.players[1]
    with desk.session() as session:
        for number, paid_at in enumerate((long_ago, long_ago + dt.timedelta(days=300))):
            points.load(
                session,
                player_id=player,
                payment=points_reckoning.Payment(22_000_00),
                notes="Paid at the desk",
                idempotency_key=f"load {number}",
                actor=SYSTEM,
                now=paid_at,
            )
        session.commit()

    def state_of() -> tuple[int, int, bool]:
        wanted = text("SELECT balance, expired, tier_id IS NULL FROM loyalty_wallets WHERE player_id = :p")
        with desk.session() as session:
            return tuple(session.execute(wanted, {"p": player}).one())

    assert state_of() == (50_000, 0, False)
    with worker(desk):
        until(lambda: state_of() == (0, 50_000, True))
