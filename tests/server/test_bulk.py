"""A list of a thousand rows, posted by a worker that is killed at random rows and started again."""

import random
import signal
from functools import partial

from sqlalchemy import select, text

from dashboard import clock
from dashboard.models import BulkRun, Login
from dashboard.models.bulk import BulkMode
from dashboard.services import bulk, bulk_rows, players
from tests.builders import actor_of, allow
from tests.server.conftest import Desk
from tests.server.test_worker import until, worker

ROWS, BAD = 1_000, 37
PATIENCE_SECONDS = 240.0

eventually = partial(until, within_seconds=PATIENCE_SECONDS)


def check(desk: Desk) -> int:
    """A list with bad rows, kept for the worker to check."""
    lines = [f"K-{number},{number % 9 + 1}.00,deposit" for number in range(1, ROWS + 1)]
    for line in random.sample(range(ROWS), BAD):
        lines[line] = random.choice(["nobody,5,deposit", "K-7,five,deposit", "K-7,900000000,deposit"])
    with desk.session() as session:
        manager = session.scalars(select(Login).where(Login.role == "manager")).one()
        allow(session, manager.id, per_change=10**12, per_day=10**14)
        new = [players.NewPlayer(f"K-{number}", f"Player {number}") for number in range(1, ROWS + 1)]
        players.register(session, operator_id=manager.operator_id, players=new, now=clock.now())
        rows = bulk_rows.read("\n".join(lines), bulk_rows.Defaults("USD", reason="Prize"))
        made = bulk.create(session, rows=rows, name="prizes.csv", actor=actor_of(manager), now=clock.now())
        bulk.enqueue(session, made)
        session.commit()
    return made


def start(desk: Desk, run_id: int) -> None:
    with desk.session() as session:
        manager = session.scalars(select(Login).where(Login.role == "manager")).one()
        bulk.start(
            session,
            run_id=run_id,
            mode=BulkMode.BEST_EFFORT,
            means_amounts=True,
            means_twice=False,
            actor=actor_of(manager),
            now=clock.now(),
        )
        session.commit()


def counts(desk: Desk, run_id: int) -> bulk.Counts:
    with desk.session() as session:
        return bulk.count(session, run_id)


def is_at(desk: Desk, run_id: int, row: int) -> bool:
    return counts(desk, run_id).posted >= row


def state(desk: Desk, run_id: int) -> str:
    with desk.session() as session:
        return session.scalars(select(BulkRun.state).filter_by(id=run_id)).one()


def keys(desk: Desk, run_id: int) -> list[str]:
    """Of the entries that came from the list."""
    query = text("SELECT idempotency_key FROM wallet_entries WHERE idempotency_key LIKE :begins")
    with desk.session() as session:
        return list(session.scalars(query, {"begins": f"bulk:{run_id}:%"}))


def test_killed_at_random_rows_it_posts_each_row_once(desk: Desk) -> None:
    run_id = check(desk)
    with worker(desk) as killed:
        eventually(lambda: counts(desk, run_id).ready > 0)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    with worker(desk):
        eventually(lambda: state(desk, run_id) == "checked")
    found = counts(desk, run_id)
    assert (found.ready, found.refused) == (ROWS - BAD, BAD)
    assert keys(desk, run_id) == []

    start(desk, run_id)
    for at_row in sorted(random.sample(range(1, ROWS - BAD - 100), 3)):
        with worker(desk) as killed:
            eventually(partial(is_at, desk, run_id, at_row))
            killed.send_signal(signal.SIGKILL)
            killed.wait()
        left = counts(desk, run_id)
        assert left.posted < ROWS - BAD
        assert left.posted == len(keys(desk, run_id))
    with worker(desk):
        eventually(lambda: state(desk, run_id) == "done")

    found = counts(desk, run_id)
    assert (found.posted, found.refused, found.ready) == (ROWS - BAD, BAD, 0)
    made = keys(desk, run_id)
    assert len(made) == len(set(made)) == ROWS - BAD
