"""What the audit page shows: the last proof, anchors, the trial balance, the staff log."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row, Select, and_, or_, select, text
from sqlalchemy.orm import Session

from dashboard.models import Anchor, Player, StaffLog, Verification
from dashboard.queries import paging
from dashboard.queries.paging import Listing, Page, Place
from dashboard.services.verifications import QUEUEING_LOCK

HEARTBEAT = dt.timedelta(minutes=1)
"""A worker that was silent for so long counts as gone; it shows itself every ten seconds."""

Lines = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class LastVerification:
    """The outcome of the last proof of all journals."""

    id: int
    started_at: dt.datetime
    finished_at: dt.datetime
    ok: bool
    entries: int
    balances: int
    points_entries: int
    loyalty_wallets: int
    anchors: int
    findings: list[Mapping[str, Any]]
    """What this operator may read of what differs: its own, and what is nobody's."""
    findings_elsewhere: int
    """How many concern other operators."""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class PendingVerification:
    """A proof that was asked for and has not ended."""

    is_running: bool
    since: dt.datetime
    """When it was asked for, or when it began."""
    has_worker: bool
    """Whether any worker has shown itself of late."""


@dataclass(frozen=True, slots=True)
class LastAnchor:
    """The last sealed statement of all heads, and how many there are."""

    number: int
    taken_at: dt.datetime
    balances: int
    entries: int


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """One currency: what players hold and what stands against it. Minor units."""

    currency: str
    real: int
    bonus: int
    house: dict[str, int]
    """By house account; an account has the opposite sign of what it gave to players."""

    @property
    def difference(self) -> int:
        """Players plus house: 0, or something is wrong."""
        return self.real + self.bonus + sum(self.house.values())


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines of the staff log are wanted; what is empty does not matter."""

    performed_by: str = ""
    search: str = ""
    """Anywhere in the action or the details."""
    player_id: int | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    """Exclusive."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """A line of the staff log."""

    id: int
    performed_by: str
    action: str
    player_id: int | None
    player_name: str | None
    details: Mapping[str, object]
    address: str | None
    request_id: str | None
    logged_at: dt.datetime


def find_last_verification(session: Session, *, operator_id: int) -> LastVerification | None:
    """The last proof that ended, as this operator may read it; None where none ever did."""
    row = session.scalar(select(Verification).order_by(Verification.id.desc()).limit(1))
    if row is None:
        return None
    findings: list[Mapping[str, Any]] = json.loads(row.findings)
    ours = [finding for finding in findings if _concerns(finding, operator_id)]
    return LastVerification(
        id=row.id,
        started_at=row.started_at,
        finished_at=row.finished_at,
        ok=row.ok,
        entries=row.entries,
        balances=row.balances,
        points_entries=row.points_entries,
        loyalty_wallets=row.loyalty_wallets,
        anchors=row.anchors,
        findings=ours,
        findings_elsewhere=len(findings) - len(ours),
    )


def _concerns(finding: Mapping[str, Any], operator_id: int) -> bool:
    whose = finding.get("operator_id")
    return whose == operator_id or (whose is None and finding.get("player_id") is None)


def find_pending_verification(session: Session, *, now: dt.datetime) -> PendingVerification | None:
    """The proof that waits in the queue or runs; None where there is none."""
    row = session.execute(_PENDING, {"lock": QUEUEING_LOCK, "seen": now - HEARTBEAT}).one_or_none()
    return PendingVerification(*row) if row is not None else None


_PENDING = text("""
SELECT j.status = 'doing', coalesce(e.at, now()),
       EXISTS (SELECT FROM procrastinate_workers w WHERE w.last_heartbeat > :seen)
FROM procrastinate_jobs j
LEFT JOIN LATERAL (SELECT max(at) AS at FROM procrastinate_events WHERE job_id = j.id) AS e ON true
WHERE j.queueing_lock = :lock AND j.status IN ('todo', 'doing')
ORDER BY j.id LIMIT 1
""")


def find_last_anchor(session: Session) -> LastAnchor | None:
    """The last anchor; None where none was ever taken."""
    row = session.execute(
        select(Anchor.id, Anchor.taken_at, Anchor.balances, Anchor.entries)
        .order_by(Anchor.id.desc())
        .limit(1)
    ).one_or_none()
    return LastAnchor(*row) if row is not None else None


_BALANCES = text("""
SELECT currency, sum(real)::bigint AS real, sum(bonus)::bigint AS bonus
FROM balances WHERE operator_id = :operator GROUP BY currency ORDER BY currency
""")
_HOUSE = text("""
SELECT currency, contra_account, -sum(real_delta + bonus_delta)::bigint AS amount
FROM wallet_entries WHERE operator_id = :operator GROUP BY currency, contra_account
""")


def trial_balance(session: Session, *, operator_id: int) -> list[TrialBalance]:
    """Players against house accounts, per currency. Reads every entry of the operator: not for every page."""
    house: dict[str, dict[str, int]] = {}
    for row in session.execute(_HOUSE, {"operator": operator_id}):
        house.setdefault(row.currency, {})[row.contra_account] = row.amount
    return [
        TrialBalance(row.currency, row.real, row.bonus, house.get(row.currency, {}))
        for row in session.execute(_BALANCES, {"operator": operator_id})
    ]


def page_of_log(session: Session, *, operator_id: int, wanted: LogFilter, after: str = "") -> Page[LogRow]:
    """The staff log of an operator, latest first; `after`: see `paging`."""
    return paging.gather(
        partial(_fetch_log, session, _lines(operator_id, wanted)),
        lambda row: paging.write(row.id),
        after=paging.read(after, int),
    )


def all_of_log(*, operator_id: int, wanted: LogFilter) -> Listing[LogRow]:
    """Every line of the staff log that fits, latest first."""
    return Listing(_lines(operator_id, wanted), _log_row)


def _lines(operator_id: int, wanted: LogFilter) -> Lines:
    lines: Lines = (
        select(
            StaffLog.id,
            StaffLog.performed_by,
            StaffLog.action,
            StaffLog.player_id,
            Player.name.label("player_name"),
            StaffLog.details,
            StaffLog.address,
            StaffLog.request_id,
            StaffLog.logged_at,
        )
        .outerjoin(Player, and_(Player.id == StaffLog.player_id, Player.operator_id == StaffLog.operator_id))
        .where(StaffLog.operator_id == operator_id)
        .order_by(StaffLog.id.desc())
    )
    return _filtered(lines, wanted)


def _filtered(lines: Lines, wanted: LogFilter) -> Lines:
    if wanted.performed_by:
        lines = lines.where(StaffLog.performed_by == wanted.performed_by)
    if wanted.search:
        lines = lines.where(
            or_(
                StaffLog.action.icontains(wanted.search, autoescape=True),
                StaffLog.details.icontains(wanted.search, autoescape=True),
            )
        )
    if wanted.player_id is not None:
        lines = lines.where(StaffLog.player_id == wanted.player_id)
    if wanted.start is not None:
        lines = lines.where(StaffLog.logged_at >= wanted.start)
    if wanted.end is not None:
        lines = lines.where(StaffLog.logged_at < wanted.end)
    return lines


def _fetch_log(
    session: Session, lines: Lines, after: Place | None, _through: Place | None, limit: int
) -> list[LogRow]:
    if after is not None:
        lines = lines.where(StaffLog.id < after[0])
    return [_log_row(row) for row in session.execute(lines.limit(limit))]


def _log_row(row: Row[Any]) -> LogRow:
    given = dict(row._mapping)
    address = str(row.address) if row.address is not None else None
    return LogRow(**{**given, "details": json.loads(row.details), "address": address})
