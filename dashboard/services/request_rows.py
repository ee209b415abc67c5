"""The rows of change requests: written once, locked, and ended once.

For `submissions`, which writes them, and `change_requests`, which ends them.
"""

import datetime as dt
import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound
from dashboard.models.change_request import RequestKind, RequestState
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import vip
from dashboard.services.actors import Actor
from dashboard.services.changes import Judgement, Request

LAPSES_AFTER = dt.timedelta(days=7)

_LOCK = text("""
SELECT r.*, l.name AS decider FROM change_requests r LEFT JOIN logins l ON l.id = r.decided_by
WHERE r.player_id = :p AND r.id = :id FOR UPDATE OF r
""")
_INSERT = text("""
INSERT INTO change_requests (
  player_id, operator_id, kind, currency, change_type, real_delta, bonus_delta, reason, reference, reverses,
  withdrawal_id, to_player_id, override, bonus, idempotency_key, fingerprint, real_before, real_after,
  rule_version, state, requested_by, requested_at, post_at, lapses_at)
VALUES (
  :player_id, :operator_id, :kind, :currency, :change_type, :real_delta, :bonus_delta, :reason, :reference,
  :reverses, :withdrawal_id, :to_player_id, :override, :bonus, :idempotency_key, :fingerprint, :real_before,
  :real_after, :rule_version, :state, :requested_by, :requested_at, :post_at, :lapses_at)
RETURNING id
""")
_END = text("""
UPDATE change_requests SET state = :state, ended_at = :now, decided_by = :who,
  decided_at = CASE WHEN CAST(:who AS bigint) IS NULL THEN NULL ELSE CAST(:now AS timestamptz) END,
  decision_reason = :reason, outcome = :outcome, sequence = :sequence
WHERE player_id = :p AND id = :id AND state = :expected RETURNING id
""")
_LOGIN = text("SELECT id, operator_id, role, name FROM logins WHERE id = :id")


def insert(
    session: Session,
    *,
    kind: RequestKind,
    request: Request | None,
    player_id: int,
    operator_id: int,
    reason: str,
    key: str,
    actor: Actor,
    now: dt.datetime,
    post_at: dt.datetime | None = None,
    withdrawal_id: int | None = None,
    judgement: Judgement | None = None,
    bonus: str | None = None,
    fingerprint: bytes | None = None,
) -> int:
    """Write what was asked for, held where `post_at` says until when; returns its id.

    `bonus` is the plan of a grant; `fingerprint` is of what was asked for, where it is not the request's.
    """
    override = request.override if request else None
    row: dict[str, Any] = {
        "player_id": player_id,
        "operator_id": operator_id,
        "kind": kind,
        "currency": request.currency if request else None,
        "change_type": request.change_type if request else None,
        "real_delta": request.real_delta if request else 0,
        "bonus_delta": request.bonus_delta if request else 0,
        "reason": reason,
        "reference": request.reference if request else None,
        "reverses": request.reverses if request else None,
        "withdrawal_id": withdrawal_id,
        "to_player_id": request.other_player if request else None,
        "override": json.dumps(asdict(override)) if override else None,
        "bonus": bonus,
        "idempotency_key": key,
        "fingerprint": fingerprint or (request.fingerprint() if request else bytes(32)),
        "real_before": judgement.standing.real if judgement else None,
        "real_after": judgement.real_after if judgement else None,
        "rule_version": judgement.rule.version if judgement and judgement.rule else None,
        "state": RequestState.WAITING if post_at is None else RequestState.HELD,
        "requested_by": actor.id,
        "requested_at": now,
        "post_at": post_at,
        "lapses_at": now + LAPSES_AFTER if post_at is None else None,
    }
    request_id: int = session.execute(_INSERT, row).scalar_one()
    return request_id


def lock(session: Session, player_id: int, request_id: int, actor: Actor | None) -> Row[Any]:
    """The request, locked, with the name of who decided it. Raises NotFound, also for another operator's."""
    row = session.execute(_LOCK, {"p": player_id, "id": request_id}).one_or_none()
    if row is None or (actor is not None and not actor.serves(row.operator_id)):
        raise NotFound("There is no such request.")
    return row


def expect(session: Session, row: Row[Any], state: RequestState) -> None:
    """Raise Conflict, which says how it ended, unless the request is in that state."""
    if row.state == state:
        return
    said = {
        RequestState.POSTED: "This change has already been posted.",
        RequestState.TAKEN_BACK: "This change has already been taken back.",
        RequestState.REFUSED: "This change has been refused.",
        RequestState.LAPSED: "This request has lapsed.",
        RequestState.APPROVED: f"{row.decider} has already approved this request.",
        RequestState.DECLINED: f"{row.decider} has already declined this request.",
    }
    raise Conflict(said.get(row.state, "This request has changed in the meantime."))


def end(
    session: Session,
    row: Row[Any],
    state: RequestState,
    now: dt.datetime,
    *,
    by: Actor | None = None,
    reason: str | None = None,
    outcome: str | None = None,
    sequence: int | None = None,
) -> None:
    """End a request, which must still be in the state that `row` says. Raises Conflict."""
    ended = session.execute(
        _END,
        {
            "p": row.player_id,
            "id": row.id,
            "expected": row.state,
            "state": state,
            "now": now,
            "who": by.id if by else None,
            "reason": reason,
            "outcome": outcome,
            "sequence": sequence,
        },
    ).one_or_none()
    if ended is None:
        raise Conflict("This request has changed in the meantime.")


def request_of(row: Row[Any]) -> Request:
    """What was asked for, as it was."""
    return Request(
        player_id=row.player_id,
        currency=row.currency,
        change_type=ChangeType(row.change_type),
        real_delta=row.real_delta,
        bonus_delta=row.bonus_delta,
        reason=row.reason,
        idempotency_key=row.idempotency_key,
        reference=row.reference,
        other_player=row.to_player_id,
        override=vip.Override(**json.loads(row.override)) if row.override else None,
    )


def amount_of(row: Row[Any]) -> int:
    """How much it moves, whatever the direction. Minor units."""
    amount: int = abs(row.real_delta) + abs(row.bonus_delta)
    return amount


def set_aside(row: Row[Any]) -> int:
    """How much of the balance's pending is for it: the amount of a held debit."""
    return max(0, -row.real_delta) if row.state == RequestState.HELD else 0


def maker_of(session: Session, login_id: int) -> Actor:
    """Who asked for it, as services get people."""
    row = session.execute(_LOGIN, {"id": login_id}).one()
    return Actor(id=row.id, operator_id=row.operator_id, role=Role(row.role), name=row.name)
