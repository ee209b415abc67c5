"""A browser that has a session: opening it, who it belongs to, ending it.

Only a hash of the id is kept: the id itself is the browser's secret. Whoever locks rows here locks the
login before its sessions.
"""

import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Result,
    Row,
    and_,
    delete,
    exists,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased

from dashboard.errors import NotFound
from dashboard.models import Login, Operator, Partner, SecondFactor, SignInSession
from dashboard.models.login import Role
from dashboard.models.partner import PartnerStatus
from dashboard.services import addresses, passwords, staff_log
from dashboard.services.actors import Actor

IDLE = dt.timedelta(minutes=30)
ABSOLUTE = dt.timedelta(hours=12)
CODE_WAIT = dt.timedelta(minutes=10)
"""How long a session waits for the code of its second factor."""
SEEN_EVERY = dt.timedelta(minutes=1)

_USER_AGENT_LENGTH_MAX = 300


class Step(StrEnum):
    """What a session has to do before it opens pages."""

    CODE = "code"
    """The password was right, and the code of the second factor is still missing."""
    ENROLMENT = "enrolment"
    """The operator requires a second factor of its staff, and this person has none."""


@dataclass(frozen=True)
class OperatorFacts:
    """What every page says about the operator."""

    id: int
    slug: str
    name: str
    currency: str
    timezone: str
    money: str
    """`play` or `real`."""
    has_demo_sign_ins: bool
    """Somebody can still sign in with the published demo password."""


@dataclass(frozen=True)
class SignedIn:
    """A browser that has a session: who it is and for whom they work."""

    actor: Actor
    operator: OperatorFacts
    session_key: str
    """SHA-256 of the session's id in hex: names it without opening it."""
    step: Step | None = None
    """What is still to be done; None for a session that opens pages."""


def start(
    session: Session,
    *,
    login_id: int,
    address: str | None,
    user_agent: str,
    awaits_second_factor: bool,
    now: dt.datetime,
) -> str:
    """Open a session and return its id, which is kept nowhere else."""
    session_id = secrets.token_urlsafe(32)
    session.add(
        SignInSession(
            id_hash=_digest(session_id),
            login_id=login_id,
            started_at=now,
            seen_at=now,
            address=address,
            user_agent=user_agent[:_USER_AGENT_LENGTH_MAX],
            awaits_second_factor=awaits_second_factor,
        )
    )
    session.flush()
    return session_id


def resolve(
    session: Session,
    session_id: str,
    *,
    address: str | None = None,
    request_id: str | None = None,
    now: dt.datetime,
) -> SignedIn | None:
    """Who has this session, in one query; None once it is idle, too old, ended or not theirs any more.

    Notes when it was last seen, at most once a minute. Look at `step` before you open anything.
    """
    found = session.execute(
        select(
            SignInSession.seen_at,
            SignInSession.awaits_second_factor,
            Login.id.label("login_id"),
            Login.role,
            Login.partner_id,
            Login.name.label("login_name"),
            SecondFactor.confirmed_at,
            Operator.id,
            Operator.slug,
            Operator.name,
            Operator.currency,
            Operator.timezone,
            Operator.money,
            Operator.second_factor_required,
            _has_demo_sign_ins(),
        )
        .join(Login, Login.id == SignInSession.login_id)
        .join(Operator, Operator.id == Login.operator_id)
        .outerjoin(SecondFactor, SecondFactor.login_id == Login.id)
        .where(SignInSession.id_hash == _digest(session_id), not_(is_over(now)), may_sign_in())
    ).one_or_none()
    if found is None:
        return None
    if found.seen_at <= now - SEEN_EVERY:
        session.execute(update(Login).where(Login.id == found.login_id).values(last_seen_at=now))
        session.execute(
            update(SignInSession).where(SignInSession.id_hash == _digest(session_id)).values(seen_at=now)
        )
    return SignedIn(
        actor=Actor(
            id=found.login_id,
            operator_id=found.id,
            role=Role(found.role),
            name=found.login_name,
            address=addresses.kept(address),
            request_id=request_id,
            partner_id=found.partner_id,
        ),
        operator=OperatorFacts(
            id=found.id,
            slug=found.slug,
            name=found.name,
            currency=found.currency,
            timezone=found.timezone,
            money=found.money,
            has_demo_sign_ins=found.has_demo_sign_ins,
        ),
        session_key=_digest(session_id).hex(),
        step=_step(found),
    )


def require_waiting(session: Session, signed_in: SignedIn) -> None:
    """Raise NotFound unless the session still waits for a code."""
    waiting = select(SignInSession.login_id).where(
        SignInSession.id_hash == bytes.fromhex(signed_in.session_key), SignInSession.awaits_second_factor
    )
    if session.execute(waiting).one_or_none() is None:
        raise NotFound("This sign-in waits for no code any more: sign in again.")


def renew(session: Session, signed_in: SignedIn) -> str:
    """Give the session another id and take its step off: what knew the old one opens nothing any more.

    Raises NotFound when the session has ended meanwhile, or was renewed by another request.
    """
    session_id = secrets.token_urlsafe(32)
    renewed = session.execute(
        update(SignInSession)
        .where(SignInSession.id_hash == bytes.fromhex(signed_in.session_key))
        .values(id_hash=_digest(session_id), awaits_second_factor=False)
    )
    if _row_count(renewed) == 0:
        raise NotFound("This session has ended: sign in again.")
    return session_id


def sign_out(session: Session, signed_in: SignedIn, *, now: dt.datetime) -> None:
    """End the session that asks. Ending it twice is no error."""
    _end(session, signed_in.actor, signed_in.session_key, "session.signed_out", now)


def end(session: Session, *, session_key: str, actor: Actor, now: dt.datetime) -> None:
    """End one of the actor's own sessions. Raises NotFound when it is not theirs or ended already."""
    if not _end(session, actor, session_key, "session.ended", now):
        raise NotFound("That session has already ended.")


def end_others(session: Session, signed_in: SignedIn, *, now: dt.datetime) -> int:
    """End every session of the actor but the one that asks; says how many there were."""
    others = SignInSession.id_hash != bytes.fromhex(signed_in.session_key)
    ended = _row_count(
        session.execute(delete(SignInSession).where(SignInSession.login_id == signed_in.actor.id, others))
    )
    if ended:
        details = {"sessions_ended": ended}
        staff_log.record(session, signed_in.actor, "session.others_ended", details=details, now=now)
    return ended


def end_all(session: Session, *, login_id: int) -> int:
    """End every session of a login, as after a new password; says how many there were."""
    ended = session.execute(delete(SignInSession).where(SignInSession.login_id == login_id))
    return _row_count(ended)


def end_waiting(session: Session, *, login_id: int) -> None:
    """End those that wait for a code, as when there is no second factor any more."""
    session.execute(
        delete(SignInSession).where(SignInSession.login_id == login_id, SignInSession.awaits_second_factor)
    )


def forget(session: Session, *, now: dt.datetime, login_id: int | None = None) -> int:
    """Delete the sessions that are over, of everybody or of one login; says how many there were."""
    over = delete(SignInSession).where(is_over(now))
    if login_id is not None:
        over = over.where(SignInSession.login_id == login_id)
    return _row_count(session.execute(over))


def may_sign_in() -> ColumnElement[bool]:
    """Of a row of `Login`: open, and of an active partner where it is a partner's."""
    of_active_partner = exists().where(Partner.id == Login.partner_id, Partner.status == PartnerStatus.ACTIVE)
    return and_(Login.active, or_(Login.partner_id.is_(None), of_active_partner))


def is_over(now: dt.datetime) -> ColumnElement[bool]:
    """Of a row of `SignInSession`: idle, too old, or left waiting for its code."""
    return or_(
        SignInSession.seen_at <= now - IDLE,
        SignInSession.started_at <= now - ABSOLUTE,
        and_(SignInSession.awaits_second_factor, SignInSession.started_at <= now - CODE_WAIT),
    )


def _step(found: Row[*tuple[Any, ...]]) -> Step | None:
    if found.awaits_second_factor:
        return Step.CODE
    if found.second_factor_required and found.confirmed_at is None and found.role != Role.PARTNER:
        return Step.ENROLMENT
    return None


def _end(session: Session, actor: Actor, session_key: str, action: str, now: dt.datetime) -> bool:
    try:
        digest = bytes.fromhex(session_key)
    except ValueError:
        return False
    ended = session.execute(
        delete(SignInSession).where(SignInSession.id_hash == digest, SignInSession.login_id == actor.id)
    )
    if _row_count(ended) == 0:
        return False
    staff_log.record(session, actor, action, now=now)
    return True


def _has_demo_sign_ins() -> ColumnElement[bool]:
    demo = aliased(Login)
    return (
        exists()
        .where(demo.operator_id == Operator.id, demo.email.in_(sorted(passwords.DEMO_EMAILS)), demo.active)
        .label("has_demo_sign_ins")
    )


def _digest(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode()).digest()


def _row_count(result: Result[Any]) -> int:
    return cast("CursorResult[Any]", result).rowcount
