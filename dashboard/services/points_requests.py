"""Adjustments of points by hand: posted at once up to the programme's threshold, decided by another person
beyond it.

The threshold counts what one person adjusts of one player on one day, whatever the direction, so that no
large one is made of small ones. Locked is the request first, then the loyalty wallet.
"""

import datetime as dt
from functools import partial
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.services import points as acts
from dashboard.services import points_reckoning, points_standing, request_rows, staff_log
from dashboard.services.actors import Actor
from dashboard.services.changes import KeyReused
from dashboard.services.points import Done
from dashboard.services.points_standing import Member

LAPSES_AFTER = dt.timedelta(days=7)


def submit(
    session: Session,
    *,
    player_id: int,
    points: int,
    reason: str,
    idempotency_key: str,
    actor: Actor,
    now: dt.datetime,
) -> Done | int:
    """Adjust the points, or keep the adjustment for another person; then the request's id.

    The same key returns what was first done with it. Raises what `points.adjust` raises, whether it would
    be posted or kept.
    """
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now, enrol=points > 0)
    reason = reason.strip()
    asked = {"p": player_id, "key": idempotency_key, "points": points, "reason": reason}
    stored = session.execute(_BY_KEY, asked).one_or_none()
    if stored is not None and stored.sequence is None:
        if not stored.is_same:
            raise KeyReused(None)
        return int(stored.id)
    adjust = partial(
        acts.adjust,
        player_id=player_id,
        points=points,
        reason=reason,
        idempotency_key=idempotency_key,
        actor=actor,
        now=now,
    )
    would = acts.rehearse(session, adjust)
    if would.repeated or not _exceeds(session, member, points, actor, now):
        return adjust(session)
    return _keep(session, member.operator_id, asked, actor, now)


def needs_second_person(
    session: Session, *, player_id: int, points: int, actor: Actor, now: dt.datetime
) -> bool:
    """Whether such an adjustment would wait for another person. Locks the wallet as `submit` does.

    Raises NotFound.
    """
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now, enrol=points > 0)
    return _exceeds(session, member, points, actor, now)


def approve(
    session: Session, *, player_id: int, request_id: int, reason: str, actor: Actor, now: dt.datetime
) -> Done:
    """Adjust the points as another person asked, in that person's name.

    Raises NotFound; Rejected (one's own request, or nobody who decides, and what `points.adjust` refuses by
    now, which leaves the request waiting); Conflict once it has ended.
    """
    row = _decidable(session, player_id, request_id, actor)
    reason = points_reckoning.reasoned(reason)
    if row.lapses_at <= now:
        raise Conflict("This request has lapsed.")
    done = acts.adjust(
        session,
        player_id=player_id,
        points=row.points,
        reason=row.reason,
        idempotency_key=row.idempotency_key,
        actor=request_rows.maker_of(session, row.requested_by),
        now=now,
    )
    _end(session, row, "approved", reason, actor=actor, now=now, sequence=done.entry.sequence)
    return done


def decline(
    session: Session, *, player_id: int, request_id: int, reason: str, actor: Actor, now: dt.datetime
) -> None:
    """End the request with nothing changed. Raises NotFound, Rejected (one's own, no reason), Conflict."""
    row = _decidable(session, player_id, request_id, actor)
    _end(session, row, "declined", points_reckoning.reasoned(reason), actor=actor, now=now)


def lapse(session: Session, *, now: dt.datetime) -> list[int]:
    """End what has waited too long; returns the operators it was of."""
    return list(session.scalars(_LAPSE, {"now": now}))


_BY_KEY = text("""
SELECT id, sequence, points = :points AND reason = :reason AS is_same FROM points_requests
WHERE player_id = :p AND idempotency_key = :key
""")
_ADJUSTED = text("""
SELECT coalesce(sum(abs(points)), 0)::bigint FROM loyalty_entries
WHERE player_id = :p AND performed_by = :who AND kind = 'adjustment' AND created_at >= :start
  AND created_at < :end
""")
_INSERT = text("""
INSERT INTO points_requests (player_id, operator_id, points, reason, idempotency_key, requested_by,
                             requested_at, lapses_at)
VALUES (:p, :operator, :points, :reason, :key, :who, :now, :lapses)
RETURNING id
""")
_LOCK = text("""
SELECT q.*, l.name AS decider FROM points_requests q LEFT JOIN logins l ON l.id = q.decided_by
WHERE q.player_id = :p AND q.id = :id FOR UPDATE OF q
""")
_END = text("""
UPDATE points_requests SET state = :state, decided_by = :who, decided_at = :now, decision_reason = :reason,
  ended_at = :now, sequence = :sequence
WHERE player_id = :p AND id = :id AND state = 'waiting'
""")
_LAPSE = text("""
UPDATE points_requests SET state = 'lapsed', ended_at = :now WHERE state = 'waiting' AND lapses_at <= :now
RETURNING operator_id
""")


def _exceeds(session: Session, member: Member, points: int, actor: Actor, now: dt.datetime) -> bool:
    if actor.role is None:
        return False
    today = clock.day(now, member.programme.timezone)
    named = {"p": member.player_id, "who": actor.reference, "start": today.start, "end": today.end}
    adjusted: int = session.execute(_ADJUSTED, named).scalar_one()
    return adjusted + abs(points) > member.programme.approval_points


def _keep(session: Session, operator_id: int, asked: dict[str, Any], actor: Actor, now: dt.datetime) -> int:
    row = {**asked, "operator": operator_id, "who": actor.id, "now": now, "lapses": now + LAPSES_AFTER}
    request_id: int = session.execute(_INSERT, row).scalar_one()
    return request_id


def _decidable(session: Session, player_id: int, request_id: int, actor: Actor) -> Row[Any]:
    """The request, locked, if this person may decide it now."""
    row = session.execute(_LOCK, {"p": player_id, "id": request_id}).one_or_none()
    if row is None or not actor.serves(row.operator_id):
        raise NotFound("There is no such request.")
    if not actor.may("approvals:decide"):
        raise Rejected("You may not decide this.")
    if row.requested_by == actor.id:
        raise Rejected("Nobody decides their own request: another person must.")
    if row.state in {"approved", "declined"}:
        raise Conflict(f"{row.decider} has already {row.state} this request.")
    if row.state != "waiting":
        raise Conflict("This request has lapsed.")
    return row


def _end(
    session: Session,
    row: Row[Any],
    state: str,
    reason: str,
    *,
    actor: Actor,
    now: dt.datetime,
    sequence: int | None = None,
) -> None:
    named = {"p": row.player_id, "id": row.id, "who": actor.id, "now": now}
    session.execute(_END, {**named, "state": state, "reason": reason, "sequence": sequence})
    staff_log.record(
        session,
        actor,
        f"points_request.{state}",
        player_id=row.player_id,
        details={"request": row.id, "points": row.points, "reason": reason},
        now=now,
    )
