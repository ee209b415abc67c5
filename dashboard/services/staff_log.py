"""The log of everything staff do besides moving money. Append-only, by grant."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence

from sqlalchemy import insert
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models import StaffLog
from dashboard.services.actors import Actor

ANONYMOUS = "anonymous"
"""Stands for whoever tries to sign in, until they have."""

Details = Mapping[str, str | int | bool | None]


def record(
    session: Session,
    actor: Actor,
    action: str,
    *,
    player_id: int | None = None,
    details: Details | None = None,
    operator_id: int | None = None,
    now: dt.datetime | None = None,
) -> None:
    """Append what `actor` did; `action` is a noun and what became of it, such as `wallet.frozen`.

    `details` never hold a secret. `operator_id` is the actor's own unless the system acts for one.
    """
    _append(
        session,
        performed_by=actor.reference,
        action=action,
        operator_id=operator_id or actor.operator_id or None,
        player_id=player_id,
        details=details,
        address=actor.address,
        request_id=actor.request_id,
        now=now or clock.now(),
    )


def record_many(
    session: Session,
    actor: Actor,
    action: str,
    done: Sequence[tuple[int, Details]],
    *,
    now: dt.datetime,
) -> None:
    """Append the same act for several players, each with its details; the actor's operator's."""
    rows = [
        {
            "operator_id": actor.operator_id,
            "performed_by": actor.reference,
            "action": action,
            "player_id": player_id,
            "details": json.dumps(details, sort_keys=True),
            "address": actor.address,
            "request_id": actor.request_id,
            "logged_at": now,
        }
        for player_id, details in done
    ]
    session.execute(insert(StaffLog), rows)


def record_stranger(
    session: Session,
    action: str,
    *,
    operator_id: int | None,
    details: Details,
    address: str | None,
    request_id: str | None,
    now: dt.datetime,
) -> None:
    """Append what somebody did who has not proved who they are."""
    _append(
        session,
        performed_by=ANONYMOUS,
        action=action,
        operator_id=operator_id,
        player_id=None,
        details=details,
        address=address,
        request_id=request_id,
        now=now,
    )


def _append(
    session: Session,
    *,
    performed_by: str,
    action: str,
    operator_id: int | None,
    player_id: int | None,
    details: Details | None,
    address: str | None,
    request_id: str | None,
    now: dt.datetime,
) -> None:
    session.execute(
        insert(StaffLog).values(
            operator_id=operator_id,
            performed_by=performed_by,
            action=action,
            player_id=player_id,
            details=json.dumps(details or {}, sort_keys=True),
            address=address,
            request_id=request_id,
            logged_at=now,
        )
    )
