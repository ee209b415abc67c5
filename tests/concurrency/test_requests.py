"""Requests at the same moment: one decision, one withdrawal's end, and each held change once."""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.jobs import ticking
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, change_requests, submissions, wallets, withdrawals
from dashboard.services.actors import Actor
from dashboard.services.submissions import Submitted
from tests.builders import NOW, change_request, make_actor, make_operator, make_player
from tests.concurrency.together import at_once, journal, prove

LATER = NOW + dt.timedelta(seconds=60)


@dataclass(frozen=True)
class Floor:
    """An operator with the usual threshold and undo seconds; three managers and an agent."""

    operator: int
    agent: Actor
    managers: tuple[Actor, ...]


@pytest.fixture(scope="module")
def floor(app: Flask) -> Floor:
    with app.app_context(), db.writing() as session:
        operator = make_operator(session, undo_seconds=30, approval_threshold=500_00)
        managers = [make_actor(session, operator_id=operator, role=Role.MANAGER) for _ in range(3)]
        return Floor(operator, make_actor(session, operator_id=operator), tuple(managers))


def in_one(app: Flask, work: Callable[[Session], object]) -> object:
    with app.app_context():
        return db.transact(work)


def make(app: Flask, floor: Floor, balance_minor: int = 1_000_00) -> int:
    made = in_one(
        app, lambda session: make_player(session, operator_id=floor.operator, balance_minor=balance_minor)
    )
    assert isinstance(made, int)
    return made


def ask(app: Flask, floor: Floor, player: int, amount: int) -> int:
    request = change_request(player, amount)
    done = in_one(app, partial(submissions.submit, request=request, actor=floor.agent, now=NOW))
    assert isinstance(done, Submitted)
    assert done.request_id
    return done.request_id


def balance(app: Flask, player: int) -> tuple[int, int]:
    query = text("SELECT real, pending FROM balances WHERE player_id = :p AND currency = 'USD'")
    with app.app_context(), db.reading() as session:
        row = session.execute(query, {"p": player}).one()
        return row.real, row.pending


def outcomes(results: list[object]) -> Counter[str]:
    return Counter(type(result).__name__ for result in results)


@pytest.mark.parametrize("trial", range(100))
def test_two_approvers_and_one_decliner_are_one_decision(app: Flask, floor: Floor, trial: int) -> None:
    player = make(app, floor)
    request_id = ask(app, floor, player, 600_00)
    named = {"player_id": player, "request_id": request_id, "reason": "Seen", "now": NOW}
    deciders = (change_requests.approve, change_requests.approve, change_requests.decline)

    results = at_once(
        app,
        [
            partial(db.transact, partial(decide, **named, actor=manager))
            for decide, manager in zip(deciders, floor.managers, strict=True)
        ],
    )

    with app.app_context(), db.reading() as session:
        state = session.scalar(text("SELECT state FROM change_requests WHERE id = :id"), {"id": request_id})
    assert outcomes(list(results))["Conflict"] == 2
    assert state in {"approved", "declined"}
    assert balance(app, player) == (1_600_00 if state == "approved" else 1_000_00, 0)
    assert len(journal(app, player)) == (2 if state == "approved" else 1)


@pytest.mark.parametrize("trial", range(50))
def test_of_twenty_withdrawals_as_many_as_are_covered(app: Flask, floor: Floor, trial: int) -> None:
    player = make(app, floor)
    asked = [change_request(player, -300_00, ChangeType.WITHDRAWAL) for _ in range(20)]

    results = at_once(
        app,
        [
            partial(db.transact, partial(withdrawals.request, request=request, actor=floor.agent, now=NOW))
            for request in asked
        ],
    )

    assert outcomes(list(results)) == {"Requested": 3, "ChangeRefused": 17}
    assert balance(app, player) == (1_000_00, 900_00)


@pytest.mark.parametrize("trial", range(25))
def test_of_paying_and_cancelling_one_wins(app: Flask, floor: Floor, trial: int) -> None:
    player = make(app, floor)
    request = change_request(player, -300_00, ChangeType.WITHDRAWAL)
    asked = in_one(app, partial(withdrawals.request, request=request, actor=floor.agent, now=NOW))
    assert isinstance(asked, withdrawals.Requested)
    named = {"player_id": player, "withdrawal_id": asked.withdrawal_id, "actor": floor.agent, "now": NOW}

    results = at_once(
        app,
        [
            partial(db.transact, partial(submissions.submit_payment, **named)),
            partial(db.transact, partial(withdrawals.cancel, **named, reason="Changed their mind")),
        ],
    )

    paid = isinstance(results[0], Submitted)
    assert outcomes(list(results))["Conflict"] == 1
    assert balance(app, player) == (700_00 if paid else 1_000_00, 0)
    assert len(journal(app, player)) == (2 if paid else 1)
    prove(app, player)


@pytest.mark.parametrize("trial", range(10))
def test_two_workers_and_its_maker_post_a_held_change_once(app: Flask, floor: Floor, trial: int) -> None:
    player = make(app, floor)
    request_id = ask(app, floor, player, -100_00)
    named = {"player_id": player, "request_id": request_id, "actor": floor.agent, "now": LATER}

    at_once(
        app,
        [
            partial(ticking.post_due, LATER),
            partial(ticking.post_due, LATER),
            partial(db.transact, partial(change_requests.post_held, **named)),
            partial(db.transact, partial(change_requests.take_back, **named)),
        ],
    )

    real, pending = balance(app, player)
    assert pending == 0
    assert real == (900_00 if len(journal(app, player)) == 2 else 1_000_00)
    prove(app, player)


def test_the_worker_tells_a_maker_whose_change_was_refused(app: Flask, floor: Floor) -> None:
    player = make(app, floor)
    ask(app, floor, player, -100_00)
    freeze = partial(wallets.freeze, player_id=player, reason="Lost phone", actor=floor.agent, now=NOW)
    in_one(app, freeze)

    with app.app_context():
        assert ticking.post_due(LATER) == 1
        assert ticking.post_due(LATER) == 0

    with app.app_context(), db.reading() as session:
        alert = session.execute(
            text("SELECT type, assigned_to FROM alerts WHERE player_id = :p"), {"p": player}
        ).one()
    assert tuple(alert) == ("held_refused", floor.agent.id)
    assert balance(app, player) == (1_000_00, 0)


def test_an_agents_day_is_kept_over_many_players(app: Flask) -> None:
    with app.app_context(), db.writing() as session:
        operator = make_operator(session)
        agent = make_actor(session, operator_id=operator)
        session.execute(
            text("UPDATE allowances SET per_change = 100, per_day = 500 WHERE login_id = :l"), {"l": agent.id}
        )
        players = [make_player(session, operator_id=operator) for _ in range(12)]

    results = at_once(
        app,
        [
            partial(
                db.transact,
                partial(submissions.submit, request=change_request(player, 100), actor=agent, now=NOW),
            )
            for player in players
        ],
    )

    assert outcomes(list(results)) == {"Submitted": 5, "ChangeRefused": 7}


def test_transfers_to_and_fro_do_not_stand_in_each_others_way(app: Flask, floor: Floor) -> None:
    one, other = make(app, floor), make(app, floor)
    moves = [(one, other) if number % 2 else (other, one) for number in range(20)]

    results = at_once(
        app,
        [
            partial(
                db.transact,
                partial(
                    balances.transfer,
                    request=balances.Request(
                        source, "USD", ChangeType.TRANSFER, -1_00, "To and fro", f"t{n}", other_player=target
                    ),
                    actor=floor.agent,
                    now=NOW,
                ),
            )
            for n, (source, target) in enumerate(moves)
        ],
    )

    assert outcomes(list(results)) == {"BalanceChange": 20}
    assert (balance(app, one), balance(app, other)) == ((1_000_00, 0), (1_000_00, 0))
    prove(app, one)
    prove(app, other)
