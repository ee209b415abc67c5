"""Voiding or correcting a settled round: one member of staff asks for it, and another one decides.

A request says which settlement its maker saw; a later one makes it stale. Approving judges again and claims
the next version in the transaction that ends the request, so that a crash behind it is resumed like that
of any settlement. Locked is the request first, then the round.
"""

import datetime as dt
from functools import partial
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.round_request import RoundRequestKind
from dashboard.services import request_rows, settlement, staff_log
from dashboard.services.actors import Actor
from dashboard.services.settlement import Amendment
from dashboard.services.transact import Transact

LAPSES_AFTER = dt.timedelta(days=7)


def ask(
    session: Session, *, round_id: int, amendment: Amendment, reason: str, actor: Actor, now: dt.datetime
) -> int:
    """Keep an amendment for another person's decision; returns the request's id. Locks the round.

    Raises what making it would raise (NotFound, Rejected at the field, Conflict), and Conflict while
    another request about the round waits.
    """
    reason = settlement.reasoned(reason)
    version = settlement.rehearse(session, round_id=round_id, amendment=amendment, actor=actor)
    is_void = amendment.cards is None
    try:
        with session.begin_nested():
            row = session.execute(
                _INSERT,
                {
                    "round": round_id,
                    "kind": RoundRequestKind.VOID if is_void else RoundRequestKind.CORRECTION,
                    "version": version,
                    "joker": amendment.joker,
                    "cards": None if amendment.cards is None else list(amendment.cards),
                    "reason": reason,
                    "who": actor.id,
                    "now": now,
                    "lapses": now + LAPSES_AFTER,
                },
            ).one()
    except IntegrityError as error:
        raise Conflict("Another request about this round already waits for a decision.") from error
    request_id = int(row.id)
    _log(session, _lock(session, request_id, actor), "asked", reason, actor=actor, now=now)
    return request_id


def approve(transact: Transact, *, request_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Void or correct the round as another person asked, and pay what follows from it.

    Raises NotFound; Rejected (one's own request, or nobody who decides); Conflict once it has ended, when
    the round was settled anew since, and while it is being settled.
    """
    approved = partial(_approve, request_id=request_id, reason=reason, actor=actor, now=now)
    round_id, version = transact(approved)
    settlement.finish(transact, round_id=round_id, version=version, now=now)


def decline(session: Session, *, request_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """End the request with nothing changed. Raises NotFound, Rejected (one's own), Conflict."""
    row = _decidable(session, request_id, actor)
    _end(session, row, "declined", reason, actor=actor, now=now)


def lapse(session: Session, *, now: dt.datetime) -> list[int]:
    """End what has waited too long; returns the operators it was of."""
    return list(session.scalars(_LAPSE, {"now": now}))


_INSERT = text("""
INSERT INTO round_requests (operator_id, round_id, kind, version, joker, cards, reason, requested_by,
                            requested_at, lapses_at)
SELECT operator_id, id, :kind, :version, :joker, CAST(:cards AS smallint[]), :reason, :who, :now, :lapses
FROM rounds WHERE id = :round
RETURNING id
""")
_LOCK = text("""
SELECT q.*, r.game_id, r.number, l.name AS decider
FROM round_requests q
JOIN rounds r ON r.id = q.round_id
LEFT JOIN logins l ON l.id = q.decided_by
WHERE q.id = :id AND q.operator_id = :operator FOR UPDATE OF q
""")
_END = text("""
UPDATE round_requests SET state = :state, decided_by = :who, decided_at = :now, decision_reason = :reason,
  ended_at = :now
WHERE id = :id AND state = 'waiting'
""")
_LAPSE = text("""
UPDATE round_requests SET state = 'lapsed', ended_at = :now WHERE state = 'waiting' AND lapses_at <= :now
RETURNING operator_id
""")


def _approve(
    session: Session, *, request_id: int, reason: str, actor: Actor, now: dt.datetime
) -> tuple[int, int]:
    """The claim of the next version, and the end of the request; returns round and version."""
    row = _decidable(session, request_id, actor)
    if row.lapses_at <= now:
        raise Conflict("This request has lapsed.")
    amendment = Amendment(row.joker, row.cards)
    if settlement.rehearse(session, round_id=row.round_id, amendment=amendment, actor=actor) != row.version:
        raise Conflict(f"Round {row.number} was settled anew in between: look again.")
    version = settlement.amend(
        session,
        round_id=row.round_id,
        amendment=amendment,
        reason=row.reason,
        actor=request_rows.maker_of(session, row.requested_by),
        approver=actor,
        now=now,
    )
    _end(session, row, "approved", reason, actor=actor, now=now)
    return row.round_id, version


def _lock(session: Session, request_id: int, actor: Actor) -> Row[Any]:
    row = session.execute(_LOCK, {"id": request_id, "operator": actor.operator_id}).one_or_none()
    if row is None:
        raise NotFound("There is no such request.")
    return row


def _decidable(session: Session, request_id: int, actor: Actor) -> Row[Any]:
    """The request, locked, if this person may decide it now."""
    row = _lock(session, request_id, actor)
    if not actor.may("approvals:decide"):
        raise Rejected("You may not decide this.")
    if row.requested_by == actor.id:
        raise Rejected("Nobody decides their own request: another person must.")
    if row.state in {"approved", "declined"}:
        raise Conflict(f"{row.decider} has already {row.state} this request.")
    if row.state != "waiting":
        raise Conflict("This request has lapsed.")
    return row


def _end(session: Session, row: Row[Any], state: str, reason: str, *, actor: Actor, now: dt.datetime) -> None:
    session.execute(_END, {"id": row.id, "state": state, "who": actor.id, "reason": reason, "now": now})
    _log(session, row, state, reason, actor=actor, now=now)


def _log(
    session: Session, row: Row[Any], became: str, reason: str, *, actor: Actor, now: dt.datetime
) -> None:
    details: staff_log.Details = {
        "request": row.id,
        "kind": row.kind,
        "game": row.game_id,
        "round": row.number,
        "reason": reason,
    }
    staff_log.record(session, actor, f"round_request.{became}", details=details, now=now)
