"""What a person sees of their own account."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import not_, select
from sqlalchemy.orm import Session

from dashboard.models import SignInSession
from dashboard.services import sessions


@dataclass(frozen=True)
class SessionRow:
    """A browser that is signed in."""

    key: str
    started_at: dt.datetime
    seen_at: dt.datetime
    address: str
    """Empty where it is not known."""
    device: str
    awaits_code: bool
    """Somebody knew the password, and has not entered the code of the second factor."""


def list_sessions(session: Session, *, login_id: int, now: dt.datetime) -> list[SessionRow]:
    """The login's sessions that are not over, last seen first."""
    rows = session.scalars(
        select(SignInSession)
        .where(SignInSession.login_id == login_id, not_(sessions.is_over(now)))
        .order_by(SignInSession.seen_at.desc(), SignInSession.id_hash)
    )
    return [
        SessionRow(
            key=row.id_hash.hex(),
            started_at=row.started_at,
            seen_at=row.seen_at,
            address=str(row.address or ""),
            device=device(row.user_agent),
            awaits_code=row.awaits_second_factor,
        )
        for row in rows
    ]


_BROWSERS = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS": "macOS",
    "Linux": "Linux",
}


def device(user_agent: str) -> str:
    """A browser and a system in words, as far as the user agent tells: `Firefox on Linux`."""
    browser = next((name for sign, name in _BROWSERS.items() if sign in user_agent), "Unknown browser")
    system = next((name for sign, name in _SYSTEMS.items() if sign in user_agent), "")
    return f"{browser} on {system}" if system else browser
