"""Loading, redeeming and adjusting points."""

import datetime as dt

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.errors import Rejected
from dashboard.services import points
from dashboard.services.actors import SYSTEM
from dashboard.services.changes import KeyReused
from dashboard.services.points_reckoning import Payment
from tests.builders import NOW, make_operator, make_player


@pytest.fixture
def player_id(session: Session) -> int:
    return make_player(session, operator_id=make_operator(session))


def load(
    session: Session, player_id: int, units: str, *, key: str = "load", now: dt.datetime = NOW
) -> points.Done:
    amount = int(units.replace(".", "")) if "." in units else int(units) * 100
    return points.load(
        session,
        player_id=player_id,
        payment=Payment(amount),
        notes="Paid at the desk",
        idempotency_key=key,
        actor=SYSTEM,
        now=now,
    )


@pytest.mark.parametrize(
    ("paid", "tier", "base", "loaded"),
    [
        ("22000", "silver", 22_000, 25_000),
        ("45000", "gold", 45_000, 50_000),
        ("92000", "platinum", 92_000, 100_000),
        ("21999.99", None, 21_999, 21_999),
        ("44999.99", "silver", 44_999, 51_135),
        ("91999.99", "gold", 91_999, 102_221),
    ],
)
def test_the_tier_table(
    session: Session, player_id: int, *, paid: str, tier: str | None, base: int, loaded: int
) -> None:
    done = load(session, player_id, paid)
    assert (done.tier.code if done.tier else None) == tier
    assert (done.entry.base_points, done.entry.points) == (base, loaded)
    assert done.balance == loaded


def test_points_are_used_soonest_expiry_first_and_pro_rata(session: Session, player_id: int) -> None:
    load(session, player_id, "22000", key="a")
    load(session, player_id, "11", key="b", now=NOW + dt.timedelta(days=1))
    done = points.redeem(
        session,
        player_id=player_id,
        points=25_001,
        notes="Massage",
        idempotency_key="c",
        actor=SYSTEM,
        now=NOW + dt.timedelta(days=2),
    )
    assert [(part.number, part.base_points, part.bonus_points) for part in done.parts] == [
        (1, 22_000, 3_000),
        (2, 1, 0),
    ]
    assert done.balance == 11


def test_a_service_is_priced_with_the_tiers_discount(session: Session, player_id: int) -> None:
    load(session, player_id, "92000")
    done = points.redeem(
        session,
        player_id=player_id,
        points=None,
        price=1_000_50,
        notes="Facial",
        idempotency_key="c",
        actor=SYSTEM,
        now=NOW,
    )
    assert done.price is not None
    assert (done.price.discount, done.price.due, done.price.most_points) == (50_02, 950_48, 950)
    assert (done.entry.points, done.entry.payment_amount) == (-950, 48)


def test_points_lapse_after_their_last_day(session: Session, player_id: int) -> None:
    load(session, player_id, "100")
    last = dt.datetime(2027, 3, 2, 22, 59, tzinfo=dt.UTC)
    wish = {"player_id": player_id, "points": 10, "notes": "Tea", "actor": SYSTEM}
    points.redeem(session, **wish, idempotency_key="last day", now=last)
    with pytest.raises(Rejected, match="There are 0 points"):
        points.redeem(session, **wish, idempotency_key="too late", now=last + dt.timedelta(minutes=1))


def test_a_key_is_used_once(session: Session, player_id: int) -> None:
    first = load(session, player_id, "100")
    again = load(session, player_id, "100")
    assert again.repeated
    assert (again.entry, again.made) == (first.entry, first.made)
    with pytest.raises(KeyReused):
        load(session, player_id, "101")


def test_an_adjustment_takes_the_soonest_points(session: Session, player_id: int) -> None:
    load(session, player_id, "100")
    wish = {"player_id": player_id, "reason": "Put right", "actor": SYSTEM, "now": NOW}
    assert points.adjust(session, **wish, points=50, idempotency_key="up").balance == 150
    taken = points.adjust(session, **wish, points=-120, idempotency_key="down")
    assert [(part.number, part.points) for part in taken.parts] == [(1, 100), (2, 20)]
    with pytest.raises(Rejected, match="There are 30 points, and not 31"):
        points.adjust(session, **wish, points=-31, idempotency_key="more")


def test_a_rehearsal_leaves_nothing(session: Session, player_id: int) -> None:
    would = points.rehearse(session, lambda nested: load(nested, player_id, "45000"))
    assert session.scalar(text("SELECT count(*) FROM loyalty_entries")) == 0
    assert session.scalar(text("SELECT count(*) FROM loyalty_months")) == 0
    did = load(session, player_id, "45000")
    assert (would.entry, would.made, would.also, would.tier) == (did.entry, did.made, did.also, did.tier)


def test_the_months_are_the_sums_of_the_batches(session: Session, player_id: int) -> None:
    load(session, player_id, "22000", key="a")
    load(session, player_id, "30", key="b", now=NOW + dt.timedelta(days=40))
    points.redeem(
        session, player_id=player_id, points=25_010, notes="x", idempotency_key="c", actor=SYSTEM, now=NOW
    )
    rows = session.execute(
        text("SELECT month, loaded, remaining, redeemed FROM loyalty_months ORDER BY month")
    ).all()
    assert [tuple(row) for row in rows] == [
        (dt.date(2027, 3, 1), 25_000, 0, 25_000),
        (dt.date(2027, 4, 1), 34, 24, 10),
    ]
