"""Signing in: a password, and a code where the login has a second factor.

An attempt has three steps, so that no lock and no connection is held while a hash is computed, and so
that guesses sent at once are each counted before any of them is judged:

1. `begin` counts the attempt as a failure, on the address and on the login;
2. `Attempt.fits` computes one hash, whether or not there is such an account;
3. `finish` takes the failure back and opens a session, or writes down that it failed.

The answer never tells an unknown account, a wrong password and a locked login apart. A login with a second
factor gets a session that waits for its code; only the code forgives the failures before, or whoever
knows the password could guess codes for ever.
"""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Row, and_, case, exists, func, literal, or_, select, update
from sqlalchemy.orm import Session

from dashboard.errors import Rejected
from dashboard.models import Login, SecondFactor
from dashboard.models.login import Role
from dashboard.services import addresses, passwords, second_factor, sessions, staff_log
from dashboard.services.actors import Actor
from dashboard.services.sessions import SignedIn, Step

FAILURES_MAX = 10
LOCK = dt.timedelta(minutes=30)


class SignInRefused(Rejected):
    """The one answer to every failed sign-in."""

    def __init__(self) -> None:
        super().__init__(
            "That e-mail address and password do not fit. After ten wrong passwords a sign-in rests"
            " for 30 minutes."
        )


class PasswordAgainRefused(Rejected):
    """The password that somebody signed in was asked for is wrong."""

    def __init__(self) -> None:
        super().__init__(
            "That is not your password. After ten wrong ones a sign-in rests for 30 minutes.",
            field="password",
        )


class CodeRefused(Rejected):
    """The one answer to every code that is wrong, used already, or came while the login was locked."""

    def __init__(self) -> None:
        super().__init__(
            "That code does not fit, or was used already: wait for the next one. After ten wrong codes a"
            " sign-in rests for 30 minutes.",
            field="code",
        )


@dataclass(frozen=True)
class Opened:
    """A session that was just opened. The id is the browser's secret: it is kept nowhere else."""

    session_id: str
    actor: Actor
    step: Step | None = None
    recovery_codes_left: int | None = None
    """How many are left after one was used to sign in; None where none was."""


@dataclass(frozen=True)
class Attempt:
    """A sign-in that was counted and waits for its password to be judged."""

    login_id: int | None
    operator_id: int | None
    password_hash: str
    """The login's, or a decoy's that nobody can fit."""
    admitted: bool
    """False for an unknown, inactive or locked login, and for one of a partner who is not active: it fails
    whatever the password is."""
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
    whose = Login.email == email.strip().lower()
    return _begin(session, whose, addresses.kept(address), request_id, now)


def begin_again(session: Session, *, actor: Actor, now: dt.datetime) -> Attempt:
    """The same for somebody who is signed in and is asked for the password once more."""
    return _begin(session, Login.id == actor.id, actor.address, actor.request_id, now)


def finish(
    session: Session, attempt: Attempt, *, fits: bool, user_agent: str, now: dt.datetime
) -> Opened | None:
    """Open a session and return it, or None when the attempt failed; both are logged.

    A login with a second factor gets one that waits for the code (`Opened.step`). A failure is returned,
    not raised: it has to be committed.
    """
    login = _absolve(session, attempt, now) if fits else None
    if login is None:
        _record_failure(session, attempt, now)
        return None
    addresses.forgive(session, attempt.address)
    sessions.forget(session, now=now, login_id=login.id)
    session_id = sessions.start(
        session,
        login_id=login.id,
        address=attempt.address,
        user_agent=user_agent,
        awaits_second_factor=login.has_factor,
        now=now,
    )
    actor = Actor(
        id=login.id,
        operator_id=login.operator_id,
        role=Role(login.role),
        name=login.name,
        address=attempt.address,
        request_id=attempt.request_id,
        partner_id=login.partner_id,
    )
    if login.has_factor:
        return Opened(session_id, actor, step=Step.CODE)
    staff_log.record(session, actor, "session.started", now=now)
    return Opened(session_id, actor)


def finish_again(session: Session, attempt: Attempt, *, fits: bool, now: dt.datetime) -> bool:
    """Whether the password of somebody signed in was right; a failure counts, and is logged."""
    if fits and _absolve(session, attempt, now) is not None:
        addresses.forgive(session, attempt.address)
        return True
    _record_failure(session, attempt, now)
    return False


def enter_code(
    session: Session, waiting: SignedIn, *, code: str, key: str, now: dt.datetime
) -> Opened | None:
    """Open the session that waits for this code, under a new id; None when the code does not fit.

    Counted like a password, before it is judged. The login stays locked until the transaction ends, so that
    codes sent at once are judged one after the other. Raises TooManyAttempts, and NotFound when the session
    waits no more. A failure is returned, not raised: it has to be committed.
    """
    actor = waiting.actor
    addresses.count(session, actor.address, now=now)
    admitted = _count(session, Login.id == actor.id, now)
    # Asked under the login's lock: a form that was sent twice is no failure.
    sessions.require_waiting(session, waiting)
    used = (
        second_factor.use(session, login_id=actor.id, code=code, key=key, now=now)
        if admitted is not None
        else None
    )
    if used is None:
        attempt = Attempt(
            login_id=actor.id,
            operator_id=actor.operator_id,
            password_hash="",
            admitted=admitted is not None,
            locks=admitted is not None and admitted.failures >= FAILURES_MAX,
            address=actor.address,
            request_id=actor.request_id,
        )
        _record_failure(session, attempt, now, "second_factor.failed")
        return None
    session_id = sessions.renew(session, waiting)
    session.execute(
        update(Login).where(Login.id == actor.id).values(failures=0, locked_until=None, last_seen_at=now)
    )
    addresses.forgive(session, actor.address)
    if used.recovery_codes_left is not None:
        details = {"left": used.recovery_codes_left}
        staff_log.record(session, actor, "second_factor.recovery_code_used", details=details, now=now)
    staff_log.record(session, actor, "session.started", details={"second_factor": True}, now=now)
    return Opened(session_id, actor, recovery_codes_left=used.recovery_codes_left)


def _begin(
    session: Session,
    whose: ColumnElement[bool],
    address: str | None,
    request_id: str | None,
    now: dt.datetime,
) -> Attempt:
    decoy = passwords.decoy()
    addresses.count(session, address, now=now)
    row = _count(session, whose, now)
    known = (
        row
        or session.execute(
            select(Login.id, Login.operator_id, Login.password_hash).where(whose)
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


def _count(session: Session, whose: ColumnElement[bool], now: dt.datetime) -> Row[int, int, str, int] | None:
    """Count on a login that may be tried now; the tenth in a row locks it until it turns out right."""
    first_of_row = Login.locked_until.is_not(None)
    tenth = and_(Login.locked_until.is_(None), Login.failures + 1 >= FAILURES_MAX)
    return session.execute(
        update(Login)
        .where(whose, sessions.may_sign_in(), or_(Login.locked_until.is_(None), Login.locked_until <= now))
        .values(
            failures=case((first_of_row, 1), else_=Login.failures + 1),
            locked_until=case((tenth, now + LOCK), else_=None),
        )
        .returning(Login.id, Login.operator_id, Login.password_hash, Login.failures)
    ).one_or_none()


def _absolve(
    session: Session, attempt: Attempt, now: dt.datetime
) -> Row[int, int, int | None, str, str, bool] | None:
    """Forget the failures of a login whose password fitted; None if it changed or was closed meanwhile.

    Where a code is still to come, this attempt alone is taken back.
    """
    has_factor = exists().where(SecondFactor.login_id == Login.id, SecondFactor.confirmed_at.is_not(None))
    keeps_lock = and_(has_factor, literal(not attempt.locks))
    return session.execute(
        update(Login)
        .where(
            Login.id == attempt.login_id, sessions.may_sign_in(), Login.password_hash == attempt.password_hash
        )
        .values(
            failures=case((has_factor, func.greatest(Login.failures - 1, 0)), else_=0),
            locked_until=case((keeps_lock, Login.locked_until), else_=None),
            last_seen_at=case((has_factor, Login.last_seen_at), else_=now),
        )
        .returning(
            Login.id,
            Login.operator_id,
            Login.partner_id,
            Login.role,
            Login.name,
            has_factor.label("has_factor"),
        )
    ).one_or_none()


def _record_failure(
    session: Session, attempt: Attempt, now: dt.datetime, action: str = "sign_in.failed"
) -> None:
    for each in (action, *(["login.locked"] if attempt.locks else [])):
        staff_log.record_stranger(
            session,
            each,
            operator_id=attempt.operator_id,
            details={"login": attempt.login_id, "tried": attempt.admitted},
            address=attempt.address,
            request_id=attempt.request_id,
            now=now,
        )
