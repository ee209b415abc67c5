"""What one change would mean, from where the balance stands and what its journal says. Pure."""

import datetime as dt

from dashboard import clock
from dashboard.models.alert import AlertType, Severity
from dashboard.models.wallet import WalletStatus
from dashboard.services import alerts, risk, vip
from dashboard.services.changes import Judgement, Request, Reserved
from dashboard.services.standings import Located, Past


def judge(
    request: Request, locked: Located, past: Past, now: dt.datetime, *, reserved: Reserved | None = None
) -> Judgement:
    """The rules' word on a change, its risk score, and the alerts that it would raise and close.

    `reserved` is what was set aside for it, which `locked` holds no longer.
    """
    standing = locked.standing(used_today=past.used_today, used_this_week=past.used_this_week, now=now)
    rule = locked.rule
    if rule is not None and request.override is not None:
        rule = request.override.applied_to(rule)
    validation = vip.judge(
        standing,
        rule,
        change_type=request.change_type,
        real_delta=request.real_delta,
        bonus_delta=request.bonus_delta,
        counted_before=reserved is not None and reserved.withdrawal_id is not None,
    )
    score = _score(request, locked, past, validation, now)
    outcome = outcome_of(locked, request.real_delta, score, is_reversal=request.reverses is not None)
    closes = tuple(alert_type for alert_type in outcome.closes if alert_type in past.open_alerts)
    outcome = alerts.Outcome(outcome.hits, closes)
    return Judgement(
        request, standing, rule, validation, score, outcome, locked.version, tuple(past.open_alerts)
    )


def _score(
    request: Request, locked: Located, past: Past, validation: vip.Validation, now: dt.datetime
) -> risk.Score:
    day = next((use for use in validation.limits if use.period == "day"), None)
    return risk.score(
        risk.Circumstances(
            amount=abs(request.real_delta),
            earlier=past.earlier,
            type_name=request.change_type,
            limit_used=day.would_use if day and day.amount else 0,
            limit=day.limit if day else 0,
            drop_percent=min(100, vip.drop_percent(locked.real, request.real_delta)),
            changes_last_hour=past.changes_last_hour,
            hour=clock.local(now, locked.timezone).hour,
            active_hours=locked.active_hours,
        )
    )


def outcome_of(
    located: Located, real_delta: int, score: risk.Score | None, *, is_reversal: bool = False
) -> alerts.Outcome:
    """What moving the real balance by `real_delta` minor units means for its alerts."""
    points = score.points if score else None
    outcome = alerts.Outcome((), ())
    if located.rule is not None:
        outcome = alerts.judge(
            located.rule,
            real_before=located.real,
            real_after=located.real + real_delta,
            risk_score=points,
        )
    if is_reversal and located.status == WalletStatus.CLOSED:
        # A closed wallet should rest; whoever moves it, somebody looks.
        others = tuple(hit for hit in outcome.hits if hit.type != AlertType.UNUSUAL)
        moved = alerts.Hit(AlertType.UNUSUAL, Severity.CRITICAL, points or 0, 0)
        outcome = alerts.Outcome((*others, moved), outcome.closes)
    return outcome
