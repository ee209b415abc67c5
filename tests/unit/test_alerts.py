"""When a change raises an alert, and when it lets one close: both sides of each line."""

from dataclasses import replace

import pytest

from dashboard.models.alert import AlertType, Severity
from dashboard.services import alerts
from dashboard.services.alerts import Hit
from tests.vip_table import TABLE, rule_of

RULE = rule_of(TABLE[0])
"""Warning below 1,000.00, critical below 100.00, a significant drop from 50 %."""
ALL = (AlertType.WARNING, AlertType.CRITICAL, AlertType.NEGATIVE)


def judged(before: int, after: int, score: int | None = None) -> alerts.Outcome:
    return alerts.judge(RULE, real_before=before, real_after=after, risk_score=score)


def raised(before: int, after: int) -> set[AlertType]:
    return {hit.type for hit in judged(before, after).hits} - {AlertType.SIGNIFICANT_DROP}


@pytest.mark.parametrize(
    ("before", "after", "types"),
    [
        (1_000_01, 1_000_00, set()),
        (1_000_00, 999_99, {AlertType.WARNING}),
        (2_000_00, 999_99, {AlertType.WARNING}),
        # Already below: no second crossing, however far it falls.
        (999_99, 999_98, set()),
        (999_99, 100_00, set()),
        (100_00, 99_99, {AlertType.CRITICAL}),
        (99_99, 0, set()),
        (0, -1, {AlertType.NEGATIVE}),
        (-1, -50_00, set()),
        # One change over several lines crosses them all.
        (1_000_00, 99_99, {AlertType.WARNING, AlertType.CRITICAL}),
        (5_000_00, -1, set(ALL)),
        # Going up crosses nothing.
        (-1, 5_000_00, set()),
        (99_99, 100_00, set()),
        (0, 0, set()),
    ],
)
def test_a_line_fires_on_its_crossing(before: int, after: int, types: set[AlertType]) -> None:
    assert raised(before, after) == types


@pytest.mark.parametrize(
    ("before", "after", "types"),
    [
        (999_99, 1_000_00, {AlertType.CRITICAL, AlertType.NEGATIVE}),
        (999_99, 1_049_99, {AlertType.CRITICAL, AlertType.NEGATIVE}),
        (999_99, 1_050_00, set(ALL)),
        (1_049_99, 1_050_00, set(ALL)),
        (99_99, 104_99, {AlertType.NEGATIVE}),
        (99_99, 105_00, {AlertType.CRITICAL, AlertType.NEGATIVE}),
        (-1, 0, {AlertType.NEGATIVE}),
        (-2, -1, set()),
        # A fall closes nothing, not even from far above.
        (9_000_00, 8_000_00, set()),
        (9_000_00, 9_000_00, set()),
    ],
)
def test_an_alert_closes_five_percent_above_its_line(before: int, after: int, types: set[AlertType]) -> None:
    assert set(judged(before, after).closes) == types


@pytest.mark.parametrize(("after", "closes"), [(103, False), (104, True)])
def test_five_percent_are_exact_where_they_are_no_whole_unit(after: int, closes: bool) -> None:
    rule = replace(rule_of(TABLE[0], "JPY", unit=1), critical_threshold=99)  # and 5 % are 103.95

    outcome = alerts.judge(rule, real_before=98, real_after=after)

    assert (AlertType.CRITICAL in outcome.closes) is closes


@pytest.mark.parametrize(
    ("after", "severity"),
    [
        (5_000_01, None),
        (5_000_00, Severity.WARNING),
        (2_000_01, Severity.WARNING),
        (2_000_00, Severity.CRITICAL),
    ],
)
def test_a_drop_is_significant_from_half_and_critical_from_four_fifths(
    after: int, severity: Severity | None
) -> None:
    drops = [hit for hit in judged(10_000_00, after).hits if hit.type == AlertType.SIGNIFICANT_DROP]

    assert [hit.severity for hit in drops] == ([severity] if severity else [])


def test_a_drop_tells_its_percentage() -> None:
    (hit,) = judged(10_000_00, 4_000_01).hits

    assert hit == Hit(AlertType.SIGNIFICANT_DROP, Severity.WARNING, 59, 50)


@pytest.mark.parametrize(("before", "after"), [(0, -500_00), (-100_00, -500_00), (100_00, 500_00)])
def test_what_falls_from_nothing_or_rises_is_no_drop(before: int, after: int) -> None:
    assert AlertType.SIGNIFICANT_DROP not in {hit.type for hit in judged(before, after).hits}


def test_the_hit_tells_what_was_reached_and_which_line_it_was() -> None:
    hits = judged(1_000_00, -5_00).hits

    assert hits[:3] == (
        Hit(AlertType.WARNING, Severity.WARNING, -5_00, 1_000_00),
        Hit(AlertType.CRITICAL, Severity.CRITICAL, -5_00, 100_00),
        Hit(AlertType.NEGATIVE, Severity.CRITICAL, -5_00, 0),
    )


@pytest.mark.parametrize(
    ("score", "severity"),
    [
        (None, None),
        (0, None),
        (69, None),
        (70, "warning"),
        (89, "warning"),
        (90, "critical"),
        (100, "critical"),
    ],
)
def test_a_high_risk_score_is_unusual(score: int | None, severity: str | None) -> None:
    hits = judged(5_000_00, 5_100_00, score).hits

    assert [(hit.type, hit.severity, hit.value, hit.threshold) for hit in hits] == (
        [("unusual", severity, score, 70)] if severity else []
    )
