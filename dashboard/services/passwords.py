"""Passwords: which are good enough, and Argon2id over them. Nothing here is ever logged."""

from functools import cache
from threading import BoundedSemaphore

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from dashboard.errors import Rejected

LENGTH_MIN = 15
LENGTH_MAX = 128
DEMO_PASSWORD = "purser-demo-2026"  # noqa: S105 - public on purpose, and refused for any other login
DEMO_EMAILS = frozenset(f"{name}@example.com" for name in ("agent", "manager", "admin", "auditor", "partner"))

_WELL_KNOWN = (
    "passwordpassword",
    "password12345678",
    "123456789012345",
    "1234567890123456",
    "qwertyuiopasdfgh",
    "qwertyuiop12345",
    "correcthorsebatterystaple",
    "letmeinletmeinletmein",
    "iloveyouiloveyou",
    "administrator123",
    "changemechangeme",
    "purserpurserpurser",
    DEMO_PASSWORD,
)
_MEMORY_KIB = 64 * 1024
_ROUNDS = 3

# Each hash takes 64 MiB: a burst of sign-ins waits here instead of exhausting the machine.
_at_once = BoundedSemaphore(4)


class PasswordRefused(Rejected):
    """The password is too easily guessed; the message says what would do."""


class _Cost:
    """How much work a hash is. 0.1 to 0.2 s on an ordinary core as it stands."""

    hasher = argon2.PasswordHasher(time_cost=_ROUNDS, memory_cost=_MEMORY_KIB, parallelism=1)


def lower_cost_for_tests() -> None:
    """Make hashes cheap and worthless in this process. The one place that does so; only tests call it."""
    _Cost.hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    decoy.cache_clear()


def check(password: str, *, email: str, name: str) -> None:
    """Judge a password chosen for that person. Raises PasswordRefused, on `password`."""
    if len(password) < LENGTH_MIN:
        raise _refused(f"Use at least {LENGTH_MIN} characters: a few words are easiest to remember.")
    if len(password) > LENGTH_MAX:
        raise _refused(f"Use at most {LENGTH_MAX} characters.")
    if password == DEMO_PASSWORD and email in DEMO_EMAILS:
        return
    plain = password.casefold()
    if plain in _WELL_KNOWN or _is_repetitive(plain):
        raise _refused("This one is easily guessed: choose another.")
    if any(part in plain for part in _personal(email, name)):
        raise _refused("Leave out your name and e-mail address.")


def hash_of(password: str) -> str:
    """Argon2id in its own encoded form, with a salt of its own."""
    with _at_once:
        return _Cost.hasher.hash(password)


def fits(password_hash: str, password: str) -> bool:
    """Whether the password belongs to the hash; takes equally long either way."""
    if len(password) > LENGTH_MAX:
        password = ""
    try:
        with _at_once:
            return _Cost.hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def decoy() -> str:
    """A hash that is verified where there is no account, so that the answer takes as long as for one."""
    return hash_of("nobody has this password")


def _refused(message: str) -> PasswordRefused:
    return PasswordRefused(message, field="password")


def _is_repetitive(plain: str) -> bool:
    """`aaaa…`, `abcabc…`: some beginning of at most four characters, over and over."""
    return any((plain[:size] * len(plain))[: len(plain)] == plain for size in range(1, 5))


def _personal(email: str, name: str) -> set[str]:
    words = {email.casefold(), email.casefold().partition("@")[0], *name.casefold().split()}
    return {word for word in words if len(word) >= 4}
