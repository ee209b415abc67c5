"""What stands in the navigation of every page."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.models import Alert
from dashboard.models.alert import AlertState
from dashboard.queries.alerts import is_awake

COUNT_MAX = 100
"""Counting stops here: the navigation shows 99+."""


@dataclass(frozen=True, slots=True)
class OpenAlerts:
    """The alerts that nobody has looked at, without those that are snoozed."""

    count: int
    """Up to COUNT_MAX."""
    wakes_at: dt.datetime | None
    """When the next snoozed one comes back, if any sleeps."""


def count_open_alerts(session: Session, *, operator_id: int, now: dt.datetime) -> OpenAlerts:
    """How many are open, and when that changes by itself. One statement."""
    is_open = Alert.operator_id == operator_id, Alert.state == AlertState.OPEN
    some = select(Alert.id).where(*is_open, is_awake(now)).limit(COUNT_MAX).subquery()
    count = select(func.count()).select_from(some).scalar_subquery()
    wakes_at = select(func.min(Alert.snoozed_until)).where(*is_open, Alert.snoozed_until > now)
    return OpenAlerts(*session.execute(select(count, wakes_at.scalar_subquery())).one())
