"""Partners' money from many sides at once: payouts beyond the balance, decisions, closing beside settling."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.errors import Conflict, Rejected
from dashboard.jobs import partners as job
from dashboard.models import PartnerAccount, PartnerPayout, PartnerShownEarning
from dashboard.models.game import BetState
from dashboard.models.login import Role
from dashboard.services import (
    partner_approvals,
    partner_payouts,
    partner_proof,
    partner_replay,
    partner_statements,
    partners,
)
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.findings import Found
from tests import builders
from tests.concurrency.together import at_once
from tests.services.house import House, brings, open_house
from tests.services.partner_office import ACCOUNT, APRIL, MARCH, THEN, on

TRIALS = 100
OWED = 100_00
AMOUNTS = (10_00, 20_00, 30_00, 40_00, 50_00)


@dataclass(frozen=True)
class Owed:
    """A partner who can ask for OWED."""

    partner_id: int
    asks: Actor


@dataclass(frozen=True)
class Desk:
    """An operator's partners, each of whom is owed, and who decides."""

    owed: tuple[Owed, ...]
    anna: Actor
    ben: Actor


def committed(app: Flask, work: Callable[[Session], Any]) -> Any:
    """Do it in a transaction of its own."""
    with app.app_context():
        return db.transact(work)


def make_desk(session: Session, count: int) -> Desk:
    """Partners who earned OWED by one round, in a statement that is payable."""
    house = open_house(session)
    anna, ben = (
        builders.make_actor(session, operator_id=house.operator_id, role=Role.MANAGER) for _ in range(2)
    )
    owed, stakes = [], []
    for _ in range(count):
        partner_id, player_id = house.partner(minimums={"USD": 10_00})
        login = builders.make_login(
            session, operator_id=house.operator_id, role=Role.PARTNER, partner_id=partner_id
        )
        partners.write_payout_details(
            session, partner_id=partner_id, details=ACCOUNT, actor=SYSTEM, now=builders.NOW
        )
        owed.append(Owed(partner_id, builders.actor_of(login)))
        stakes.append(brings(player_id, 20 * OWED))
    house.settle(*stakes, at=on(MARCH))
    partner_approvals.approve_due(session, now=THEN)
    made = partner_statements.close_month(
        session, operator_id=house.operator_id, month=MARCH, actor=anna, now=THEN
    )
    for statement_id in made:
        partner_statements.approve(session, statement_id=statement_id, reason="Fine", actor=ben, now=THEN)
    return Desk(tuple(owed), anna, ben)


def requester(owed: Owed, amount: int, key: str) -> Callable[[], int]:
    """Ask for that much, as the edge does."""
    return lambda: db.transact(
        partial(
            partner_payouts.request,
            partner_id=owed.partner_id,
            currency="USD",
            amount=amount,
            idempotency_key=key,
            actor=owed.asks,
            now=THEN,
        )
    )


def account(session: Session, partner_id: int) -> tuple[int, int, int]:
    """Approved, reserved, paid."""
    stored = session.scalars(select(PartnerAccount).filter_by(partner_id=partner_id)).one()
    return stored.approved, stored.reserved, stored.paid


def differing(session: Session) -> dict[str, int]:
    """What both proofs of partners find; they must agree."""
    by_sql = {
        row.failed: row.total
        for statement in partner_proof.STATEMENTS
        for row in session.execute(statement, {"cap": 1})
    }
    found = Found()
    partner_replay.check(session, found)
    assert by_sql == {check.value: total for check, total in found.totals.items()}
    return by_sql


def test_requests_above_the_balance(app: Flask) -> None:
    desk = committed(app, partial(make_desk, count=TRIALS))
    rng = Random(5)
    for owed in desk.owed:
        amounts = [rng.choice(AMOUNTS) for _ in range(6)]
        # The last is sent twice, as by a double click.
        sent = [*enumerate(amounts), (5, amounts[5])]
        results = at_once(app, [requester(owed, amount, f"ask-{number}") for number, amount in sent])

        made = {result for result in results if isinstance(result, int)}
        refused = [
            amount for result, (_, amount) in zip(results, sent, strict=True) if not isinstance(result, int)
        ]
        assert all(isinstance(result, (int, Rejected)) for result in results)
        with app.app_context(), db.reading() as session:
            approved, reserved, paid = account(session, owed.partner_id)
            stored = session.execute(
                select(PartnerPayout.id, PartnerPayout.amount).filter_by(partner_id=owed.partner_id)
            ).all()
        assert (approved, paid) == (OWED, 0)
        assert reserved <= approved
        assert {row.id for row in stored} == made
        assert sum(row.amount for row in stored) == reserved
        # Whatever was refused did not fit, and does not now.
        assert all(amount > approved - reserved for amount in refused)
        twice = [result for result in results[-2:] if isinstance(result, int)]
        assert len(twice) in {0, 2}
        assert len(set(twice)) <= 1
    with app.app_context(), db.reading() as session:
        assert differing(session) == {}


@pytest.mark.parametrize("begins_as", ["requested", "approved"])
def test_a_payout_is_decided_once(app: Flask, begins_as: str) -> None:
    desk = committed(app, partial(make_desk, count=10))
    for owed in desk.owed:
        with app.app_context():
            payout_id = requester(owed, OWED, "all")()
        cleo = committed(app, lambda session: _colleague(session, desk))
        if begins_as == "approved":
            committed(app, partial(partner_payouts.approve, payout_id=payout_id, actor=desk.anna, now=THEN))
            acts: list[Any] = [
                partial(partner_payouts.pay, reference="SEPA-1", actor=desk.ben),
                partial(partner_payouts.pay, reference="SEPA-2", actor=cleo),
                partial(partner_payouts.reject, reason="No", actor=cleo),
            ]
        else:
            acts = [
                partial(partner_payouts.approve, actor=desk.anna),
                partial(partner_payouts.approve, actor=desk.ben),
                partial(partner_payouts.approve, actor=cleo),
            ]
        works = [partial(db.transact, partial(act, payout_id=payout_id, now=THEN)) for act in acts]
        results = at_once(app, works)
        assert sorted(type(result).__name__ for result in results) == ["Conflict", "Conflict", "NoneType"]
    with app.app_context(), db.reading() as session:
        assert differing(session) == {}


def _colleague(session: Session, desk: Desk) -> Actor:
    return builders.make_actor(session, operator_id=desk.anna.operator_id, role=Role.MANAGER)


def test_asking_while_what_was_asked_for_is_rejected(app: Flask) -> None:
    desk = committed(app, partial(make_desk, count=10))
    for owed in desk.owed:
        with app.app_context():
            first = requester(owed, OWED, "first")()
        release = partial(partner_payouts.reject, payout_id=first, reason="No", actor=desk.ben, now=THEN)
        works: list[Callable[[], Any]] = [
            partial(db.transact, release),
            *(requester(owed, OWED, f"again-{number}") for number in range(3)),
        ]
        results = at_once(app, works)
        again = [result for result in results[1:] if isinstance(result, int)]
        assert results[0] is None
        assert len(again) <= 1
        with app.app_context(), db.reading() as session:
            assert account(session, owed.partner_id) == (OWED, OWED * len(again), 0)
    with app.app_context(), db.reading() as session:
        assert differing(session) == {}


def test_closing_and_approving_while_rounds_settle(app: Flask) -> None:
    for _ in range(15):
        _close_while_rounds_settle(app)
    with app.app_context(), db.reading() as session:
        assert differing(session) == {}
        held = session.execute(_HELD).all()
    # A round that settled after the closing is of the month that was open then.
    assert not [row for row in held if row.is_stated and row.day >= APRIL]


_WAITING = text("""
SELECT count(*) FROM partner_shown_earnings WHERE operator_id = :operator AND state = 'pending'
""")
_HELD = text("SELECT day, statement_id IS NOT NULL AS is_stated FROM partner_shown_earnings")


def _close_while_rounds_settle(app: Flask) -> None:
    house, players, anna = committed(app, _open_house)
    last_of_march = dt.datetime(2026, 3, 31, 12, tzinfo=dt.UTC)

    def settle(session: Session, *, profit: int) -> int:
        stakes = [brings(player_id, profit) for player_id in players]
        round_id: int = replace(house, session=session).settle(*stakes, at=last_of_march)
        return round_id

    close = partial(
        partner_statements.close_each,
        db.transact,
        operator_id=house.operator_id,
        month=MARCH,
        actor=anna,
        now=THEN,
    )
    works: list[Callable[[], Any]] = [
        *(partial(db.transact, partial(settle, profit=profit)) for profit in (100_00, -20_00, 300_00)),
        partial(job.approve, THEN),
        close,
        partial(job.approve, THEN),
    ]
    results = at_once(app, works)
    raised = [result for result in results if isinstance(result, Exception)]
    assert not raised, raised
    with app.app_context():
        job.approve(THEN)
        with db.reading() as session:
            assert session.scalar(_WAITING, {"operator": house.operator_id}) == 0


def _open_house(session: Session) -> tuple[House, list[int], Actor]:
    """Three partners who have earned before, so that there is something to close."""
    house = open_house(session)
    anna = builders.make_actor(session, operator_id=house.operator_id, role=Role.MANAGER)
    players = [house.partner()[1] for _ in range(3)]
    house.settle(*(brings(player_id, 1_000_00) for player_id in players), at=on(MARCH))
    return house, players, anna


def test_a_month_is_closed_once(app: Flask) -> None:
    for _ in range(5):
        house, _, anna = committed(app, _open_house)
        committed(app, partial(partner_approvals.approve_due, now=THEN))
        close = partial(
            partner_statements.close_month,
            operator_id=house.operator_id,
            month=MARCH,
            actor=anna,
            now=THEN,
        )
        results = at_once(app, [partial(db.transact, close) for _ in range(3)])
        assert sorted(len(result) for result in results if isinstance(result, list)) == [0, 0, 3]


def test_a_statement_is_decided_once(app: Flask) -> None:
    for _ in range(5):
        house, _, anna = committed(app, _open_house)
        committed(app, partial(partner_approvals.approve_due, now=THEN))
        ben, cleo = (
            committed(
                app,
                partial(builders.make_actor, operator_id=house.operator_id, role=Role.MANAGER),
            )
            for _ in range(2)
        )
        close = partial(
            partner_statements.close_month,
            operator_id=house.operator_id,
            month=MARCH,
            actor=anna,
            now=THEN,
        )
        first, *_ = committed(app, close)
        one = {"statement_id": first, "reason": "Looked at", "now": THEN}
        results = at_once(
            app,
            [
                partial(db.transact, partial(partner_statements.approve, actor=ben, **one)),
                partial(db.transact, partial(partner_statements.approve, actor=cleo, **one)),
                partial(db.transact, partial(partner_statements.decline, actor=cleo, **one)),
            ],
        )
        assert sum(result is None for result in results) == 1
        assert sum(isinstance(result, Conflict) for result in results) == 2
    with app.app_context(), db.reading() as session:
        assert differing(session) == {}


def test_rejecting_while_the_round_is_corrected(app: Flask) -> None:
    for _ in range(10):
        house, players, anna = committed(app, _open_house)
        round_id, partner_id, earning_id = committed(app, partial(_first_earning, house=house))
        reject = partial(
            partner_approvals.reject,
            partner_id=partner_id,
            earning_ids=[earning_id],
            reason="A self-referral",
            actor=anna,
            now=THEN,
        )
        give_back = partial(_give_back, house=house, round_id=round_id, players=players)
        works: list[Callable[[], Any]] = [partial(db.transact, reject), partial(db.transact, give_back)]
        rejected, corrected = at_once(app, works)
        with app.app_context(), db.reading() as session:
            total = session.scalars(select(PartnerAccount.total).filter_by(partner_id=partner_id)).one()
        # Rejected first, the correction is all there is; corrected first, it cannot be rejected alone.
        assert corrected is None
        assert rejected == 1 or isinstance(rejected, Rejected)
        assert total == 0
    with app.app_context(), db.reading() as session:
        assert differing(session) == {}


def _first_earning(session: Session, *, house: House) -> tuple[int, int, int]:
    """A house's round, the first partner who earned by it, and their earning."""
    found = select(PartnerShownEarning.round_id, PartnerShownEarning.partner_id, PartnerShownEarning.id)
    of_house = found.filter_by(operator_id=house.operator_id).order_by(PartnerShownEarning.id)
    round_id, partner_id, earning_id = session.execute(of_house).all()[0]
    return round_id, partner_id, earning_id


def _give_back(session: Session, *, house: House, round_id: int, players: list[int]) -> None:
    """Settle the round anew: the first player's stake goes back."""
    first, *others = (brings(player_id, 1_000_00) for player_id in players)
    pushed = replace(first, state=BetState.PUSH, paid_real=first.real)
    replace(house, session=session).settle_again(round_id, pushed, *others, at=on(MARCH, 11))
