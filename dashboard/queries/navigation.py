"""What stands in the navigation of every page."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.models import Alert
from dashboard.models.alert import AlertState

COUNT_MAX = 100
"""Counting stops here: the navigation shows 99+."""


def count_open_alerts(session: Session, *, operator_id: int) -> int:
    """How many alerts nobody has looked at, up to COUNT_MAX."""
    some = select(Alert.id).where(Alert.operator_id == operator_id, Alert.state == AlertState.OPEN)
    return session.scalar(select(func.count()).select_from(some.limit(COUNT_MAX).subquery())) or 0
