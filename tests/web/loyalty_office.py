"""A small loyalty programme with a history, for tests of its pages."""

import datetime as dt
from dataclasses import dataclass
from itertools import count

from sqlalchemy.orm import Session

from dashboard.models.login import Role
from dashboard.services import loyalty_wallets, points, points_refunds
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.points_reckoning import Payment
from tests.builders import make_login
from tests.web.desk import AT, Desk

_keys = count()


def load(session: Session, player_id: int, units: int, *, days_ago: float = 0) -> points.Done:
    """Load points for a payment of whole units, so many days ago."""
    return points.load(
        session,
        player_id=player_id,
        payment=Payment(units * 100),
        notes="Paid at the desk",
        idempotency_key=f"load-{next(_keys)}",
        actor=SYSTEM,
        now=AT - dt.timedelta(days=days_ago),
    )


def redeem(session: Session, player_id: int, number: int, *, days_ago: float = 0) -> points.Done:
    """Use points, so many days ago."""
    return points.redeem(
        session,
        player_id=player_id,
        points=number,
        notes="Massage",
        idempotency_key=f"redeem-{next(_keys)}",
        actor=SYSTEM,
        now=AT - dt.timedelta(days=days_ago),
    )


@dataclass(frozen=True)
class Office:
    """Members by what they are there for."""

    old: int
    """Silver that ended, points that expired, and a load of today."""
    gold: int
    """Loaded 45,000 thirty days ago; has used 5,000."""
    plain: int
    """Without tier; 100 points that expire in ten days; suspended."""
    owing: int
    """Gave a payment back whose points were used."""
    closed: int
    foreign: int
    """Another operator's platinum member, with points that expire in ten days."""


def fill(desk: Desk, other_operator_id: int) -> Office:
    """Give the desk's operator a programme with five members, and another operator one."""

    def make(session: Session) -> Office:
        names = ("Old Hand", "Gold Digger", "Plain Jane", "Owen Debt", "Clo Sed")
        old, gold, plain, owing, closed = (players[name] for name in names)
        load(session, old, 22_000, days_ago=400)
        redeem(session, old, 10_000, days_ago=300)
        points.adjust(
            session,
            player_id=old,
            points=-1_000,
            reason="Loaded twice",
            idempotency_key="adjust",
            actor=SYSTEM,
            now=AT - dt.timedelta(days=299),
        )
        load(session, old, 50)
        load(session, gold, 45_000, days_ago=29)
        redeem(session, gold, 5_000, days_ago=2)
        load(session, plain, 100, days_ago=355)
        loyalty_wallets.suspend(session, player_id=plain, reason="Asked to", actor=agent(session), now=AT)
        paid = load(session, owing, 22_000, days_ago=10)
        redeem(session, owing, 25_000, days_ago=5)
        points_refunds.reverse_load(
            session,
            player_id=owing,
            sequence=paid.entry.sequence,
            amount=11_000_00,
            notes="Given back",
            idempotency_key="reverse",
            actor=SYSTEM,
            now=AT,
        )
        load(session, closed, 1_000, days_ago=20)
        loyalty_wallets.close(
            session,
            player_id=closed,
            reason="Moved away",
            idempotency_key="close",
            actor=agent(session),
            now=AT,
        )
        load(session, foreign, 40, days_ago=355)
        load(session, foreign, 92_000, days_ago=1)
        return Office(old, gold, plain, owing, closed, foreign)

    def agent(session: Session) -> Actor:
        login = make_login(session, operator_id=desk.operator_id, role=Role.MANAGER)
        return Actor(id=login.id, operator_id=desk.operator_id, role=Role.MANAGER, name=login.name)

    players = {
        name: desk.player(name=name)
        for name in ("Old Hand", "Gold Digger", "Plain Jane", "Owen Debt", "Clo Sed")
    }
    foreign = Desk(desk.app, other_operator_id).player(name="Foreign Guest")
    return desk.write(make)
