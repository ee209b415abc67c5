"""The second factor: codes of an authenticator (TOTP, RFC 6238), and recovery codes that stand in for it.

The secret is kept encrypted, together with whose it is, so that no row can be put in another's place.
Codes of the step before and after are taken too, for clocks that differ; each step once.
"""

import base64
import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, cast

import pyotp
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import CursorResult, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, PurserError, Rejected
from dashboard.models import Login, RecoveryCode, SecondFactor
from dashboard.services import sessions, staff_log
from dashboard.services.actors import Actor

ISSUER = "Purser"
STEP_SECONDS = 30
DRIFT_STEPS = (-1, 0, 1)
RECOVERY_CODES = 10

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_MISREAD = str.maketrans("oil", "011")
_RECOVERY_LENGTH = 16  # of 32 letters: 80 bits, which nobody tries through even with the hashes at hand


class FirstCodeRefused(Rejected):
    """The code that should put a second factor in force is wrong."""

    def __init__(self) -> None:
        super().__init__(
            "That code does not fit. Check that the clock of your device is right, then enter the next one.",
            field="code",
        )


class SecretUnreadable(PurserError):
    """The kept secret cannot be used: an administrator of the machine has to look, or remove it."""


@dataclass(frozen=True)
class Status:
    """What is known of somebody's second factor."""

    confirmed_at: dt.datetime | None
    """None where there is none, or one whose first code is still to come."""
    recovery_codes_left: int


@dataclass(frozen=True)
class Secret:
    """What an authenticator is given once. Show it to its owner alone, and never log it."""

    text: str
    uri: str
    """What the QR code says."""


@dataclass(frozen=True)
class Used:
    """A code that was right, and is used up now."""

    recovery_codes_left: int | None
    """None for a code of the authenticator."""


def status(session: Session, *, login_id: int) -> Status:
    """Whether a login has a second factor, and how many recovery codes are left."""
    confirmed_at = session.scalar(select(SecondFactor.confirmed_at).where(SecondFactor.login_id == login_id))
    return Status(confirmed_at, _count_left(session, login_id))


def begin(session: Session, *, actor: Actor, key: str, now: dt.datetime) -> None:
    """Make a secret for the actor's authenticator; until its first code comes it asks nobody for one.

    One that waits for its first code stays as it is, unless it was kept with another key. Raises Conflict
    where there is a confirmed one.
    """
    if find_unconfirmed(session, actor=actor, key=key) is not None:
        return
    secret = _locker(key).encrypt(f"{actor.id}:{pyotp.random_base32()}".encode())
    fresh = upsert(SecondFactor).values(login_id=actor.id, secret=secret, created_at=now)
    session.execute(
        fresh.on_conflict_do_update(
            index_elements=[SecondFactor.login_id],
            set_={"secret": fresh.excluded.secret},
            where=SecondFactor.confirmed_at.is_(None),
        )
    )
    if status(session, login_id=actor.id).confirmed_at is not None:
        raise Conflict("You have a second factor already. Remove it first to set up another one.")


def find_unconfirmed(session: Session, *, actor: Actor, key: str) -> Secret | None:
    """The secret that the actor's authenticator is to be given; None where none waits for its first code."""
    row = session.execute(
        select(SecondFactor.secret, Login.email)
        .join(Login, Login.id == SecondFactor.login_id)
        .where(SecondFactor.login_id == actor.id, SecondFactor.confirmed_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    try:
        text = _unlocked(row.secret, actor.id, key)
    except SecretUnreadable:
        return None
    return Secret(text, pyotp.TOTP(text).provisioning_uri(name=row.email, issuer_name=ISSUER))


def confirm(session: Session, *, actor: Actor, code: str, key: str, now: dt.datetime) -> list[str]:
    """Put the second factor in force by its first code; returns the recovery codes, to be shown once.

    Raises NotFound where none waits for its first code, and Rejected, on `code`, for a wrong one.
    """
    row = session.execute(
        select(SecondFactor.secret)
        .where(SecondFactor.login_id == actor.id, SecondFactor.confirmed_at.is_(None))
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFound("There is no second factor that waits for its first code. Begin again.")
    step = _step_of(_unlocked(row.secret, actor.id, key), code, now)
    if step is None:
        raise FirstCodeRefused
    session.execute(
        update(SecondFactor).where(SecondFactor.login_id == actor.id).values(confirmed_at=now, last_step=step)
    )
    codes = _replace_recovery_codes(session, actor.id)
    staff_log.record(session, actor, "second_factor.set_up", now=now)
    return codes


def use(session: Session, *, login_id: int, code: str, key: str, now: dt.datetime) -> Used | None:
    """Use up a code of the authenticator or a recovery code; None for one that is wrong or was used.

    Locks the second factor: of one code sent many times at once, one is right.
    """
    row = session.execute(
        select(SecondFactor.secret, SecondFactor.last_step)
        .where(SecondFactor.login_id == login_id, SecondFactor.confirmed_at.is_not(None))
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None
    if len(_plain(code)) == _RECOVERY_LENGTH:
        return _use_recovery_code(session, login_id, code, now)
    step = _step_of(_unlocked(row.secret, login_id, key), code, now)
    if step is None or step <= row.last_step:
        return None
    session.execute(update(SecondFactor).where(SecondFactor.login_id == login_id).values(last_step=step))
    return Used(recovery_codes_left=None)


def renew_recovery_codes(session: Session, *, actor: Actor, now: dt.datetime) -> list[str]:
    """Recovery codes in place of those before, to be shown once. Raises NotFound without a second factor."""
    held = session.execute(
        select(SecondFactor.login_id)
        .where(SecondFactor.login_id == actor.id, SecondFactor.confirmed_at.is_not(None))
        .with_for_update()
    ).one_or_none()
    if held is None:
        raise NotFound("You have no second factor.")
    codes = _replace_recovery_codes(session, actor.id)
    staff_log.record(session, actor, "second_factor.recovery_codes_renewed", now=now)
    return codes


def remove(session: Session, *, actor: Actor, now: dt.datetime) -> None:
    """Remove the actor's own second factor. Raises NotFound where there is none."""
    erase(session, login_id=actor.id)
    staff_log.record(session, actor, "second_factor.removed", details={"login": actor.id}, now=now)


def erase(session: Session, *, login_id: int) -> None:
    """Delete a login's second factor with its recovery codes. Raises NotFound where there is none."""
    erased = session.execute(delete(SecondFactor).where(SecondFactor.login_id == login_id))
    if cast("CursorResult[Any]", erased).rowcount == 0:
        raise NotFound("There is no second factor to remove.")
    session.execute(delete(RecoveryCode).where(RecoveryCode.login_id == login_id))
    sessions.end_waiting(session, login_id=login_id)


def _step_of(secret: str, code: str, now: dt.datetime) -> int | None:
    """The time step whose code this is, of those that are near; the earliest one."""
    totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
    present = int(now.timestamp()) // STEP_SECONDS
    typed = "".join(code.split())
    fitting = [
        present + drift
        for drift in DRIFT_STEPS
        if secrets.compare_digest(totp.generate_otp(present + drift).encode(), typed.encode())
    ]
    return fitting[0] if fitting else None


def _use_recovery_code(session: Session, login_id: int, code: str, now: dt.datetime) -> Used | None:
    used = session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.login_id == login_id,
            RecoveryCode.code_hash == _digest(login_id, code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
    )
    if cast("CursorResult[Any]", used).rowcount == 0:
        return None
    return Used(recovery_codes_left=_count_left(session, login_id))


def _replace_recovery_codes(session: Session, login_id: int) -> list[str]:
    codes = [_fresh_recovery_code() for _ in range(RECOVERY_CODES)]
    session.execute(delete(RecoveryCode).where(RecoveryCode.login_id == login_id))
    session.execute(
        insert(RecoveryCode), [{"login_id": login_id, "code_hash": _digest(login_id, code)} for code in codes]
    )
    return codes


def _fresh_recovery_code() -> str:
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_LENGTH))
    return "-".join(letters[place : place + 4] for place in range(0, _RECOVERY_LENGTH, 4))


def _plain(code: str) -> str:
    """A recovery code without what people add or misread."""
    return "".join(code.split()).replace("-", "").lower().translate(_MISREAD)


def _digest(login_id: int, code: str) -> bytes:
    return hashlib.sha256(f"{login_id}:{_plain(code)}".encode()).digest()


def _count_left(session: Session, login_id: int) -> int:
    left = select(func.count()).where(RecoveryCode.login_id == login_id, RecoveryCode.used_at.is_(None))
    return session.scalar(left) or 0


def _locker(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"second factors:{key}".encode()).digest()))


def _unlocked(secret: bytes, login_id: int, key: str) -> str:
    try:
        owner, _, text = _locker(key).decrypt(bytes(secret)).decode().partition(":")
    except InvalidToken as error:
        raise SecretUnreadable(
            "The key of the second factors is not the one that this secret was kept with."
        ) from error
    if owner != str(login_id):
        raise SecretUnreadable("This secret belongs to another login.")
    return text
