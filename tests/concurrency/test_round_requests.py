"""A request about a settled round, decided by several at once and beside a worker that settles."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.errors import Conflict
from dashboard.models.login import Role
from dashboard.services import round_requests, settlement
from dashboard.services.actors import Actor
from dashboard.services.settlement import Amendment
from tests.builders import NOW, make_actor
from tests.concurrency.big_round import ANOTHER_ACE, KING, check, deal, fill, open_round, settler
from tests.concurrency.together import at_once

_OPERATOR = text("SELECT operator_id FROM rounds WHERE id = :r")
_ENDED = text(
    "SELECT q.state, r.version FROM round_requests q JOIN rounds r ON r.id = q.round_id WHERE q.id = :q"
)


def settled(app: Flask) -> tuple[int, list[Actor]]:
    """A round that Bahar has won, and four managers."""
    round_id, players = open_round(app, players=30)
    fill(app, round_id, players)
    deal(app, round_id, KING, ANOTHER_ACE)

    def hire(session: Session) -> list[Actor]:
        operator_id = session.execute(_OPERATOR, {"r": round_id}).scalar_one()
        return [make_actor(session, operator_id=operator_id, role=Role.MANAGER) for _each in range(4)]

    with app.app_context():
        settler(round_id)()
        return round_id, db.transact(hire)


def asked(app: Flask, round_id: int, actor: Actor) -> int:
    """That the round be void."""
    ask = partial(
        round_requests.ask, round_id=round_id, amendment=Amendment(), reason="Seen", actor=actor, now=NOW
    )
    with app.app_context():
        return db.transact(ask)


def ended(app: Flask, request_id: int) -> tuple[str, int]:
    """State of the request and version of the round."""
    with app.app_context(), db.reading() as session:
        row = session.execute(_ENDED, {"q": request_id}).one()
        return row.state, row.version


@pytest.mark.parametrize("trial", range(6))
def test_of_several_who_decide_at_once_one_stands(app: Flask, tmp_path: Path, trial: int) -> None:
    round_id, (asker, first, second, third) = settled(app)
    request_id = asked(app, round_id, asker)
    named: dict[str, Any] = {"request_id": request_id, "reason": "Seen", "now": NOW}

    results = at_once(
        app,
        [
            partial(round_requests.approve, db.transact, actor=first, **named),
            partial(round_requests.approve, db.transact, actor=second, **named),
            partial(db.transact, partial(round_requests.decline, actor=third, **named)),
        ],
    )

    refused = [result for result in results if result is not None]
    assert len(refused) == 2
    assert all(isinstance(each, Conflict) and "has already" in each.message for each in refused), refused
    assert ended(app, request_id) in {("approved", 2), ("declined", 1)}
    check(app, round_id, "nobody" if ended(app, request_id)[0] == "approved" else "bahar", tmp_path)


@pytest.mark.parametrize("trial", range(4))
def test_beside_workers_that_settle_everybody_is_paid_once(app: Flask, tmp_path: Path, trial: int) -> None:
    round_id, (asker, decider, *_others) = settled(app)
    request_id = asked(app, round_id, asker)

    def resume() -> None:
        for _turn in range(10):
            settlement.resume(db.transact, round_id=round_id, now=NOW)

    approve = partial(
        round_requests.approve,
        db.transact,
        request_id=request_id,
        reason="Seen",
        actor=decider,
        now=NOW,
    )
    results = at_once(app, [approve, resume, resume])

    assert results == [None] * 3
    assert ended(app, request_id) == ("approved", 2)
    check(app, round_id, "nobody", tmp_path)


def test_of_several_who_ask_at_once_one_waits(app: Flask) -> None:
    round_id, managers = settled(app)

    def ask(actor: Actor) -> int:
        return asked(app, round_id, actor)

    results = at_once(app, [partial(ask, actor) for actor in managers])

    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 3 + ["int"]
