"""A house with some of everything that reports tell of."""

import datetime as dt
import json
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from dashboard.models import Alert, Refusal
from dashboard.models.wallet import ChangeType
from dashboard.queries import reports as queries
from dashboard.queries.reports import Bounds, Row
from dashboard.services import points
from dashboard.services.points_reckoning import Payment
from dashboard.services.report_definitions import Definition
from tests import builders
from tests.builders import NOW
from tests.services.house import House, open_house

DAY = dt.timedelta(days=1)
ZONE = "Europe/Malta"
OUT = NOW - 60 * DAY
"""Before the usual period."""


def fill(session: Session) -> House:
    """A house with some of everything, within the last month and before it."""
    house = open_house(session)
    agent = builders.make_actor(session, operator_id=house.operator_id)
    player = builders.make_player(session, operator_id=house.operator_id)
    partner_id = builders.make_partner(session, operator_id=house.operator_id, now=OUT)
    builders.refer(session, partner_id, player, now=OUT)
    other = builders.make_player(session, operator_id=house.operator_id, name="=Ann()", agent_id=agent.id)
    for at in (OUT, NOW - 3 * DAY, NOW - 2 * DAY, NOW):
        change(session, player, 900_00, ChangeType.DEPOSIT, at)
        change(session, player, -100_00, ChangeType.WAGER, at)
        change(session, player, 40_00, ChangeType.SETTLEMENT, at)
        change(session, player, -50_00, ChangeType.WITHDRAWAL, at)
        builders.change(session, player, 7_00, ChangeType.ADJUSTMENT, actor=agent, now=at)
        change(session, other, 1_000_00, ChangeType.DEPOSIT, at)
        builders.change(session, other, 500, ChangeType.DEPOSIT, currency="USD", now=at)
        change(session, other, -3_00, ChangeType.FEE, at)
        builders.give_bonus(session, player, 10_00, now=at)
        house.take(player, 12_00, at=at)
        points.load(
            session,
            player_id=player,
            payment=Payment(10_000),
            notes="Paid",
            idempotency_key=f"load-{at}",
            actor=agent,
            now=at,
        )
        session.execute(insert(Refusal).values(refusal(house, player, at)))
    session.execute(insert(Alert).values(alert(house, player)))
    return house


def change(session: Session, player: int, amount: int, kind: ChangeType, at: dt.datetime) -> None:
    """One change by the system."""
    builders.change(session, player, amount, kind, now=at)


def refusal(house: House, player: int, at: dt.datetime) -> dict[str, Any]:
    """Somebody wanted too much."""
    return {
        "player_id": player,
        "operator_id": house.operator_id,
        "currency": "USD",
        "change_type": "withdrawal",
        "real_delta": -9_999_00,
        "bonus_delta": 0,
        "reason": "Wanted it all",
        "performed_by": "system",
        "idempotency_key": f"refused-{at}",
        "errors": json.dumps([["minimum", "Too little is left."], ["daily", "Too much today."]]),
        "refused_at": at,
    }


def alert(house: House, player: int) -> dict[str, Any]:
    """Something that somebody should look at."""
    return {
        "player_id": player,
        "operator_id": house.operator_id,
        "currency": "USD",
        "type": "significant_drop",
        "severity": "warning",
        "peak": 55,
        "threshold": 50,
        "hits": 3,
        "raised_at": NOW - DAY,
        "last_hit_at": NOW,
    }


def within(house: House, definition: Definition) -> Bounds:
    """What it means at NOW."""
    return queries.bounds(
        definition, operator_id=house.operator_id, timezone=ZONE, currency=house.currency, now=NOW + DAY / 24
    )


def read(house: House, definition: Definition) -> list[Row]:
    """All its rows."""
    return list(queries.listing(definition, within(house, definition)).read(house.session))
