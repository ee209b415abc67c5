"""Histories in memory, written in rounds, are what the services would have written one by one."""

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, Rejected
from dashboard.services import loyalty_tiers, points, points_replay, points_standing
from dashboard.services.actors import SYSTEM
from dashboard.services.points_reckoning import Payment
from dashboard.services.points_replay import Replay
from tests.builders import NOW, make_operator, make_player
from tests.services.membership import prove_sums

TABLES = {
    "loyalty_wallets": "player_id",
    "loyalty_entries": "player_id, sequence",
    "points_batches": "player_id, number",
    "points_allocations": "player_id, sequence, place",
    "loyalty_months": "month, slot",
    "tier_history": "player_id, sequence",
}


@dataclass(frozen=True)
class Act:
    """One thing that happens to a member: an amount of money or points, or the price of a service."""

    kind: str
    amount: int
    key: str
    at: dt.datetime


def rows(session: Session) -> dict[str, list[dict[str, Any]]]:
    """All rows of loyalty, without the ids that a sequence draws."""
    found = {}
    for table, order in TABLES.items():
        read = session.execute(text(f"SELECT * FROM {table} ORDER BY {order}")).mappings().all()
        found[table] = [{name: value for name, value in row.items() if name != "id"} for row in read]
    return found


def by_services(session: Session, player_id: int, act: Act) -> None:
    wish: dict[str, Any] = {
        "player_id": player_id, "idempotency_key": act.key, "actor": SYSTEM, "now": act.at
    }  # fmt: skip
    match act.kind:
        case "load":
            payment = Payment(act.amount, "R-1", "card", "I-1")
            points.load(session, payment=payment, notes="Paid", **wish)
        case "redeem":
            points.redeem(session, points=act.amount, notes="Tea", invoice="I-2", **wish)
        case "service":
            points.redeem(session, points=None, price=act.amount, notes="Massage", **wish)
        case _:
            points.adjust(session, points=act.amount, reason="Put right", **wish)


def in_memory(replay: Replay, act: Act) -> None:
    match act.kind:
        case "load":
            replay.load(Payment(act.amount, "R-1", "card", "I-1"), notes="Paid", key=act.key, now=act.at)
        case "redeem":
            replay.redeem(act.amount, notes="Tea", invoice="I-2", key=act.key, now=act.at)
        case "service":
            replay.redeem(None, price=act.amount, notes="Massage", key=act.key, now=act.at)
        case _:
            replay.adjust(act.amount, reason="Put right", key=act.key, now=act.at)


def a_history(dice: random.Random) -> list[Act]:
    """Acts of about three years: payments of every tier, uses, adjustments, long silences."""
    at = NOW + dt.timedelta(hours=dice.randrange(100))
    acts = [Act("load", dice.choice((99_50, 22_000_00, 45_000_00)), "first", at)]
    for number in range(14):
        at += dt.timedelta(days=dice.choice((0, 1, 20, 90, 200)), minutes=dice.randrange(1, 1000))
        kind = dice.choice(("load", "redeem", "service", "adjust"))
        amount = {
            "load": dice.choice((1_99, 500_00, 22_000_00, 92_000_00)),
            "redeem": dice.randrange(1, 20_000),
            "service": dice.randrange(1, 900_000),
            "adjust": dice.choice((-300, -1, 50, 4_000)),
        }[kind]
        acts.append(Act(kind, amount, f"{kind} {number}", at))
    return acts


def attempted(does: Callable[[], None]) -> str | None:
    """Why it was refused."""
    try:
        does()
    except Rejected as refused:
        return str(refused)
    return None


def replay_of(session: Session, player_id: int, operator_id: int, began: dt.datetime) -> Replay:
    programme = points_standing.programme_of(session, operator_id)
    return Replay(player_id, programme, tuple(loyalty_tiers.tiers_of(session, operator_id)), began)


def test_a_replay_writes_what_the_services_write(session: Session) -> None:
    operator_id = make_operator(session)
    dice = random.Random(4)
    histories = {make_player(session, operator_id=operator_id): a_history(dice) for _ in range(12)}
    one_by_one = session.begin_nested()
    refusals = {}
    for player_id, acts in histories.items():
        for act in acts:
            within = session.begin_nested()
            refusals[player_id, act.key] = attempted(lambda: by_services(session, player_id, act))  # noqa: B023
            within.rollback() if refusals[player_id, act.key] else within.commit()
    expected = rows(session)
    one_by_one.rollback()

    replays = []
    for player_id, acts in histories.items():
        replay = replay_of(session, player_id, operator_id, acts[0].at)
        for act in acts:
            refused = attempted(lambda: in_memory(replay, act))  # noqa: B023
            assert refused == refusals[player_id, act.key]
        replays.append(replay)
    points_replay.write(session, replays)
    assert rows(session) == expected
    prove_sums(session)
    kinds = {row["kind"] for row in expected["loyalty_entries"]}
    assert kinds == {"load", "redeem", "adjustment", "expire", "transfer_tier"}
    assert {row["change"] for row in expected["tier_history"]} == {"new", "upgrade", "downgrade", "renewal"}
    assert any(refusals.values())


def test_nights_pass_between_the_acts(session: Session) -> None:
    operator_id = make_operator(session)
    player_id = make_player(session, operator_id=operator_id)
    replay = replay_of(session, player_id, operator_id, NOW)
    replay.load(Payment(22_000_00), notes="Paid", key="a", now=NOW)
    replay.nights(NOW + dt.timedelta(days=400))
    points_replay.write(session, [replay])
    entries = session.execute(text("SELECT kind, points, created_at FROM loyalty_entries ORDER BY sequence"))
    midnight = dt.datetime(2027, 3, 2, 23, tzinfo=dt.UTC)
    assert [tuple(entry) for entry in entries] == [
        ("load", 25_000, NOW),
        ("transfer_tier", 0, NOW),
        ("expire", -25_000, midnight),
        ("transfer_tier", 0, midnight),
    ]
    (history,) = session.execute(text("SELECT change, tier_id FROM tier_history WHERE change <> 'new'"))
    assert tuple(history) == ("downgrade", None)


def test_a_member_who_is_there_is_not_written_over(session: Session) -> None:
    operator_id = make_operator(session)
    player_id = make_player(session, operator_id=operator_id)
    replay = replay_of(session, player_id, operator_id, NOW)
    points_replay.write(session, [replay])
    with pytest.raises(Conflict), session.begin_nested():
        points_replay.write(session, [replay])
