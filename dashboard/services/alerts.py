"""Alerts on players' balances: when one is raised, and when it closes by itself.

An alert fires on the crossing of a line, not on every change beyond it, and closes by itself only
well above the line (hysteresis), so that a balance that trembles around it opens one alert. What people
do with alerts stands in `alert_life`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import metrics
from dashboard.models.alert import AlertType, Severity
from dashboard.services import risk
from dashboard.services.vip import Rule, drop_percent

HYSTERESIS_PERCENT = 5
"""A threshold's alert closes by itself once the balance is this far above the threshold."""
DROP_CRITICAL_PERCENT = 80


@dataclass(frozen=True, slots=True)
class Hit:
    """A reason to raise an alert, or to raise the count of the one that is open."""

    type: AlertType
    severity: Severity
    value: int
    """What was reached, in the unit of `threshold`."""
    threshold: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one change means for alerts: hits to raise, and types whose open alert closes."""

    hits: tuple[Hit, ...]
    closes: tuple[AlertType, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """An outcome, the entry that it comes from, and when."""

    player_id: int
    currency: str
    operator_id: int
    sequence: int | None
    outcome: Outcome
    at: dt.datetime


def judge(rule: Rule, *, real_before: int, real_after: int, risk_score: int | None = None) -> Outcome:
    """What moving a real balance from one figure to another means for its alerts. Pure."""
    hits: list[Hit] = []
    closes: list[AlertType] = []
    for alert_type, threshold, severity in _lines(rule):
        if real_before >= threshold > real_after:
            hits.append(Hit(alert_type, severity, real_after, threshold))
        elif real_after > real_before and _is_clear(real_after, threshold):
            closes.append(alert_type)
    dropped = drop_percent(real_before, real_after - real_before)
    if dropped >= rule.drop_percent:
        severity = Severity.CRITICAL if dropped >= DROP_CRITICAL_PERCENT else Severity.WARNING
        hits.append(Hit(AlertType.SIGNIFICANT_DROP, severity, dropped, rule.drop_percent))
    if risk_score is not None and risk_score >= risk.UNUSUAL:
        severity = Severity.CRITICAL if risk_score >= 90 else Severity.WARNING
        hits.append(Hit(AlertType.UNUSUAL, severity, risk_score, risk.UNUSUAL))
    return Outcome(tuple(hits), tuple(closes))


def _lines(rule: Rule) -> tuple[tuple[AlertType, int, Severity], ...]:
    return (
        (AlertType.WARNING, rule.warning_threshold, Severity.WARNING),
        (AlertType.CRITICAL, rule.critical_threshold, Severity.CRITICAL),
        (AlertType.NEGATIVE, 0, Severity.CRITICAL),
    )


def _is_clear(real: int, threshold: int) -> bool:
    return real * 100 >= threshold * (100 + HYSTERESIS_PERCENT)


_RAISE = text("""
INSERT INTO alerts AS a (player_id, operator_id, currency, type, severity, peak, threshold, sequence,
                         raised_at, last_hit_at)
SELECT h.*, h.at
FROM unnest(CAST(:player_ids AS bigint[]), CAST(:operator_ids AS bigint[]), CAST(:currencies AS text[]),
            CAST(:types AS text[]), CAST(:severities AS text[]), CAST(:values AS bigint[]),
            CAST(:thresholds AS bigint[]), CAST(:sequences AS bigint[]), CAST(:times AS timestamptz[]))
  AS h(player_id, operator_id, currency, type, severity, value, threshold, sequence, at)
ON CONFLICT (player_id, currency, type) WHERE state <> 'resolved' DO UPDATE SET
  hits = a.hits + 1,
  last_hit_at = excluded.last_hit_at,
  sequence = coalesce(excluded.sequence, a.sequence),
  -- 'critical' sorts before 'warning'
  severity = least(a.severity, excluded.severity),
  peak = CASE WHEN a.type IN ('warning', 'critical', 'negative') THEN least(a.peak, excluded.peak)
              ELSE greatest(a.peak, excluded.peak) END,
  -- how many days before: those of the last notice
  threshold = CASE WHEN a.type IN ('points_expiring', 'tier_ending') THEN excluded.threshold
                   ELSE a.threshold END
RETURNING a.type, a.hits
""")

_CLOSE = text("""
UPDATE alerts a SET state = 'resolved', resolved_at = c.at, resolved_by = 'system'
FROM unnest(CAST(:player_ids AS bigint[]), CAST(:currencies AS text[]), CAST(:types AS text[]),
            CAST(:times AS timestamptz[])) AS c(player_id, currency, type, at)
WHERE a.player_id = c.player_id AND a.currency = c.currency AND a.type = c.type AND a.state <> 'resolved'
RETURNING a.type
""")


def apply(session: Session, placed: Sequence[Placed]) -> None:
    """Raise and close what the outcomes say. Two statements at most.

    The balances must be locked where they are what was judged. No two outcomes may be of the same balance:
    the statements work on sets.
    """
    hits = [(place, hit) for place in placed for hit in place.outcome.hits]
    if hits:
        parameters = {
            "player_ids": [place.player_id for place, _ in hits],
            "operator_ids": [place.operator_id for place, _ in hits],
            "currencies": [place.currency for place, _ in hits],
            "types": [hit.type for _, hit in hits],
            "severities": [hit.severity for _, hit in hits],
            "values": [hit.value for _, hit in hits],
            "thresholds": [hit.threshold for _, hit in hits],
            "sequences": [place.sequence for place, _ in hits],
            "times": [place.at for place, _ in hits],
        }
        raised = session.execute(_RAISE, parameters)
        metrics.note(session, "alert", [row.type for row in raised if row.hits == 1])
    closes = [(place, alert_type) for place in placed for alert_type in place.outcome.closes]
    if closes:
        parameters = {
            "player_ids": [place.player_id for place, _ in closes],
            "currencies": [place.currency for place, _ in closes],
            "types": [alert_type for _, alert_type in closes],
            "times": [place.at for place, _ in closes],
        }
        session.execute(_CLOSE, parameters)


# What was to be posted was not, so whoever acknowledged the one before must look again.
_RAISE_HELD = text("""
INSERT INTO alerts AS a (player_id, operator_id, currency, type, severity, peak, threshold,
                         raised_at, last_hit_at, assigned_to, assigned_at)
SELECT b.player_id, b.operator_id, b.currency, 'held_refused', 'critical', :amount, 0, :now, :now,
       :agent, :now
FROM balances b WHERE b.player_id = :player_id AND b.currency = :currency
ON CONFLICT (player_id, currency, type) WHERE state <> 'resolved' DO UPDATE SET
  hits = a.hits + 1,
  last_hit_at = excluded.last_hit_at,
  peak = greatest(a.peak, excluded.peak),
  state = 'open', acknowledged_by = NULL, acknowledged_at = NULL, note = NULL,
  snoozed_until = NULL, snooze_reason = NULL, snoozed_by = NULL,
  taken_at = CASE WHEN a.assigned_to = excluded.assigned_to THEN a.taken_at END,
  assigned_to = excluded.assigned_to, assigned_at = excluded.assigned_at
""")


def raise_held_refused(
    session: Session, *, player_id: int, currency: str, amount_minor: int, agent_id: int, now: dt.datetime
) -> None:
    """Tell an agent that their held change was refused when its time came: the alert is assigned to them.

    The balance must be there and locked. An alert of this kind that is not resolved opens again, and
    is the agent's whose change was refused last.
    """
    session.execute(
        _RAISE_HELD,
        {
            "player_id": player_id,
            "currency": currency,
            "amount": abs(amount_minor),
            "agent": agent_id,
            "now": now,
        },
    )
