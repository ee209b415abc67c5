"""Changes of limits, allowances, roles and the operator's settings: made at once by a sole admin, and kept
for another one's decision as soon as there is a second.

A request says what it found and what it wants. Approved, it is made as its maker would have made it; what
somebody else changed in between makes it stale.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.change_request import SettingKind
from dashboard.models.login import Role
from dashboard.models.vip import Level
from dashboard.services import allowances, operators, request_rows, staff, staff_log, vip_rules
from dashboard.services.actors import Actor

LAPSES_AFTER = dt.timedelta(days=7)
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A setting as it is and as somebody wants it; `subject` names it within its kind."""

    kind: SettingKind
    subject: str
    before: Values
    after: Values


def vip_rule(level: Level, currency: str, *, seen_version: int, figures: vip_rules.Figures) -> Change:
    """Other figures for a rule that was seen at that version."""
    return Change(SettingKind.VIP_RULE, f"{level}:{currency}", {"version": seen_version}, asdict(figures))


def allowance(
    login_id: int, currency: str, *, before: tuple[int, int], per_change: int, per_day: int
) -> Change:
    """Another allowance for somebody; `before` is what it was per change and per day. Minor units."""
    return Change(
        SettingKind.ALLOWANCE,
        f"{login_id}:{currency}",
        {"per_change": before[0], "per_day": before[1]},
        {"per_change": per_change, "per_day": per_day},
    )


def role(login_id: int, *, before: Role, after: Role) -> Change:
    """Another role for somebody."""
    return Change(SettingKind.ROLE, str(login_id), {"role": before.value}, {"role": after.value})


def operator(before: operators.Settings, after: operators.Settings) -> Change:
    """Other settings of the operator."""
    return Change(SettingKind.OPERATOR, "operator", asdict(before), asdict(after))


def propose(session: Session, *, change: Change, reason: str, actor: Actor, now: dt.datetime) -> int | None:
    """Make the change, or keep it for another admin and return the request's id.

    Raises what making it would raise (Rejected at the field, Conflict, NotFound), Conflict while another
    change of the same thing waits, and Rejected without a reason where a second person decides.
    """
    if not staff.has_other_admin(session, actor=actor):
        _make(session, change, actor, now)
        return None
    if not reason.strip():
        raise Rejected("Say why: another admin decides.", field="reason")
    rehearsal = session.begin_nested()
    _make(session, change, actor, now)
    rehearsal.rollback()
    try:
        with session.begin_nested():
            request_id: int = session.execute(
                _INSERT,
                {
                    "operator": actor.operator_id,
                    "kind": change.kind,
                    "subject": change.subject,
                    "before": json.dumps(change.before),
                    "after": json.dumps(change.after),
                    "reason": reason,
                    "who": actor.id,
                    "now": now,
                    "lapses": now + LAPSES_AFTER,
                },
            ).scalar_one()
    except IntegrityError as error:
        raise Conflict("Another change of this already waits for a decision.") from error
    return request_id


def approve(session: Session, *, request_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Make the change that another admin asked for.

    Raises NotFound, Rejected (one's own request, or about oneself), Conflict once it has ended or when
    somebody has changed the same thing since.
    """
    row = _lock(session, request_id, actor)
    change = change_of(row)
    if _concerns(change, actor):
        raise Rejected("Nobody decides about themselves: another admin must.")
    if row.lapses_at <= now:
        raise Conflict("This request has lapsed.")
    _make(session, change, request_rows.maker_of(session, row.requested_by), now)
    _end(session, row, "approved", actor=actor, reason=reason, now=now)


def decline(session: Session, *, request_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """End the request with nothing changed. Raises NotFound, Rejected (one's own), Conflict."""
    row = _lock(session, request_id, actor)
    _end(session, row, "declined", actor=actor, reason=reason, now=now)


def lapse(session: Session, *, now: dt.datetime) -> list[int]:
    """End what has waited too long; returns the operators it was of."""
    return list(session.scalars(_LAPSE, {"now": now}))


def change_of(row: Row[Any]) -> Change:
    """What a stored request asks for."""
    return Change(SettingKind(row.kind), row.subject, json.loads(row.before), json.loads(row.after))


_INSERT = text("""
INSERT INTO setting_requests (operator_id, kind, subject, before, after, reason, requested_by, requested_at,
                              lapses_at)
VALUES (:operator, :kind, :subject, :before, :after, :reason, :who, :now, :lapses)
RETURNING id
""")
_LOCK = text("""
SELECT r.*, l.name AS decider FROM setting_requests r LEFT JOIN logins l ON l.id = r.decided_by
WHERE r.id = :id AND r.operator_id = :operator FOR UPDATE OF r
""")
_END = text("""
UPDATE setting_requests SET state = :state, decided_by = :who, decided_at = :now, decision_reason = :reason,
  ended_at = :now
WHERE id = :id AND state = 'waiting'
""")
_LAPSE = text("""
UPDATE setting_requests SET state = 'lapsed', ended_at = :now WHERE state = 'waiting' AND lapses_at <= :now
RETURNING operator_id
""")
_ALLOWANCE = text("""
SELECT per_change, per_day FROM allowances WHERE login_id = :login AND currency = :currency FOR UPDATE
""")
_ROLE = text("SELECT role FROM logins WHERE id = :login AND operator_id = :operator FOR UPDATE")


def _make(session: Session, change: Change, actor: Actor, now: dt.datetime) -> None:
    _MAKERS[change.kind](session, change, actor, now)


def _make_vip_rule(session: Session, change: Change, actor: Actor, now: dt.datetime) -> None:
    level, _, currency = change.subject.partition(":")
    vip_rules.edit_rule(
        session,
        level=Level(level),
        currency=currency,
        figures=vip_rules.Figures(**change.after),
        seen_version=change.before["version"],
        actor=actor,
        now=now,
    )


def _make_allowance(session: Session, change: Change, actor: Actor, now: dt.datetime) -> None:
    login, _, currency = change.subject.partition(":")
    if int(login) == actor.id:
        raise Rejected("Nobody sets their own allowance: another admin must.", field="per_change")
    stored = session.execute(_ALLOWANCE, {"login": int(login), "currency": currency}).one_or_none()
    found = {"per_change": stored.per_change, "per_day": stored.per_day} if stored else _NOTHING
    _expect(change, found)
    allowances.grant(
        session,
        login_id=int(login),
        operator_id=actor.operator_id,
        currency=currency,
        per_change=change.after["per_change"],
        per_day=change.after["per_day"],
        actor=actor,
        now=now,
    )


def _make_role(session: Session, change: Change, actor: Actor, now: dt.datetime) -> None:
    login_id = int(change.subject)
    found = session.execute(_ROLE, {"login": login_id, "operator": actor.operator_id}).one_or_none()
    if found is None:
        raise NotFound("There is no such member of staff.")
    if found.role != change.after["role"]:
        _expect(change, {"role": found.role})
    staff.change_role(session, login_id=login_id, role=Role(change.after["role"]), actor=actor, now=now)


def _make_operator(session: Session, change: Change, actor: Actor, now: dt.datetime) -> None:
    _expect(change, asdict(operators.lock_settings(session, operator_id=actor.operator_id)))
    operators.edit(session, settings=operators.Settings(**change.after), actor=actor, now=now)


_NOTHING = {"per_change": 0, "per_day": 0}
_MAKERS: Mapping[SettingKind, Callable[[Session, Change, Actor, dt.datetime], None]] = {
    SettingKind.VIP_RULE: _make_vip_rule,
    SettingKind.ALLOWANCE: _make_allowance,
    SettingKind.ROLE: _make_role,
    SettingKind.OPERATOR: _make_operator,
}


def _expect(change: Change, found: Values) -> None:
    if dict(change.before) != dict(found):
        raise Conflict("Somebody changed this in between: look again.")


def _concerns(change: Change, actor: Actor) -> bool:
    about = change.subject.partition(":")[0]
    return change.kind in {SettingKind.ROLE, SettingKind.ALLOWANCE} and about == str(actor.id)


def _lock(session: Session, request_id: int, actor: Actor) -> Row[Any]:
    """The request, locked, if this person may decide it now."""
    row = session.execute(_LOCK, {"id": request_id, "operator": actor.operator_id}).one_or_none()
    if row is None:
        raise NotFound("There is no such request.")
    if not actor.may("settings:edit"):
        raise Rejected("You may not decide this.")
    if row.requested_by == actor.id:
        raise Rejected("Nobody decides their own request: another admin must.")
    if row.state in {"approved", "declined"}:
        raise Conflict(f"{row.decider} has already {row.state} this request.")
    if row.state != "waiting":
        raise Conflict("This request has lapsed.")
    return row


def _end(session: Session, row: Row[Any], state: str, *, actor: Actor, reason: str, now: dt.datetime) -> None:
    session.execute(_END, {"id": row.id, "state": state, "who": actor.id, "reason": reason, "now": now})
    details = {"request": row.id, "kind": row.kind, "subject": row.subject, "reason": reason}
    staff_log.record(session, actor, f"setting_request.{state}", details=details, now=now)
