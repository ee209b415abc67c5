"""What `verify` finds of members' points that somebody has edited, both ways."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.models.login import Role
from dashboard.models.loyalty import LoyaltyProgramme, LoyaltyTier, RefundPolicy
from dashboard.models.wallet import ChangeType
from dashboard.services import (
    loyalty_expiry,
    loyalty_programmes,
    loyalty_wallets,
    points,
    points_conversion,
    points_refunds,
    points_requests,
)
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.findings import Covered
from dashboard.services.points import Payment
from tests import builders
from tests.builders import NOW
from tests.conftest import clone, drop_database
from tests.services.ledger import Ledger

ZONE = dt.timedelta(hours=10)
LATER = dt.datetime(2027, 3, 20, 9, tzinfo=dt.UTC)
"""When what was loaded first has expired, and its tier has ended."""


class _Life:
    """What one member does, a day after the other; each act has its own key."""

    def __init__(self, session: Session, player_id: int, now: dt.datetime = NOW) -> None:
        self._session, self.player_id, self.now, self._acts = session, player_id, now, 0

    def _next(self) -> dict[str, Any]:
        self._acts += 1
        self.now += dt.timedelta(days=1)
        return {
            "player_id": self.player_id,
            "idempotency_key": f"act-{self._acts}",
            "actor": SYSTEM,
            "now": self.now,
        }

    def load(self, amount: int) -> int:
        done = points.load(self._session, payment=Payment(amount), notes="Paid", **self._next())
        return done.entry.sequence

    def redeem(self, number: int | None, price: int | None = None) -> int:
        done = points.redeem(self._session, points=number, price=price, notes="Massage", **self._next())
        return done.entry.sequence

    def refund(self, sequence: int, number: int | None) -> None:
        points_refunds.refund_service(
            self._session, sequence=sequence, points=number, notes="Cancelled", **self._next()
        )

    def reverse(self, sequence: int, amount: int | None) -> None:
        points_refunds.reverse_load(
            self._session, sequence=sequence, amount=amount, notes="Charged back", **self._next()
        )

    def adjust(self, number: int) -> None:
        points.adjust(self._session, points=number, reason="Put right", **self._next())

    def convert(self, number: int) -> int:
        done = points_conversion.convert(self._session, points=number, reason="Asked for", **self._next())
        return done.done.entry.sequence

    def undo(self, sequence: int) -> None:
        points_conversion.undo(self._session, sequence=sequence, reason="By mistake", **self._next())

    def close(self) -> None:
        loyalty_wallets.close(self._session, reason="Moves away", **self._next())


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Members with everything that can become of points."""
    ledger = Ledger(clone(), tmp_path_factory.mktemp("anchors"), ())
    ledger = replace(ledger, players=ledger.transact(_live))
    ledger.anchor(LATER + dt.timedelta(days=60))
    yield ledger
    drop_database(ledger.database)


def _live(session: Session) -> tuple[int, ...]:
    house = builders.make_operator(session)
    manager = builders.make_actor(session, operator_id=house, role=Role.MANAGER)
    _run_by(session, manager, RefundPolicy.GRACE)
    rich, owing, leaving, quiet = (builders.make_player(session, operator_id=house) for _ in range(4))
    builders.change(session, rich, 10_00, ChangeType.DEPOSIT)
    _live_long(session, _Life(session, rich), manager)
    _owe(session, _Life(session, owing), manager)
    _leave(session, _Life(session, leaving), manager)
    _Life(session, quiet).load(22_000_00)
    # Nobody asks about these: the night does it.
    loyalty_expiry.expire_due(session, now=LATER, limit=100)
    loyalty_expiry.review_due(session, now=LATER, limit=100)
    abroad = builders.make_operator(session, currency="JPY", timezone="Pacific/Auckland")
    far = _Life(session, builders.make_player(session, operator_id=abroad), NOW + ZONE)
    far.load(50_000)
    far.refund(far.redeem(123, 400), 45)
    return rich, owing, leaving, quiet, far.player_id


def _run_by(session: Session, manager: Actor, policy: RefundPolicy) -> None:
    found = select(LoyaltyProgramme).filter_by(operator_id=manager.operator_id)
    stored = session.scalars(found.execution_options(populate_existing=True)).one()
    before = {name: getattr(stored, name) for name in loyalty_programmes.SETTINGS}
    named = {"refund_policy": policy, "conversion_points": 100, "conversion_amount": 50}
    settings = loyalty_programmes.Settings(**{**before, **named})
    loyalty_programmes.edit(session, settings=settings, actor=manager, now=NOW)


def _live_long(session: Session, life: _Life, manager: Actor) -> None:
    life.load(22_000_00)
    life.load(1_000_50)
    life.adjust(50)
    service = life.redeem(500, 1_000_55)
    life.refund(service, 123)
    life.refund(service, 77)
    life.adjust(-33)
    stay = life.redeem(25_000)
    kept, undone = life.convert(100), life.convert(200)
    assert kept < undone
    life.undo(undone)
    # By now all of it has expired, on two days; Silver was lost.
    life.now = LATER
    life.load(300_00)
    life.refund(stay, 101)
    life.refund(stay, 24_600)
    _run_by(session, manager, RefundPolicy.ORIGINAL)
    life.refund(stay, 13)
    _run_by(session, manager, RefundPolicy.EXTEND)
    life.refund(stay, 17)
    life.redeem(24_750)
    life.redeem(5)
    life.refund(service, None)


def _owe(session: Session, life: _Life, manager: Actor) -> None:
    paid = life.load(1_000_00)
    stay = life.redeem(900)
    life.reverse(paid, 333_33)
    life.reverse(paid, 166_67)
    life.load(250_00)
    life.refund(stay, 100)
    life.load(700_00)
    agent = builders.make_actor(session, operator_id=manager.operator_id)
    asked = points_requests.submit(
        session,
        player_id=life.player_id,
        points=600,
        reason="Goodwill",
        idempotency_key="large",
        actor=agent,
        now=life.now,
    )
    assert isinstance(asked, int)
    points_requests.approve(
        session, player_id=life.player_id, request_id=asked, reason="Fine", actor=manager, now=life.now
    )


def _leave(session: Session, life: _Life, manager: Actor) -> None:
    paid = life.load(45_000_00)
    stay = life.redeem(49_990)
    life.now = LATER
    _run_by(session, manager, RefundPolicy.GRACE)
    life.refund(stay, 1_000)
    life.refund(stay, 333)
    life.load(99_99)
    assign = partial(loyalty_programmes.assign_tier, session, player_id=life.player_id, actor=manager)
    tier_id = session.scalars(
        select(LoyaltyTier.id).filter_by(operator_id=manager.operator_id, code="platinum")
    ).one()
    assign(tier_id=tier_id, valid_until=None, reason="A good guest", now=life.now)
    life.load(50_00)
    life.reverse(paid, 1_00)
    life.close()


@pytest.fixture
def ledger(lived: Ledger, tmp_path: Path) -> Iterator[Ledger]:
    """A copy, to be spoilt."""
    made = lived.copy(tmp_path / "anchors")
    yield made
    drop_database(made.database)


def test_everything_has_happened(lived: Ledger) -> None:
    def found(query: str) -> set[Any]:
        return lived.transact(lambda session: set(session.scalars(text(query))))

    assert found("SELECT DISTINCT kind FROM loyalty_entries") == {
        *("load", "redeem", "refund_service", "refund_wallet", "expire", "adjustment", "convert"),
        *("transfer_tier", "reversal"),
    }
    assert found("SELECT DISTINCT split_part(idempotency_key, ':', 1) FROM loyalty_entries") >= {
        *("expiry", "lapse", "owed"),
    }
    assert found("SELECT count(*) > 3 FROM points_batches WHERE origin IS NOT NULL") == {True}
    assert found("SELECT count(*) > 0 FROM points_allocations WHERE prolonged_to IS NOT NULL") == {True}
    assert found("SELECT state FROM points_requests") == {"approved"}
    assert found("SELECT DISTINCT change FROM tier_history") >= {"new", "downgrade", "manual"}
    assert found("SELECT DISTINCT status FROM loyalty_wallets") == {"active", "closed"}


def test_what_was_lived_has_nothing_to_find(lived: Ledger) -> None:
    for independently in (False, True):
        proof = lived.prove(independently=independently)
        assert proof.findings == ()
        assert proof.covered.loyalty_wallets == len(lived.players)
    assert lived.prove().covered == lived.prove(independently=True).covered != Covered(0, 0, 0, 0)
