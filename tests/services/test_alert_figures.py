"""What the alerts of some days come to: counted by the operator's days, quantiles over those acknowledged."""

import datetime as dt

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models.alert import AlertType
from dashboard.models.wallet import ChangeType
from dashboard.queries import alert_figures
from dashboard.queries.alert_figures import TypeFigures
from dashboard.services import alert_life
from dashboard.services.alert_life import AlertKey
from tests.builders import NOW, change, make_actor, make_operator, make_player

ZONE = "Europe/Malta"
DAYS = clock.last_days(NOW, ZONE, 3)
MINUTE = dt.timedelta(minutes=1)


def low(session: Session, operator: int, at: dt.datetime) -> AlertKey:
    """One alert of type warning, raised at that time."""
    player = make_player(session, operator_id=operator, balance_minor=1_500_00)
    change(session, player, -700_00, ChangeType.WITHDRAWAL, now=at)
    query = text("SELECT id FROM alerts WHERE player_id = :p")
    return AlertKey(player, session.execute(query, {"p": player}).scalar_one())


def figures_of(session: Session, operator: int) -> dict[AlertType, TypeFigures]:
    """By type."""
    found = alert_figures.by_type(session, operator_id=operator, days=DAYS)
    assert [figures.type for figures in found] == list(AlertType)
    return {figures.type: figures for figures in found}


def test_a_day_is_the_operators(session: Session) -> None:
    operator = make_operator(session)
    midnight = DAYS[1].start
    assert midnight == dt.datetime(2026, 2, 28, 23, tzinfo=dt.UTC)
    for at in (
        DAYS[0].start - MINUTE,  # before the first day
        midnight - dt.timedelta(microseconds=1),
        midnight,
        NOW,
    ):
        low(session, operator, at)
    low(session, make_operator(session), NOW)

    warnings = figures_of(session, operator)[AlertType.WARNING]

    assert (warnings.raised, warnings.total) == ([1, 1, 1], 3)


def test_quantiles_lie_between_the_two_nearest_of_those_acknowledged(session: Session) -> None:
    operator = make_operator(session)
    agent = make_actor(session, operator_id=operator)
    for minutes in (10, 20, 30, 40):
        key = low(session, operator, NOW)
        at = NOW + minutes * MINUTE
        alert_life.acknowledge(session, keys=[key], actor=agent, note="", now=at)
    low(session, operator, NOW)  # which nobody has seen

    warnings = figures_of(session, operator)[AlertType.WARNING]

    assert (warnings.total, warnings.acknowledged) == (5, 4)
    assert warnings.median == 25 * MINUTE
    assert warnings.p90 == 37 * MINUTE  # 10 + 0.9 * (40 - 10)


def test_how_they_ended_is_told_apart(session: Session) -> None:
    operator = make_operator(session)
    agent = make_actor(session, operator_id=operator)
    by_hand, by_itself = low(session, operator, NOW), low(session, operator, NOW)
    alert_life.resolve(session, keys=[by_hand], actor=agent, note="Done", now=NOW)
    change(session, by_itself.player_id, 900_00, ChangeType.DEPOSIT)

    figures = figures_of(session, operator)

    warnings, unusual = figures[AlertType.WARNING], figures[AlertType.UNUSUAL]
    assert (warnings.by_hand, warnings.came_back) == (1, 1)
    assert (warnings.acknowledged, warnings.median, warnings.p90) == (0, None, None)
    assert (unusual.raised, unusual.total, unusual.median) == ([0, 0, 0], 0, None)
