"""The journal of one balance: pages of entries, one entry in full, and the balance as of a moment."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, select, text
from sqlalchemy.orm import Session, aliased

from dashboard.errors import NotFound
from dashboard.models import Login, WalletEntry
from dashboard.models.wallet import ChangeType
from dashboard.queries.paging import Listing
from dashboard.services.change_types import UNDONE_BY_ROUND, UNDONE_WITH_POINTS

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries to show; empty fields ask for nothing. Amounts in minor units, absolute."""

    change_type: str = ""
    direction: str = ""
    """`in` or `out`."""
    performed_by: str = ""
    """A reference: `staff:<login id>` or `system`."""
    start: dt.datetime | None = None
    """Inclusive."""
    end: dt.datetime | None = None
    """Exclusive."""
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A line of the journal. Amounts in minor units."""

    currency: str
    sequence: int
    change_type: str
    real_delta: int
    bonus_delta: int
    real_after: int
    bonus_after: int
    reason: str
    reference: str | None
    by: str
    """A name."""
    risk_score: int | None
    created_at: dt.datetime
    reverses: int | None
    reversed_by: int | None
    """Sequence of the entry that undid this one."""


@dataclass(frozen=True, slots=True)
class EntriesPage:
    """Entries, latest first, and from where the next page goes on."""

    rows: Sequence[EntryRow]
    next_before: int | None
    """Sequence to ask the next page with; None at the end of the journal."""


@dataclass(frozen=True, slots=True)
class RiskPart:
    """Why an entry's risk score has some of its points."""

    points: int
    why: str


@dataclass(frozen=True, slots=True)
class EntryDetail:
    """One entry in full. Amounts in minor units."""

    player_id: int
    currency: str
    sequence: int
    change_type: str
    contra_account: str
    real_delta: int
    bonus_delta: int
    real_before: int
    real_after: int
    bonus_before: int
    bonus_after: int
    reason: str
    reference: str | None
    by: str
    """A name."""
    performed_by: str
    idempotency_key: str
    risk_score: int | None
    risk_parts: Sequence[RiskPart]
    facts: Sequence[tuple[str, str]]
    """What else was kept with the entry, as names and values."""
    approved_by: str | None
    """The name of the second person, where one was needed."""
    request_id: int | None
    """The change request that it comes from."""
    override: Sequence[tuple[str, int]]
    """Figures of the VIP rule that were others for this one change; minor units."""
    override_reason: str | None
    created_at: dt.datetime
    hash: str
    """In hex."""
    reverses: int | None
    reversed_by: int | None

    @property
    def irreversible_because(self) -> str:
        """Why it cannot be reversed by hand; empty where it can."""
        if self.reversed_by is not None:
            return f"Entry {self.reversed_by} has reversed it already."
        if self.change_type == ChangeType.REVERSAL:
            return "A reversal is not reversed: post a new adjustment instead."
        if self.change_type in UNDONE_BY_ROUND:
            return "It is undone by voiding its round."
        if self.change_type == ChangeType.POINTS_CONVERSION:
            return UNDONE_WITH_POINTS
        return ""


@dataclass(frozen=True, slots=True)
class AsOf:
    """What a balance was at a moment. Minor units."""

    currency: str
    real: int
    bonus: int
    sequence: int
    """Of the last entry by then; 0 before the first."""
    next_at: dt.datetime | None
    """When the entry after it was made; None where there is none yet."""


_REVERSAL = aliased(WalletEntry)
_STAFF_ID = cast(
    case((WalletEntry.performed_by.like("staff:%"), func.substr(WalletEntry.performed_by, 7))), BigInteger
)
_BY = case(
    (WalletEntry.performed_by == "system", "System"),
    else_=func.coalesce(Login.name, WalletEntry.performed_by),
)


def page_of_entries(
    session: Session,
    *,
    player_id: int,
    currency: str,
    where: Filter,
    before: int | None = None,
    after: int | None = None,
) -> EntriesPage:
    """One page of a journal, latest first: entries below the sequence `before` and above `after`."""
    statement = _rows(player_id, currency).where(*_conditions(where))
    if before is not None:
        statement = statement.where(WalletEntry.sequence < before)
    if after is not None:
        statement = statement.where(WalletEntry.sequence > after)
    found = session.execute(statement.order_by(WalletEntry.sequence.desc()).limit(PAGE_SIZE + 1)).all()
    rows = [EntryRow(*row) for row in found[:PAGE_SIZE]]
    return EntriesPage(rows, rows[-1].sequence if len(found) > PAGE_SIZE else None)


def all_entries(*, player_id: int, currency: str, where: Filter) -> Listing[EntryRow]:
    """A whole journal, latest first."""
    statement = _rows(player_id, currency).where(*_conditions(where))
    return Listing(statement.order_by(WalletEntry.sequence.desc()), lambda row: EntryRow(*row))


def changes_since(session: Session, *, player_id: int, currency: str, version: int) -> list[EntryRow]:
    """What was posted after the balance had that version, in order; at most a page of it."""
    statement = _rows(player_id, currency).where(WalletEntry.sequence > version)
    found = session.execute(statement.order_by(WalletEntry.sequence).limit(PAGE_SIZE))
    return [EntryRow(*row) for row in found]


def get_entry(
    session: Session, *, player_id: int, currency: str, sequence: int, operator_id: int
) -> EntryDetail:
    """One entry in full. Raises NotFound, also for an entry of another operator."""
    row = session.execute(
        _joined(select(WalletEntry, _BY, _REVERSAL.sequence)).where(
            WalletEntry.player_id == player_id,
            WalletEntry.currency == currency,
            WalletEntry.sequence == sequence,
            WalletEntry.operator_id == operator_id,
        )
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such entry.")
    entry, by, reversed_by = row
    metadata = json.loads(entry.metadata_)
    return _detail(entry, by, reversed_by, metadata, _approver(session, metadata))


def balances_as_of(
    session: Session, *, player_id: int, at: dt.datetime, currency: str, through: int | None = None
) -> list[AsOf]:
    """What each balance of a player was at that moment: what the last entry up to it left; `currency` first.

    Of that one at most the entry `through` counts: among entries of one instant only their order tells
    before from after.
    """
    rows = session.execute(_AS_OF, {"p": player_id, "at": at, "c": currency, "through": through})
    return [AsOf(*row) for row in rows]


_AS_OF = text("""
SELECT b.currency, coalesce(e.real_after, 0), coalesce(e.bonus_after, 0), coalesce(e.sequence, 0),
       n.created_at
FROM balances b
LEFT JOIN LATERAL (
  SELECT real_after, bonus_after, sequence FROM wallet_entries
  WHERE player_id = b.player_id AND currency = b.currency AND created_at <= :at
    AND (b.currency <> :c OR sequence <= coalesce(CAST(:through AS bigint), b.version))
  ORDER BY sequence DESC LIMIT 1) e ON true
LEFT JOIN wallet_entries n
  ON n.player_id = b.player_id AND n.currency = b.currency AND n.sequence = coalesce(e.sequence, 0) + 1
WHERE b.player_id = :p
ORDER BY b.currency <> :c, b.currency
""")


def _rows(player_id: int, currency: str) -> Select[Any]:
    columns = (
        WalletEntry.currency,
        WalletEntry.sequence,
        WalletEntry.change_type,
        WalletEntry.real_delta,
        WalletEntry.bonus_delta,
        WalletEntry.real_after,
        WalletEntry.bonus_after,
        WalletEntry.reason,
        WalletEntry.reference,
        _BY,
        WalletEntry.risk_score,
        WalletEntry.created_at,
        WalletEntry.reverses,
        _REVERSAL.sequence,
    )
    return _joined(select(*columns)).where(
        WalletEntry.player_id == player_id, WalletEntry.currency == currency
    )


def _joined(statement: Select[Any]) -> Select[Any]:
    """With the name of whoever made the entry, and the entry that reversed it."""
    return (
        statement.select_from(WalletEntry)
        .outerjoin(Login, Login.id == _STAFF_ID)
        .outerjoin(
            _REVERSAL,
            (_REVERSAL.player_id == WalletEntry.player_id)
            & (_REVERSAL.currency == WalletEntry.currency)
            & (_REVERSAL.reverses == WalletEntry.sequence),
        )
    )


def _conditions(where: Filter) -> list[ColumnElement[bool]]:
    amount = func.greatest(func.abs(WalletEntry.real_delta), func.abs(WalletEntry.bonus_delta))
    # A conversion moves both parts against each other: its direction is that of real money.
    moved = case((WalletEntry.real_delta != 0, WalletEntry.real_delta), else_=WalletEntry.bonus_delta)
    conditions: list[ColumnElement[bool]] = []
    if where.change_type:
        conditions.append(WalletEntry.change_type == where.change_type)
    if where.direction:
        conditions.append(moved > 0 if where.direction == "in" else moved < 0)
    if where.performed_by:
        conditions.append(WalletEntry.performed_by == where.performed_by)
    if where.start is not None:
        conditions.append(WalletEntry.created_at >= where.start)
    if where.end is not None:
        conditions.append(WalletEntry.created_at < where.end)
    if where.least is not None:
        conditions.append(amount >= where.least)
    if where.most is not None:
        conditions.append(amount <= where.most)
    return conditions


def _approver(session: Session, metadata: dict[str, int | str]) -> str | None:
    kind, _, login_id = str(metadata.get("approved_by", "")).partition(":")
    return session.scalar(select(Login.name).filter_by(id=int(login_id))) if kind == "staff" else None


def _detail(
    entry: WalletEntry,
    by: str,
    reversed_by: int | None,
    metadata: dict[str, Any],
    approved_by: str | None,
) -> EntryDetail:
    parts = [
        RiskPart(points, str(metadata.get(f"{name}_why", "")))
        for name, points in metadata.items()
        if name.startswith("risk_") and not name.endswith("_why")
    ]
    facts = [
        (name.replace("_", " ").capitalize(), str(value))
        for name, value in metadata.items()
        if not name.startswith(("risk_", "override_", "approved_by", "change_request"))
    ]
    override = [
        (name.removeprefix("override_"), int(value))
        for name, value in metadata.items()
        if name.startswith("override_") and name != "override_reason"
    ]
    return EntryDetail(
        player_id=entry.player_id,
        currency=entry.currency,
        sequence=entry.sequence,
        change_type=entry.change_type,
        contra_account=entry.contra_account,
        real_delta=entry.real_delta,
        bonus_delta=entry.bonus_delta,
        real_before=entry.real_before,
        real_after=entry.real_after,
        bonus_before=entry.bonus_before,
        bonus_after=entry.bonus_after,
        reason=entry.reason,
        reference=entry.reference,
        by=by,
        performed_by=entry.performed_by,
        idempotency_key=entry.idempotency_key,
        risk_score=entry.risk_score,
        risk_parts=sorted(parts, key=lambda part: -part.points),
        facts=facts,
        approved_by=approved_by,
        request_id=metadata.get("change_request"),
        override=override,
        override_reason=metadata.get("override_reason"),
        created_at=entry.created_at,
        hash=entry.hash.hex(),
        reverses=entry.reverses,
        reversed_by=reversed_by,
    )
