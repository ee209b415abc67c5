"""What people do with alerts: see, take, give, put off and end them, one or many at once.

Every act works on a set and says of each alert what became of it, so that one alert and a selection of
them go by the same rules. The rows are locked in the order of their keys, after nothing else.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Row, select, text, tuple_, update
from sqlalchemy.orm import Session

from dashboard import permissions
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import Alert, Login
from dashboard.models.alert import AlertState
from dashboard.models.login import Role
from dashboard.services import staff_log
from dashboard.services.actors import Actor
from dashboard.services.staff_log import Details

SNOOZE_MAX = dt.timedelta(days=31)
"""What is put off for longer should be resolved."""


class AlertKey(NamedTuple):
    """Which alert."""

    player_id: int
    alert_id: int


@dataclass(frozen=True, slots=True)
class Acted:
    """What became of one alert of a set."""

    key: AlertKey
    refusal: Conflict | NotFound | None
    """Why nothing was done; None where it was."""


@dataclass(frozen=True, slots=True)
class _Deed:
    """What is done to every alert of a set, and how the log says it."""

    action: str
    values: Mapping[str, object]
    details: Details
    refusal: Callable[[Row[Any]], str | None] = lambda _alert: None
    """Why it may not be done to this one, which is not resolved."""


def the_only(acted: Sequence[Acted]) -> None:
    """For an act on one alert: raise what refused it, if anything did."""
    (one,) = acted
    if one.refusal is not None:
        raise one.refusal


def acknowledge(
    session: Session, *, keys: Sequence[AlertKey], actor: Actor, note: str | None, now: dt.datetime
) -> list[Acted]:
    """Mark open alerts as seen by `actor`, with what they have to say; the second is told who was first."""

    def refusal(alert: Row[Any]) -> str | None:
        if alert.state == AlertState.ACKNOWLEDGED:
            return f"{alert.acknowledged_name} has already acknowledged this alert."
        return None

    values = {
        "state": AlertState.ACKNOWLEDGED,
        "acknowledged_by": actor.id,
        "acknowledged_at": now,
        "note": note or None,
    }
    deed = _Deed("alert.acknowledged", values, {"note": note or None}, refusal)
    return _act(session, keys, deed, actor=actor, now=now)


def resolve(
    session: Session, *, keys: Sequence[AlertKey], actor: Actor, note: str, now: dt.datetime
) -> list[Acted]:
    """End alerts by hand; `note` says what became of them. The next crossing raises new ones."""
    values = {
        "state": AlertState.RESOLVED,
        "resolved_by": actor.reference,
        "resolved_at": now,
        "resolution": note,
    }
    deed = _Deed("alert.resolved", values, {"note": note})
    return _act(session, keys, deed, actor=actor, now=now)


def snooze(
    session: Session,
    *,
    keys: Sequence[AlertKey],
    actor: Actor,
    reason: str,
    until: dt.datetime,
    now: dt.datetime,
) -> list[Acted]:
    """Take alerts out of the inbox and its counts until then; hits go on counting meanwhile.

    Nothing brings them back: what asks for the inbox sees that the time is over. Raises Rejected, on
    `until_at`, where the end is not within SNOOZE_MAX from now.
    """
    if not now < until <= now + SNOOZE_MAX:
        raise Rejected(f"Choose a time within the next {SNOOZE_MAX.days} days.", field="until_at")
    values = {"snoozed_until": until, "snooze_reason": reason, "snoozed_by": actor.id}
    details = {"reason": reason, "until": until.isoformat()}
    return _act(session, keys, _Deed("alert.snoozed", values, details), actor=actor, now=now)


def wake(session: Session, *, keys: Sequence[AlertKey], actor: Actor, now: dt.datetime) -> list[Acted]:
    """Bring snoozed alerts back before their time."""

    def refusal(alert: Row[Any]) -> str | None:
        is_snoozed = alert.snoozed_until is not None and alert.snoozed_until > now
        return None if is_snoozed else "This alert is not snoozed any more."

    values = {"snoozed_until": None, "snooze_reason": None, "snoozed_by": None}
    return _act(session, keys, _Deed("alert.woken", values, {}, refusal), actor=actor, now=now)


def assign(
    session: Session, *, keys: Sequence[AlertKey], actor: Actor, to: int, now: dt.datetime
) -> list[Acted]:
    """Give alerts to a member of staff, who has not begun to work on them yet.

    What is somebody else's only those move who may reassign. Raises Rejected, on `assignee`, where `to`
    is nobody who can work on alerts here.
    """
    assignee = session.execute(
        select(Login.id, Login.name, Login.role).where(
            Login.id == to, Login.operator_id == actor.operator_id, Login.active
        )
    ).one_or_none()
    if assignee is None or not permissions.allows(Role(assignee.role), "alerts:handle"):
        raise Rejected("Choose somebody who works on alerts.", field="assignee")

    def refusal(alert: Row[Any]) -> str | None:
        if alert.assigned_to == to:
            return f"It is assigned to {assignee.name} already."
        return _held_by_another(alert, actor)

    values = {"assigned_to": to, "assigned_at": now, "taken_at": None}
    details = {"to": to, "name": assignee.name}
    return _act(session, keys, _Deed("alert.assigned", values, details, refusal), actor=actor, now=now)


def take(session: Session, *, keys: Sequence[AlertKey], actor: Actor, now: dt.datetime) -> list[Acted]:
    """Begin to work on alerts that nobody else has."""

    def refusal(alert: Row[Any]) -> str | None:
        if alert.assigned_to == actor.id and alert.taken_at is not None:
            return "You are working on this already."
        if alert.assigned_to not in {None, actor.id}:
            doing = "is working on this already" if alert.taken_at else "has this assigned to them"
            return f"{alert.assigned_name} {doing}."
        return None

    values = {"assigned_to": actor.id, "assigned_at": now, "taken_at": now}
    return _act(session, keys, _Deed("alert.taken", values, {}, refusal), actor=actor, now=now)


def release(session: Session, *, keys: Sequence[AlertKey], actor: Actor, now: dt.datetime) -> list[Acted]:
    """Give alerts back, so that anybody may take them."""

    def refusal(alert: Row[Any]) -> str | None:
        if alert.assigned_to is None:
            return "This alert is assigned to nobody."
        return _held_by_another(alert, actor)

    values = {"assigned_to": None, "assigned_at": None, "taken_at": None}
    return _act(session, keys, _Deed("alert.released", values, {}, refusal), actor=actor, now=now)


# Whoever asks at the same moment passes over what another is just taking, and gets the one after it.
_TAKE_NEXT = text("""
WITH next AS MATERIALIZED (
  SELECT player_id, id FROM alerts
  WHERE operator_id = :operator_id AND state = 'open' AND assigned_to IS NULL
    AND (snoozed_until IS NULL OR snoozed_until <= :now)
  -- 'critical' sorts before 'warning'
  ORDER BY severity, raised_at, player_id, id
  LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE alerts a SET assigned_to = :who, assigned_at = :now, taken_at = :now
FROM next WHERE a.player_id = next.player_id AND a.id = next.id
RETURNING a.player_id, a.id, a.type
""")


def take_next(session: Session, *, actor: Actor, now: dt.datetime) -> AlertKey | None:
    """Begin to work on the most urgent alert that is open and nobody's: critical first, then the oldest.

    Two who ask at once never get the same one. None where there is nothing to take.
    """
    taken = session.execute(
        _TAKE_NEXT, {"operator_id": actor.operator_id, "who": actor.id, "now": now}
    ).one_or_none()
    if taken is None:
        return None
    key = AlertKey(taken.player_id, taken.id)
    told: Details = {"alert": key.alert_id, "type": str(taken.type), "next": True}
    staff_log.record(session, actor, "alert.taken", player_id=key.player_id, details=told, now=now)
    return key


_LOCK = text("""
SELECT a.player_id, a.id, a.type, a.state, a.assigned_to, a.taken_at, a.snoozed_until,
       seen.name AS acknowledged_name, holder.name AS assigned_name
FROM alerts a
LEFT JOIN logins seen ON seen.id = a.acknowledged_by
LEFT JOIN logins holder ON holder.id = a.assigned_to
WHERE a.operator_id = :operator_id
  AND (a.player_id, a.id) IN (SELECT * FROM unnest(CAST(:players AS bigint[]), CAST(:ids AS bigint[])))
ORDER BY a.player_id, a.id
FOR UPDATE OF a
""")


def _act(
    session: Session, keys: Sequence[AlertKey], deed: _Deed, *, actor: Actor, now: dt.datetime
) -> list[Acted]:
    """Lock, ask of each whether it may be, do it to those in one statement, and log them."""
    scope = {
        "operator_id": actor.operator_id,
        "players": [key.player_id for key in keys],
        "ids": [key.alert_id for key in keys],
    }
    locked = {AlertKey(row.player_id, row.id): row for row in session.execute(_LOCK, scope)}
    acted = [Acted(key, _refused(locked.get(key), deed)) for key in dict.fromkeys(keys)]
    done = [one.key for one in acted if one.refusal is None]
    if done:
        session.execute(
            update(Alert)
            .where(Alert.operator_id == actor.operator_id, tuple_(Alert.player_id, Alert.id).in_(done))
            .values(**deed.values),
            execution_options={"synchronize_session": False},
        )
        told = [
            (key.player_id, {"alert": key.alert_id, "type": str(locked[key].type), **deed.details})
            for key in done
        ]
        staff_log.record_many(session, actor, deed.action, told, now=now)
    return acted


def _refused(alert: Row[Any] | None, deed: _Deed) -> Conflict | NotFound | None:
    if alert is None:
        return NotFound("There is no such alert.")
    if alert.state == AlertState.RESOLVED:
        return Conflict("This alert is already resolved.")
    message = deed.refusal(alert)
    return Conflict(message) if message else None


def _held_by_another(alert: Row[Any], actor: Actor) -> str | None:
    if alert.assigned_to in {None, actor.id} or actor.may("alerts:reassign"):
        return None
    return f"This alert is {alert.assigned_name}'s: they or a manager can pass it on."
