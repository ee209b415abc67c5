"""What a person has in hand who signs in with a second factor."""

import datetime as dt
from dataclasses import dataclass

import pyotp
from sqlalchemy.orm import Session

from dashboard.models import Login
from dashboard.services import second_factor
from tests.builders import NOW, actor_of

KEY = "a key of this test, and of none other"
SET_UP_AT = NOW - dt.timedelta(days=1)


@dataclass(frozen=True)
class Authenticator:
    """An app that knows the secret, and the recovery codes on paper."""

    secret: str
    recovery_codes: list[str]

    def code(self, at: dt.datetime) -> str:
        """What the app shows at that moment."""
        return pyotp.TOTP(self.secret).at(at)


def set_up(session: Session, login: Login, *, key: str = KEY, now: dt.datetime = SET_UP_AT) -> Authenticator:
    """Give a login a second factor that is in force."""
    actor = actor_of(login)
    second_factor.begin(session, actor=actor, key=key, now=now)
    secret = second_factor.find_unconfirmed(session, actor=actor, key=key)
    assert secret is not None
    code = pyotp.TOTP(secret.text).at(now)
    return Authenticator(
        secret.text, second_factor.confirm(session, actor=actor, code=code, key=key, now=now)
    )
