"""Network addresses: how one is kept, and the failed sign-ins that slow it, whatever accounts they tried."""

import datetime as dt
import ipaddress
import math
from typing import Any, cast

from sqlalchemy import CursorResult, Result, delete, select, text, update
from sqlalchemy.orm import Session

from dashboard.errors import PurserError
from dashboard.models import SignInAddress

FAILURES_MAX = 20
CALMS = dt.timedelta(seconds=45)
"""One failure of an address is forgotten in this time: twenty in fifteen minutes."""
STALE = dt.timedelta(hours=12)


class TooManyAttempts(PurserError):
    """Too many failures came from this address of late; nothing was judged."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Too many sign-ins from this network failed. Wait a moment, then try again.")
        self.retry_after_seconds = retry_after_seconds


def kept(remote: str | None) -> str | None:
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


def count(session: Session, address: str | None, *, now: dt.datetime) -> None:
    """Count an attempt as a failure before it is judged. Raises TooManyAttempts while there are too many."""
    if address is None:
        return
    counted = session.execute(
        _COUNT_ON_ADDRESS,
        {"address": address, "now": now, "calms": CALMS, "most": FAILURES_MAX},
    ).first()
    if counted is None:
        raise TooManyAttempts(_seconds_until_calmer(session, address, now))


def forgive(session: Session, address: str | None) -> None:
    """Take one failure back: the attempt was right."""
    one = delete(SignInAddress).where(SignInAddress.address == address, SignInAddress.failures == 1)
    if address is not None and _row_count(session.execute(one)) == 0:
        session.execute(
            update(SignInAddress)
            .where(SignInAddress.address == address, SignInAddress.failures > 1)
            .values(failures=SignInAddress.failures - 1)
        )


def forget_stale(session: Session, *, now: dt.datetime) -> int:
    """Delete the addresses whose failures have long leaked away; says how many there were."""
    return _row_count(session.execute(delete(SignInAddress).where(SignInAddress.last_at < now - STALE)))


def _seconds_until_calmer(session: Session, address: str, now: dt.datetime) -> int:
    last_at = session.scalars(select(SignInAddress.last_at).where(SignInAddress.address == address)).one()
    waited = max(now - last_at, dt.timedelta(0)) % CALMS
    return math.ceil((CALMS - waited).total_seconds())


def _row_count(result: Result[Any]) -> int:
    return cast("CursorResult[Any]", result).rowcount
