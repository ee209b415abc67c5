"""One list in the hands of several workers, and cancelled in between: each row once, nothing afterwards."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.errors import Conflict
from dashboard.jobs import bulk_work
from dashboard.models.bulk import BulkMode
from dashboard.models.login import Role
from dashboard.services import bulk, bulk_check, bulk_rows
from dashboard.services.actors import Actor
from tests.builders import NOW, make_actor, make_operator, make_player
from tests.concurrency.together import at_once, journal, prove

PLAYERS, ROWS_EACH = 12, 5


def make_list(app: Flask, mode: BulkMode) -> tuple[int, Actor, list[int]]:
    """A list with several rows on each player, whose posting has begun; its maker and the players."""
    with app.app_context():
        with db.writing() as session:
            operator_id = make_operator(session)
            actor = make_actor(session, operator_id=operator_id, role=Role.MANAGER)
            players = [make_player(session, operator_id=operator_id) for _ in range(PLAYERS)]
            lines = [
                f"#{player},{row}.00,deposit,Prize" for row in range(1, ROWS_EACH + 1) for player in players
            ]
            rows = bulk_rows.read("\n".join(lines), bulk_rows.Defaults("USD"))
            run_id = bulk.create(session, rows=rows, name="prizes.csv", actor=actor, now=NOW)
        rehearse = partial(db.rehearsing, lock_timeout_ms=10_000)
        bulk_check.check(db.transact, rehearse, run_id=run_id, now=lambda: NOW, batch=1_000)
        with db.writing() as session:
            bulk.start(
                session, run_id=run_id, mode=mode, means_amounts=True, means_twice=True, actor=actor, now=NOW
            )
    return run_id, actor, players


def work(run_id: int) -> None:
    bulk_work.go_on(run_id, should_stop=lambda: False)


def counts(app: Flask, run_id: int) -> bulk.Counts:
    with app.app_context(), db.reading() as session:
        return bulk.count(session, run_id)


@pytest.mark.parametrize("mode", list(BulkMode))
def test_four_workers_post_each_row_once(app: Flask, mode: BulkMode) -> None:
    run_id, _actor, players = make_list(app, mode)

    results = at_once(app, [partial(work, run_id)] * 4)

    assert results == [None] * 4
    assert counts(app, run_id).posted == PLAYERS * ROWS_EACH
    for player in players:
        assert [entry["real_delta"] for entry in journal(app, player)] == [100, 200, 300, 400, 500]
        prove(app, player)
    with app.app_context(), db.reading() as session:
        query = text("SELECT count(*) FROM staff_log WHERE action = 'bulk.done' AND details LIKE :list")
        assert session.scalar(query, {"list": f'%"list": {run_id},%'}) == 1


@pytest.mark.parametrize("mode", list(BulkMode))
def test_behind_a_cancellation_nothing_is_posted(app: Flask, mode: BulkMode) -> None:
    outcomes: Counter[str] = Counter()
    for _trial in range(5):
        run_id, actor, players = make_list(app, mode)
        told: list[int] = []

        def cancel_it(session: Session, run_id: int = run_id, actor: Actor = actor) -> int:
            return bulk.cancel(session, run_id=run_id, actor=actor, now=NOW).posted

        def cancel(told: list[int] = told) -> None:
            try:
                told.append(db.transact(cancel_it))
            except Conflict:
                outcomes["too late"] += 1

        works: list[Callable[[], object]] = [partial(work, run_id), partial(work, run_id), cancel]
        at_once(app, works)

        posted = sum(len(journal(app, player)) for player in players)
        assert counts(app, run_id).posted == posted
        # What the cancellation counted under the run's lock is all there ever was.
        assert told in ([], [posted])
        if mode is BulkMode.ALL_OR_NOTHING:
            assert posted in {0, PLAYERS * ROWS_EACH}
        outcomes["cancelled"] += len(told)
    assert outcomes.total() == 5
