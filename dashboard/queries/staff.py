"""The operator's people: the staff list, and the names beside what they did."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, exists, func, select
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Login, OneTimeLink, Operator, RecoveryCode, SecondFactor, SignInSession
from dashboard.models.login import LinkPurpose, Role
from dashboard.services import sessions


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A member of staff."""

    id: int
    name: str
    email: str
    role: str
    active: bool
    created_at: dt.datetime
    last_seen_at: dt.datetime | None
    """None for who never signed in."""
    locked_until: dt.datetime | None
    """None unless the login is locked now."""
    second_factor_at: dt.datetime | None
    """Since when there is a second factor; None without one."""
    recovery_codes_left: int
    sessions: int
    """Browsers that are signed in now."""
    is_invited: bool
    """Has not set a password yet."""
    link_until: dt.datetime | None
    """How long the one-time link can be used that is out; None where none is."""


def list_people(session: Session, *, operator_id: int, now: dt.datetime) -> list[PersonRow]:
    """Everybody of the staff, the active ones first, by name."""
    rows = session.execute(
        _people(now)
        .where(Login.operator_id == operator_id)
        .order_by(Login.active.desc(), func.lower(Login.name), Login.id)
    )
    return [_person(row, now) for row in rows]


def get_person(session: Session, *, operator_id: int, login_id: int, now: dt.datetime) -> PersonRow:
    """One member of staff. Raises NotFound for another operator's, and for partner users."""
    row = session.execute(
        _people(now).where(Login.operator_id == operator_id, Login.id == login_id)
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such member of staff.")
    return _person(row, now)


def is_second_factor_required(session: Session, *, operator_id: int) -> bool:
    """Whether the operator wants a second factor of all its staff."""
    wanted = select(Operator.second_factor_required).where(Operator.id == operator_id)
    return session.scalars(wanted).one()


def _people(now: dt.datetime) -> Select[*tuple[Any, ...]]:
    alive = and_(SignInSession.login_id == Login.id, ~sessions.is_over(now))
    invitation = and_(OneTimeLink.login_id == Login.id, OneTimeLink.purpose == LinkPurpose.INVITATION)
    usable = and_(
        OneTimeLink.login_id == Login.id, OneTimeLink.used_at.is_(None), OneTimeLink.expires_at > now
    )
    left = and_(RecoveryCode.login_id == Login.id, RecoveryCode.used_at.is_(None))
    return (
        select(
            Login.id,
            Login.name,
            Login.email,
            Login.role,
            Login.active,
            Login.created_at,
            Login.last_seen_at,
            Login.locked_until,
            SecondFactor.confirmed_at.label("second_factor_at"),
            select(func.count()).where(left).scalar_subquery().label("recovery_codes_left"),
            select(func.count())
            .where(alive, ~SignInSession.awaits_second_factor)
            .scalar_subquery()
            .label("sessions"),
            and_(
                Login.last_seen_at.is_(None),
                exists().where(invitation),
                ~exists().where(invitation, OneTimeLink.used_at.is_not(None)),
            ).label("is_invited"),
            select(func.max(OneTimeLink.expires_at)).where(usable).scalar_subquery().label("link_until"),
        )
        .outerjoin(SecondFactor, SecondFactor.login_id == Login.id)
        .where(Login.role != Role.PARTNER)
    )


def _person(row: Row[*tuple[Any, ...]], now: dt.datetime) -> PersonRow:
    given = dict(row._mapping)
    if row.locked_until is not None and row.locked_until <= now:
        given["locked_until"] = None
    return PersonRow(**given)


def names_by_id(session: Session, *, operator_id: int) -> dict[int, str]:
    """Every member of staff the operator ever had, by login id, in the order of their names."""
    rows = session.execute(
        select(Login.id, Login.name)
        .where(Login.operator_id == operator_id, Login.role != Role.PARTNER)
        .order_by(Login.name, Login.id)
    )
    return {row.id: row.name for row in rows}


def name_of(reference: str, names: dict[int, str]) -> str:
    """Who `staff:<id>`, `system` or `anonymous` is, in words; the reference itself where nobody knows."""
    kind, _, number = reference.partition(":")
    if kind == "staff" and number.isascii() and number.isdecimal():
        return names.get(int(number), reference)
    return {"system": "System", "anonymous": "Somebody not signed in"}.get(reference, reference)
