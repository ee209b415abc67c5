"""What other systems want to know: events that they pull, in the order in which they were committed."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

_LOCK = 7_120_311
"""Of the numbers of events: whoever has it writes, commits, and only then the next does."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, or is about to."""

    operator_id: int
    player_id: int | None
    kind: str
    """A noun and what becomes of it, such as `points.expiring`."""
    payload: Mapping[str, str | int | bool | None]


def tell(session: Session, events: Sequence[Event], *, now: dt.datetime) -> None:
    """Write events down. Call it last: until the transaction ends nobody else can write any.

    Their numbers therefore rise in the order of commits: whoever asks for those after the last one that
    they have seen misses none.
    """
    if not events:
        return
    session.execute(_ALONE, {"lock": _LOCK})
    session.execute(
        _WRITE,
        {
            "operators": [event.operator_id for event in events],
            "players": [event.player_id for event in events],
            "kinds": [event.kind for event in events],
            "payloads": [json.dumps(dict(event.payload), ensure_ascii=False) for event in events],
            "now": now,
        },
    )


_ALONE = text("SELECT pg_advisory_xact_lock(:lock)")
_WRITE = text("""
INSERT INTO outgoing_events (operator_id, player_id, kind, payload, happened_at)
SELECT e.operator_id, e.player_id, e.kind, e.payload, :now
FROM unnest(CAST(:operators AS bigint[]), CAST(:players AS bigint[]), CAST(:kinds AS text[]),
            CAST(:payloads AS text[])) WITH ORDINALITY AS e(operator_id, player_id, kind, payload, place)
ORDER BY e.place
""")
