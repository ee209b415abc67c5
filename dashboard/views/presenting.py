"""How templates write money, times and assets: their filters and globals."""

import datetime as dt
import json
from functools import cache

from flask import Flask

from dashboard import clock, money
from dashboard.config import ROOT
from dashboard.errors import PurserError
from dashboard.views import access, htmx, navigation
from dashboard.views.headers import csp_nonce

DIST = ROOT / "static" / "dist"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def init_app(app: Flask) -> None:
    """Give templates their filters, their globals, and who is asking."""
    app.jinja_env.filters.update(
        money=money.show,
        exact_time=exact_time,
        relative_time=relative_time,
        clock_time=clock_time,
        day_time=day_time,
        minute_time=minute_time,
        lasting=lasting,
        instant_name=instant_name,
        seconds_until=htmx.seconds_until,
    )
    app.jinja_env.globals.update(asset=asset, csp_nonce=csp_nonce, may=may, clock_now=clock.now)
    app.context_processor(_who_asks)


def exact_time(at: dt.datetime) -> str:
    """`21 Nov 2026, 12:03:11`, in the operator's zone."""
    wall = clock.local(at, _zone())
    return f"{wall.day} {wall:%b %Y, %H:%M:%S}"


def clock_time(at: dt.datetime) -> str:
    """`12:03:11`, in the operator's zone."""
    return f"{clock.local(at, _zone()):%H:%M:%S}"


def day_time(at: dt.datetime) -> str:
    """`12:03:11` today, `Yesterday 12:03`, `21 Nov 12:03`, `21 Nov 2025`: for a list that goes back."""
    zone = _zone()
    wall, today = clock.local(at, zone), clock.local(clock.now(), zone).date()
    if wall.date() == today:
        return f"{wall:%H:%M:%S}"
    if wall.date() == today - dt.timedelta(days=1):
        return f"Yesterday {wall:%H:%M}"
    if wall.year == today.year:
        return f"{wall.day} {wall:%b %H:%M}"
    return f"{wall.day} {wall:%b %Y}"


def instant_name(at: dt.datetime) -> str:
    """`2026-11-21T11:03:11.250000Z`: an instant as an address names it."""
    return at.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"


def minute_time(at: dt.datetime) -> str:
    """`12:03` today, `21 Nov, 12:03` on another day."""
    wall, today = clock.local(at, _zone()), clock.local(clock.now(), _zone()).date()
    return f"{wall:%H:%M}" if wall.date() == today else f"{wall.day} {wall:%b}, {wall:%H:%M}"


def lasting(span: dt.timedelta) -> str:
    """`45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`: the two greatest units, cut off."""
    seconds = int(span.total_seconds())
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        hours, rest = divmod(seconds, _HOUR)
        return f"{hours} h {rest // _MINUTE} min"
    days, rest = divmod(seconds, _DAY)
    return f"{days} d {rest // _HOUR} h"


def relative_time(at: dt.datetime) -> str:
    """`just now`, `5 min ago`, `in 3 h`; the day once that says more."""
    seconds = (clock.now() - at).total_seconds()
    distance = abs(seconds)
    if distance < _MINUTE:
        return "just now"
    if distance >= 7 * _DAY:
        wall = clock.local(at, _zone())
        return f"{wall.day} {wall:%b %Y}"
    if distance < _HOUR:
        words = f"{int(distance // _MINUTE)} min"
    elif distance < _DAY:
        words = f"{int(distance // _HOUR)} h"
    else:
        days = int(distance // _DAY)
        words = f"{days} day{'' if days == 1 else 's'}"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def may(verb: str) -> bool:
    """Whether who asks may do that; False for strangers."""
    known = access.known()
    return known is not None and known.actor.may(verb)


def asset(name: str) -> str:
    """The address of a built file, with its fingerprint. Raises PurserError where there is none."""
    try:
        return f"/static/dist/{_manifest()[name]}"
    except KeyError:
        raise PurserError(f"The asset {name} is not built: see dashboard/assets/build.py.") from None


@cache
def _manifest() -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((DIST / "manifest.json").read_text())
    except OSError:
        raise PurserError("The assets are not built: `python3 -m dashboard run` does it.") from None
    return found


def _who_asks() -> dict[str, object]:
    known = access.known()
    if known is None:
        return {}
    return {"actor": known.actor, "operator": known.operator, "navigation": navigation.items(known.actor)}


def _zone() -> str:
    known = access.known()
    return known.operator.timezone if known else "UTC"
