"""Outgoing events, as other systems pull them."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.models import Operator
from dashboard.models.outgoing_event import OutgoingEvent


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event; `payload` as JSON knows it."""

    id: int
    operator: str
    """Its slug."""
    kind: str
    happened_at: dt.datetime
    payload: dict[str, Any]


def events_after(session: Session, *, after: int, limit: int, operator_id: int | None) -> list[EventRow]:
    """At most `limit` events with a number above `after`, in order; of one operator, or of all."""
    wanted = (
        select(
            OutgoingEvent.id,
            Operator.slug,
            OutgoingEvent.kind,
            OutgoingEvent.happened_at,
            OutgoingEvent.payload,
        )
        .join(Operator, Operator.id == OutgoingEvent.operator_id)
        .where(OutgoingEvent.id > after)
        .order_by(OutgoingEvent.id)
        .limit(limit)
    )
    if operator_id is not None:
        wanted = wanted.where(OutgoingEvent.operator_id == operator_id)
    return [
        EventRow(row.id, row.slug, row.kind, row.happened_at, json.loads(row.payload))
        for row in session.execute(wanted)
    ]
