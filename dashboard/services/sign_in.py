"""Signing in and out, and what a signed-in browser is known by.

An attempt has three steps, so that no lock and no connection is held while a hash is computed, and so
that guesses sent at once are each counted before any of them is judged:

1. `begin` counts the attempt as a failure, on the address and on the login;
2. `Attempt.fits` computes one hash, whether or not there is such an account;
3. `finish` takes the failure back and opens a session, or writes down that it failed.

The answer never tells an unknown account, a wrong password and a locked login apart.
"""

import datetime as dt
import hashlib
import ipaddress
import math
import secrets
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Result,
    Row,
    and_,
    case,
    delete,
    exists,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session, aliased

from dashboard.errors import NotFound, PurserError, Rejected
from dashboard.models import Login, Operator, SignInAddress, SignInSession
from dashboard.models.login import Role
from dashboard.services import passwords, staff_log
from dashboard.services.actors import Actor

FAILURES_MAX = 10
LOCK = dt.timedelta(minutes=30)
IDLE = dt.timedelta(minutes=30)
ABSOLUTE = dt.timedelta(hours=12)
SEEN_EVERY = dt.timedelta(minutes=1)
ADDRESS_FAILURES_MAX = 20
ADDRESS_CALMS = dt.timedelta(seconds=45)
"""One failure of an address is forgotten in this time: twenty in fifteen minutes."""

_USER_AGENT_LENGTH_MAX = 300


class SignInRefused(Rejected):
    """The one answer to every failed sign-in."""

    def __init__(self) -> None:
        super().__init__(
            "That e-mail address and password do not fit. After ten wrong passwords a sign-in rests"
            " for 30 minutes."
        )


class TooManyAttempts(PurserError):
    """Too many failures came from this address of late; nothing was judged."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Too many sign-ins from this network failed. Wait a moment, then try again.")
        self.retry_after_seconds = retry_after_seconds


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


@dataclass(frozen=True)
class Opened:
    """A session that was just opened. The id is the browser's secret: it is kept nowhere else."""

    session_id: str
    actor: Actor


@dataclass(frozen=True)
class Attempt:
    """A sign-in that was counted and waits for its password to be judged."""

    login_id: int | None
    operator_id: int | None
    password_hash: str
    """The login's, or a decoy's that nobody can fit."""
    admitted: bool
    """False for an unknown, inactive or locked login: it fails whatever the password is."""
    locks: bool
    """This attempt is the one that locks the login unless it succeeds."""
    address: str | None
    request_id: str | None

    def fits(self, password: str) -> bool:
        """Whether the password is right; one hash of work in every case. Call it outside a transaction."""
        return passwords.fits(self.password_hash, password) and self.admitted


def begin(
    session: Session, *, email: str, address: str | None, request_id: str | None, now: dt.datetime
) -> Attempt:
    """Count an attempt before it is judged. Raises TooManyAttempts while the address is too busy.

    Commit before the password is looked at: of many guesses at once, none is then uncounted.
    """
    decoy = passwords.decoy()
    address = address_of(address)
    _count_on_address(session, address, now)
    row = _count_on_login(session, email, now)
    known = (
        row
        or session.execute(
            select(Login.id, Login.operator_id, Login.password_hash).where(Login.email == _folded(email))
        ).one_or_none()
    )
    return Attempt(
        login_id=known.id if known else None,
        operator_id=known.operator_id if known else None,
        password_hash=known.password_hash if known else decoy,
        admitted=row is not None,
        locks=row is not None and row.failures >= FAILURES_MAX,
        address=address,
        request_id=request_id,
    )


def finish(
    session: Session, attempt: Attempt, *, fits: bool, user_agent: str, now: dt.datetime
) -> Opened | None:
    """Open a session and return it, or None when the attempt failed; both are logged.

    Only a hash of the id is kept. A failure is returned, not raised: it has to be committed.
    """
    login = _absolve(session, attempt) if fits else None
    if login is None:
        _record_failure(session, attempt, now)
        return None
    _forgive_address(session, attempt.address)
    _forget_expired(session, login.id, now)
    session_id = secrets.token_urlsafe(32)
    session.add(
        SignInSession(
            id_hash=_digest(session_id),
            login_id=login.id,
            started_at=now,
            seen_at=now,
            address=attempt.address,
            user_agent=user_agent[:_USER_AGENT_LENGTH_MAX],
        )
    )
    session.flush()
    actor = Actor(
        id=login.id,
        operator_id=login.operator_id,
        role=Role(login.role),
        name=login.name,
        address=attempt.address,
        request_id=attempt.request_id,
    )
    staff_log.record(session, actor, "session.started", now=now)
    return Opened(session_id, actor)


def resolve(
    session: Session,
    session_id: str,
    *,
    address: str | None = None,
    request_id: str | None = None,
    now: dt.datetime,
) -> SignedIn | None:
    """Who has this session, in one query; None once it is idle, too old, ended or not theirs any more.

    Notes when it was last seen, at most once a minute.
    """
    found = session.execute(
        select(
            SignInSession.seen_at,
            Login.id.label("login_id"),
            Login.role,
            Login.name.label("login_name"),
            Operator.id,
            Operator.slug,
            Operator.name,
            Operator.currency,
            Operator.timezone,
            Operator.money,
            _has_demo_sign_ins(),
        )
        .join(Login, Login.id == SignInSession.login_id)
        .join(Operator, Operator.id == Login.operator_id)
        .where(
            SignInSession.id_hash == _digest(session_id),
            SignInSession.seen_at > now - IDLE,
            SignInSession.started_at > now - ABSOLUTE,
            Login.active,
        )
    ).one_or_none()
    if found is None:
        return None
    if found.seen_at <= now - SEEN_EVERY:
        session.execute(
            update(SignInSession).where(SignInSession.id_hash == _digest(session_id)).values(seen_at=now)
        )
    return SignedIn(
        actor=Actor(
            id=found.login_id,
            operator_id=found.id,
            role=Role(found.role),
            name=found.login_name,
            address=address_of(address),
            request_id=request_id,
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
    )


def sign_out(session: Session, signed_in: SignedIn, *, now: dt.datetime) -> None:
    """End the session that asks. Ending it twice is no error."""
    _end(session, signed_in.actor, signed_in.session_key, "session.signed_out", now)


def end_session(session: Session, *, session_key: str, actor: Actor, now: dt.datetime) -> None:
    """End one of the actor's own sessions. Raises NotFound when it is not theirs or ended already."""
    if not _end(session, actor, session_key, "session.ended", now):
        raise NotFound("That session has already ended.")


def end_all_sessions(session: Session, *, login_id: int) -> int:
    """End every session of a login, as after a new password; says how many there were."""
    ended = session.execute(delete(SignInSession).where(SignInSession.login_id == login_id))
    return _row_count(ended)


def address_of(remote: str | None) -> str | None:
    """The address as it is kept: whole for IPv4; of IPv6 the /64, which one household or host has to itself.

    None for what is no address, such as the name of a socket.
    """
    try:
        parsed = ipaddress.ip_address((remote or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


# The failures of an address leak away, one per 45 seconds: a busy office is slowed, never locked out.
# `last_at` moves by whole leaks, so that a steady trickle is not counted as a flood.
_COUNT_ON_ADDRESS = text(
    """
    INSERT INTO sign_in_addresses AS known (address, failures, last_at) VALUES (:address, 1, :now)
    ON CONFLICT (address) DO UPDATE SET
      failures = greatest(known.failures - leaked(known.last_at), 0) + 1,
      last_at = CASE WHEN known.failures <= leaked(known.last_at) THEN :now
                     ELSE known.last_at + leaked(known.last_at) * CAST(:calms AS interval) END
    WHERE known.failures - leaked(known.last_at) < :most
    RETURNING known.failures
    """.replace(
        "leaked(known.last_at)",
        "greatest(floor(extract(epoch FROM CAST(:now AS timestamptz) - known.last_at)"
        " / extract(epoch FROM CAST(:calms AS interval)))::bigint, 0)",
    )
)


def _count_on_address(session: Session, address: str | None, now: dt.datetime) -> None:
    if address is None:
        return
    counted = session.execute(
        _COUNT_ON_ADDRESS,
        {"address": address, "now": now, "calms": ADDRESS_CALMS, "most": ADDRESS_FAILURES_MAX},
    ).first()
    if counted is None:
        raise TooManyAttempts(_seconds_until_calmer(session, address, now))


def _seconds_until_calmer(session: Session, address: str, now: dt.datetime) -> int:
    last_at = session.scalars(select(SignInAddress.last_at).where(SignInAddress.address == address)).one()
    waited = max(now - last_at, dt.timedelta(0)) % ADDRESS_CALMS
    return math.ceil((ADDRESS_CALMS - waited).total_seconds())


def _count_on_login(session: Session, email: str, now: dt.datetime) -> Row[int, int, str, int] | None:
    """Count on a login that may be tried now; the tenth in a row locks it until it turns out right."""
    first_of_row = Login.locked_until.is_not(None)
    tenth = and_(Login.locked_until.is_(None), Login.failures + 1 >= FAILURES_MAX)
    return session.execute(
        update(Login)
        .where(
            Login.email == _folded(email),
            Login.active,
            or_(Login.locked_until.is_(None), Login.locked_until <= now),
        )
        .values(
            failures=case((first_of_row, 1), else_=Login.failures + 1),
            locked_until=case((tenth, now + LOCK), else_=None),
        )
        .returning(Login.id, Login.operator_id, Login.password_hash, Login.failures)
    ).one_or_none()


def _absolve(session: Session, attempt: Attempt) -> Row[int, int, str, str] | None:
    """Forget the failures of a login whose password fitted; None if it changed or was closed meanwhile."""
    return session.execute(
        update(Login)
        .where(Login.id == attempt.login_id, Login.active, Login.password_hash == attempt.password_hash)
        .values(failures=0, locked_until=None)
        .returning(Login.id, Login.operator_id, Login.role, Login.name)
    ).one_or_none()


def _record_failure(session: Session, attempt: Attempt, now: dt.datetime) -> None:
    for action in ("sign_in.failed", *(["login.locked"] if attempt.locks else [])):
        staff_log.record_stranger(
            session,
            action,
            operator_id=attempt.operator_id,
            details={"login": attempt.login_id, "tried": attempt.admitted},
            address=attempt.address,
            request_id=attempt.request_id,
            now=now,
        )


def _forgive_address(session: Session, address: str | None) -> None:
    one = delete(SignInAddress).where(SignInAddress.address == address, SignInAddress.failures == 1)
    if address is not None and _row_count(session.execute(one)) == 0:
        session.execute(
            update(SignInAddress)
            .where(SignInAddress.address == address, SignInAddress.failures > 1)
            .values(failures=SignInAddress.failures - 1)
        )


def _forget_expired(session: Session, login_id: int, now: dt.datetime) -> None:
    session.execute(
        delete(SignInSession).where(
            SignInSession.login_id == login_id,
            or_(SignInSession.seen_at <= now - IDLE, SignInSession.started_at <= now - ABSOLUTE),
        )
    )
    session.execute(delete(SignInAddress).where(SignInAddress.last_at < now - ABSOLUTE))


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


def _folded(email: str) -> str:
    return email.strip().lower()


def _row_count(result: Result[Any]) -> int:
    return cast("CursorResult[Any]", result).rowcount
