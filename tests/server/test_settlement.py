"""A settlement while the database goes away under it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import dashboard
from dashboard import db, embedded
from dashboard.services import settlement
from dashboard.services.actors import SYSTEM
from tests.builders import NOW
from tests.concurrency.big_round import ANOTHER_ACE, check, deal, fill, open_round, settler
from tests.server.conftest import Desk, select_pause


@pytest.fixture
def app(desk: Desk) -> Iterator[Flask]:
    """The application in this process, on the server that is going to be stopped."""
    made = dashboard.create_app(
        TESTING=True, SQLALCHEMY_DATABASE_URI=embedded.url(desk.home, "app"), DATABASE_OWNER_URL=""
    )
    yield made
    with made.app_context():
        made.extensions["sqlalchemy"].engine.dispose()


def is_waiting(app: Flask) -> bool:
    """Whether a statement of the application waits for a lock."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with app.app_context(), db.reading() as session:
        return bool(session.scalar(waiting))


def test_stopped_half_way_everybody_is_paid_once(desk: Desk, app: Flask, tmp_path: Path) -> None:
    round_id, players = open_round(app, players=500)
    fill(app, round_id, players)
    deal(app, round_id, ANOTHER_ACE)
    with app.app_context():
        db.transact(lambda session: settlement.claim(session, round_id=round_id, actor=SYSTEM, now=NOW))
    failed: list[Exception] = []

    def settle() -> None:
        with app.app_context():
            try:
                settlement.settle(db.transact, round_id=round_id, actor=SYSTEM, now=NOW)
            except OperationalError as error:
                failed.append(error)

    settling = threading.Thread(target=settle)
    with desk.session() as holding:
        # The players' statistics come after bets, balances and entries: there it waits for us.
        holding.execute(text("LOCK TABLE player_game_statistics IN EXCLUSIVE MODE"))
        settling.start()
        while not is_waiting(app):
            select_pause()
        embedded.stop(desk.home)
        holding.invalidate()
    settling.join()
    embedded.start(desk.home, fast_and_unsafe=True)

    assert failed, "nothing stood in its way"
    with app.app_context(), db.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM bets WHERE state <> 'pending'")) == 0
    with app.app_context():
        settler(round_id)()
    check(app, round_id, "andar", tmp_path)
