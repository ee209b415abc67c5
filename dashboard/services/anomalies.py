"""What people say of entries that a model found odd. Models are fitted and score elsewhere, in the worker.

A mark is about the find: `right` means that it was right to point at the entry, so something was wrong with
it; `wrong` that the entry was as it should be. Later models learn from them.
"""

import datetime as dt
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, Forbidden, NotFound
from dashboard.models import Anomaly, Login
from dashboard.models.anomaly import Mark
from dashboard.services import staff_log
from dashboard.services.actors import Actor

FIT_DAYS = 90
"""Models are fitted on the entries of so many days."""
ENTRIES_LEAST = 1_000
"""With fewer in these days nothing is fitted, and nothing scored: all would be unusual."""
SAYS = {Mark.RIGHT: "Something was wrong", Mark.WRONG: "It was in order"}
"""A mark as people read it."""


class AnomalyKey(NamedTuple):
    """An anomaly is known by its entry."""

    player_id: int
    currency: str
    sequence: int


def mark(
    session: Session,
    *,
    key: AnomalyKey,
    said: Mark,
    was: Mark | None,
    note: str,
    actor: Actor,
    now: dt.datetime,
) -> None:
    """Say what was found when somebody looked; `was` is the mark that they saw, which this one replaces.

    Locks the anomaly. Raises NotFound, Forbidden, and Conflict where somebody else has marked it meanwhile;
    to say the same once more changes nothing but the note.
    """
    if not actor.may("anomalies:mark"):
        raise Forbidden("You may not mark anomalies.")
    known, by = _locked(session, key, actor.operator_id)
    if known is not None and known not in {was, said}:
        raise Conflict(f"{by} has marked it meanwhile: {SAYS[Mark(known)].lower()}.")
    session.execute(
        update(Anomaly)
        .filter_by(player_id=key.player_id, currency=key.currency, sequence=key.sequence)
        .values(mark=said, marked_by=actor.id, marked_at=now, note=note or None)
    )
    staff_log.record(
        session,
        actor,
        "anomaly.marked",
        player_id=key.player_id,
        details={
            "currency": key.currency,
            "sequence": key.sequence,
            "mark": said.value,
            "was": known,
            "note": note or None,
        },
        now=now,
    )


def _locked(session: Session, key: AnomalyKey, operator_id: int) -> tuple[str | None, str | None]:
    """The mark that it has, and who made it."""
    wanted = (
        select(Anomaly.mark, Login.name)
        .outerjoin(Login, Login.id == Anomaly.marked_by)
        .where(
            Anomaly.player_id == key.player_id,
            Anomaly.currency == key.currency,
            Anomaly.sequence == key.sequence,
            Anomaly.operator_id == operator_id,
        )
        .with_for_update(of=Anomaly)
    )
    found = session.execute(wanted).one_or_none()
    if found is None:
        raise NotFound("There is no such anomaly.")
    return found.mark, found.name
