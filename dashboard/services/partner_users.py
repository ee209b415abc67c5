"""Who signs in for a partner: invited by staff, by a one-time link, and let in or not."""

import datetime as dt
import secrets
from typing import Any

from sqlalchemy import Row, text, update
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import Login
from dashboard.models.login import LinkPurpose, Role
from dashboard.models.partner import PartnerStatus
from dashboard.services import links, sessions, staff, staff_log
from dashboard.services.actors import Actor
from dashboard.services.staff import Invited

_PARTNER = text("SELECT id, status FROM partners WHERE id = :id AND operator_id = :operator FOR SHARE")
_LOCK = text("""
SELECT id, name, active FROM logins
WHERE id = :login AND partner_id = :partner AND operator_id = :operator FOR UPDATE
""")


def invite(
    session: Session, *, partner_id: int, email: str, name: str, actor: Actor, now: dt.datetime
) -> Invited:
    """Make a login for a partner whose owner sets the password by a link of seven days.

    Raises NotFound for another operator's partner, Rejected for a blocked one, a bad address or name, and
    Conflict when the address has a login already.
    """
    scope = {"id": partner_id, "operator": actor.operator_id}
    partner = session.execute(_PARTNER, scope).one_or_none()
    if partner is None:
        raise NotFound("There is no such partner.")
    if partner.status == PartnerStatus.BLOCKED:
        raise Rejected("This partner is blocked: nobody of theirs signs in.")
    login_id = staff.create(
        session,
        operator_id=actor.operator_id,
        email=email,
        name=name,
        role=Role.PARTNER,
        password=secrets.token_urlsafe(32),  # nobody learns it: the link sets another one
        now=now,
        actor=actor,
        partner_id=partner_id,
    )
    token = links.make(session, login_id=login_id, purpose=LinkPurpose.INVITATION, actor=actor, now=now)
    _record(session, actor, "partner.user_invited", partner_id, login_id, now=now)
    return Invited(login_id, token)


def make_link(
    session: Session, *, partner_id: int, login_id: int, actor: Actor, now: dt.datetime
) -> tuple[LinkPurpose, str]:
    """A new link for a partner's user, and what it is for; the links before open nothing any more.

    Raises NotFound, and Rejected for a login that is not active.
    """
    row = _lock(session, partner_id, login_id, actor)
    if not row.active:
        raise Rejected(f"{row.name} is not active: activate the login first.")
    purpose = links.purpose_for(session, login_id=login_id)
    token = links.make(session, login_id=login_id, purpose=purpose, actor=actor, now=now)
    _record(session, actor, "partner.user_link_made", partner_id, login_id, now=now)
    return purpose, token


def deactivate(session: Session, *, partner_id: int, login_id: int, actor: Actor, now: dt.datetime) -> None:
    """Let somebody of a partner in no more: sessions and links end. Raises NotFound and Conflict."""
    row = _lock(session, partner_id, login_id, actor)
    if not row.active:
        raise Conflict(f"{row.name} is not active already.")
    session.execute(update(Login).filter_by(id=login_id).values(active=False))
    sessions.end_all(session, login_id=login_id)
    links.end_all(session, login_id=login_id, now=now)
    _record(session, actor, "partner.user_deactivated", partner_id, login_id, now=now)


def activate(session: Session, *, partner_id: int, login_id: int, actor: Actor, now: dt.datetime) -> None:
    """Let somebody of a partner in again, with the password they had. Raises NotFound and Conflict."""
    row = _lock(session, partner_id, login_id, actor)
    if row.active:
        raise Conflict(f"{row.name} is active already.")
    session.execute(update(Login).filter_by(id=login_id).values(active=True, failures=0, locked_until=None))
    _record(session, actor, "partner.user_activated", partner_id, login_id, now=now)


def _lock(session: Session, partner_id: int, login_id: int, actor: Actor) -> Row[Any]:
    scope = {"login": login_id, "partner": partner_id, "operator": actor.operator_id}
    row = session.execute(_LOCK, scope).one_or_none()
    if row is None:
        raise NotFound("This partner has no such user.")
    return row


def _record(
    session: Session, actor: Actor, action: str, partner_id: int, login_id: int, *, now: dt.datetime
) -> None:
    details: staff_log.Details = {"partner": partner_id, "login": login_id}
    staff_log.record(session, actor, action, details=details, now=now)
