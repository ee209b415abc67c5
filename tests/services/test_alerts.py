"""The life of an alert: one at a time, counted, closed by itself, armed again, seen by somebody."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.models.wallet import ChangeType
from dashboard.services import balances, refusals
from dashboard.services.actors import SYSTEM
from tests.builders import NOW, change, change_request, make_operator, make_player

MINUTE = dt.timedelta(minutes=1)


def found(session: Session, player_id: int, alert_type: str) -> list[Row[Any]]:
    return list(
        session.execute(
            text("SELECT * FROM alerts WHERE player_id = :p AND type = :type ORDER BY id"),
            {"p": player_id, "type": alert_type},
        )
    )


def one(session: Session, player_id: int, alert_type: str) -> Row[Any]:
    (alert,) = found(session, player_id, alert_type)
    return alert


def move_through(session: Session, player_id: int, *figures: int) -> None:
    """Let the real balance take these figures one after another, a minute between them."""
    at = NOW
    real = session.scalar(text("SELECT real FROM balances WHERE player_id = :p"), {"p": player_id})
    for figure in figures:
        at += MINUTE
        # Neither refused by a rule nor counted to a limit.
        change_type = ChangeType.SETTLEMENT if figure > real else ChangeType.FEE
        change(session, player_id, figure - real, change_type, now=at)
        real = figure


def test_it_is_raised_with_its_figures(session: Session) -> None:
    operator = make_operator(session)
    player = make_player(session, operator_id=operator, balance_minor=1_500_00)

    move_through(session, player, 900_00)

    alert = one(session, player, "warning")
    assert (alert.operator_id, alert.currency, alert.state, alert.severity) == (
        operator,
        "USD",
        "open",
        "warning",
    )
    assert (alert.hits, alert.peak, alert.threshold, alert.sequence) == (1, 900_00, 1_000_00, 2)
    assert alert.raised_at == alert.last_hit_at == NOW + MINUTE


def test_a_second_hit_raises_count_peak_and_time_and_no_second_alert(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=1_500_00)

    move_through(session, player, 900_00, 1_049_99, 850_00)

    alert = one(session, player, "warning")
    assert (alert.state, alert.hits, alert.peak, alert.sequence) == ("open", 2, 850_00, 4)
    assert (alert.raised_at, alert.last_hit_at) == (NOW + MINUTE, NOW + 3 * MINUTE)


def test_a_milder_hit_keeps_the_worst_figure(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=1_500_00)

    move_through(session, player, 850_00, 1_000_00, 999_99)

    assert (one(session, player, "warning").hits, one(session, player, "warning").peak) == (2, 850_00)


def test_falling_further_is_no_hit(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=1_500_00)

    move_through(session, player, 900_00, 899_00, 898_00)

    assert one(session, player, "warning").hits == 1


def test_it_closes_by_itself_five_percent_above_and_not_before(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=1_500_00)

    move_through(session, player, 900_00, 1_049_99)
    before = one(session, player, "warning")
    move_through(session, player, 1_050_00)
    after = one(session, player, "warning")

    assert (before.state, before.resolved_at) == ("open", None)
    assert (after.state, after.resolved_by, after.resolved_at) == ("resolved", "system", NOW + MINUTE)


def test_it_is_armed_again_once_it_has_closed(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=1_500_00)

    move_through(session, player, 900_00, 1_050_00, 950_00)

    first, second = found(session, player, "warning")
    assert (first.state, first.hits, first.peak) == ("resolved", 1, 900_00)
    assert (second.state, second.hits, second.peak) == ("open", 1, 950_00)


def test_a_balance_that_trembles_inside_the_band_opens_one_alert(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=1_500_00)

    move_through(session, player, *[999_99, 1_049_99] * 10)

    assert (one(session, player, "warning").state, one(session, player, "warning").hits) == ("open", 10)


def test_a_balance_that_trembles_across_the_band_opens_ten(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=1_500_00)

    move_through(session, player, *[999_99, 1_050_00] * 10)

    ten = found(session, player, "warning")
    assert [(alert.state, alert.hits) for alert in ten] == [("resolved", 1)] * 10


def test_each_line_has_an_alert_of_its_own(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=1_500_00)

    move_through(session, player, -5_00, 104_99)
    states = {
        row.type: row.state
        for row in session.execute(text("SELECT type, state FROM alerts WHERE player_id = :p"), {"p": player})
    }

    assert states == {
        "warning": "open",
        "critical": "open",
        "negative": "resolved",
        "significant_drop": "open",
    }


def test_each_currency_has_an_alert_of_its_own(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session, currencies=("EUR",)))
    for currency in ("USD", "EUR"):
        change(session, player, 1_500_00, ChangeType.OPENING, currency=currency)
        change(session, player, -600_00, currency=currency)

    assert [alert.currency for alert in found(session, player, "warning")] == ["USD", "EUR"]

    change(session, player, 600_00, currency="EUR")

    assert [alert.state for alert in found(session, player, "warning")] == ["open", "resolved"]


def test_a_drop_keeps_the_largest_and_the_gravest(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=100_000_00)

    move_through(session, player, 40_000_00, 6_000_00, 3_000_00)

    alert = one(session, player, "significant_drop")
    assert (alert.hits, alert.peak, alert.threshold, alert.severity) == (3, 85, 50, "critical")


def test_an_unusual_change_raises_one(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=100_000_00)
    for day in range(5):
        change(session, player, -100_00, now=NOW + dt.timedelta(days=day))
    at_night = NOW + dt.timedelta(days=7, hours=14)

    # 40 for the amount, 20 for the limit, 5 for the drop, 0 for the frequency, 10 for the hour.
    made = change(session, player, -25_000_00, now=at_night)

    alert = one(session, player, "unusual")
    assert made.entry.risk_score == 75
    assert (alert.peak, alert.threshold, alert.severity) == (75, 70, "warning")
    assert alert.sequence == made.entry.sequence


def test_limits_exceeded_are_counted_with_the_largest_amount(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session))
    for minute, amount in enumerate((25_000_01, 90_000_00, 30_000_00)):
        at = NOW + minute * MINUTE
        with pytest.raises(balances.ChangeRefused) as refused:
            change(session, player, amount, now=at)
        refusals.record(session, refused=refused.value, actor=SYSTEM, now=at)

    alert = one(session, player, "limit_exceeded")
    assert (alert.hits, alert.peak, alert.threshold, alert.sequence) == (3, 90_000_00, 25_000_00, None)
    assert (alert.raised_at, alert.last_hit_at) == (NOW, NOW + 2 * MINUTE)


def test_a_refused_change_raises_nothing_of_what_it_would_have(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=5_000_00)

    with pytest.raises(balances.ChangeRefused):
        change(session, player, -26_000_00)

    assert session.scalar(text("SELECT count(*) FROM alerts")) == 0


def test_what_a_change_would_do_to_alerts_is_told_with_it(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=1_500_00)

    down = change(session, player, -600_00).judgement
    up = change(session, player, 600_00).judgement

    assert down is not None
    assert up is not None
    assert ([hit.type for hit in down.alerts.hits], down.alerts.closes, down.open_alerts) == (
        ["warning"],
        (),
        (),
    )
    # Only what is open can close, though the balance is clear of every line.
    assert (up.alerts.hits, up.alerts.closes, up.open_alerts) == ((), ("warning",), ("warning",))


def test_a_set_of_changes_raises_what_single_ones_would(session: Session) -> None:
    operator = make_operator(session)
    figures = [(1_500_00, -600_00), (1_500_00, -1_600_00), (5_000_00, -100), (900_00, 500_00)]
    alone, together = (
        [make_player(session, operator_id=operator, balance_minor=start) for start, _ in figures]
        for _ in range(2)
    )

    for player, (_, delta) in zip(alone, figures, strict=True):
        change(session, player, delta, ChangeType.SETTLEMENT if delta > 0 else ChangeType.FEE)
    balances.post_many(
        session,
        [
            balances.Dated(
                change_request(player, delta, ChangeType.SETTLEMENT if delta > 0 else ChangeType.FEE),
                SYSTEM,
                NOW,
            )
            for player, (_, delta) in zip(together, figures, strict=True)
        ],
        with_alerts=True,
    )

    def raised(players: list[int]) -> list[set[Any]]:
        query = text("SELECT type, severity, peak, state FROM alerts WHERE player_id = :p")
        return [set(map(tuple, session.execute(query, {"p": player}))) for player in players]

    assert raised(together) == raised(alone)
