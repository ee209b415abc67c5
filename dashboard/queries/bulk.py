"""Lists of changes: the runs, one run with what it sums up to, and its rows."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select, text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import BulkRow, BulkRun, Login, Player
from dashboard.models.bulk import BulkRowState, BulkState
from dashboard.queries import paging
from dashboard.queries.audit import HEARTBEAT
from dashboard.queries.paging import Listing, Page, Place
from dashboard.services.bulk_rows import COLUMNS

BUSY = frozenset({BulkState.CHECKING, BulkState.POSTING})
"""While the worker is at it."""


class Show(StrEnum):
    """Which rows of a list are wanted."""

    ALL = "all"
    REFUSED = "refused"
    WAITS = "waits"
    UNUSUAL = "unusual"


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list of runs, with how many of its rows are in which state."""

    id: int
    name: str
    state: str
    mode: str | None
    made_by: int
    maker: str
    made_at: dt.datetime
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    rows: int
    read: int
    ready: int
    refused: int
    posted: int
    waiting: int
    waits: int
    """Of those that are ready: a second person will be asked."""
    unusual: int
    """Of those that are ready: unusually large."""

    @property
    def is_busy(self) -> bool:
        """Whether the worker is at it."""
        return self.state in BUSY

    @property
    def dealt_with(self) -> int:
        """How many rows the worker is through with, of whatever it is at."""
        return self.rows - self.read if self.state == BulkState.CHECKING else self.posted + self.waiting

    @property
    def to_deal_with(self) -> int:
        """Of how many."""
        return self.rows if self.state == BulkState.CHECKING else self.dealt_with + self.ready


@dataclass(frozen=True, slots=True)
class Sum:
    """What the rows of one currency that are not refused come to. Minor units, absolute."""

    currency: str
    rows: int
    coming_in: int
    going_out: int
    within_allowance: int
    """Gross, as an allowance counts it: without what a second person decides."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a list. Amounts in minor units; None where they could not be read."""

    line: int
    typed: str
    state: str
    message: str | None
    waits: bool
    largest: int | None
    player_id: int | None
    player_name: str | None
    currency: str | None
    change_type: str | None
    real_delta: int | None
    reason: str | None
    real_before: int | None
    real_after: int | None
    sequence: int | None
    request_id: int | None

    @property
    def cells(self) -> dict[str, str]:
        """What was typed, by column."""
        return dict(zip(COLUMNS, self.typed.split("\t"), strict=True))


def page_of_runs(session: Session, *, operator_id: int, after: str = "") -> Page[RunRow]:
    """Every list of the operator, newest first."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[RunRow]:
        chosen = select(BulkRun).where(BulkRun.operator_id == operator_id).order_by(BulkRun.id.desc())
        if after is not None:
            chosen = chosen.where(BulkRun.id < after[0])
        return _read(session, chosen.limit(limit))

    return paging.gather(fetch, lambda run: paging.write(run.id), after=paging.read(after, int))


def get_run(session: Session, *, operator_id: int, run_id: int) -> RunRow:
    """One list. Raises NotFound."""
    found = _read(session, select(BulkRun).where(BulkRun.id == run_id, BulkRun.operator_id == operator_id))
    if not found:
        raise NotFound("There is no such list.")
    return found[0]


def sums_of(session: Session, *, run_id: int) -> list[Sum]:
    """What the rows that are not refused come to, by currency."""
    amount = BulkRow.real_delta
    rows = session.execute(
        select(
            BulkRow.currency,
            func.count(),
            func.sum(amount).filter(amount > 0),
            -func.sum(amount).filter(amount < 0),
            func.sum(func.abs(amount)).filter(BulkRow.waits.is_(False)),
        )
        .where(BulkRow.run_id == run_id, BulkRow.state != BulkRowState.REFUSED)
        .group_by(BulkRow.currency)
        .order_by(BulkRow.currency)
    )
    return [
        Sum(code or "", count, int(into or 0), int(out or 0), int(gross or 0))
        for code, count, into, out, gross in rows
    ]


def page_of_lines(session: Session, *, run_id: int, show: Show = Show.ALL, after: str = "") -> Page[Line]:
    """The rows of a list in its order; of a run that the caller may see."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[Line]:
        chosen = _lines(run_id, show)
        if after is not None:
            chosen = chosen.where(BulkRow.line > literal(after[0]))
        return [Line(*row) for row in session.execute(chosen.limit(limit))]

    return paging.gather(fetch, lambda row: paging.write(row.line), after=paging.read(after, int))


def all_lines(*, run_id: int, show: Show) -> Listing[Line]:
    """Every one of them, for a file."""
    return Listing(_lines(run_id, show), lambda row: Line(*row))


def has_worker(session: Session, *, now: dt.datetime) -> bool:
    """Whether a worker is there to go on with what waits."""
    return bool(session.scalar(_WORKER, {"seen": now - HEARTBEAT}))


_WORKER = text("SELECT EXISTS (SELECT FROM procrastinate_workers WHERE last_heartbeat > :seen)")


def _lines(run_id: int, show: Show) -> Select[*tuple[Any, ...]]:
    return (
        select(
            BulkRow.line,
            BulkRow.typed,
            BulkRow.state,
            BulkRow.message,
            BulkRow.waits,
            BulkRow.largest,
            BulkRow.player_id,
            Player.name,
            BulkRow.currency,
            BulkRow.change_type,
            BulkRow.real_delta,
            BulkRow.reason,
            BulkRow.real_before,
            BulkRow.real_after,
            BulkRow.sequence,
            BulkRow.request_id,
        )
        .outerjoin(Player, Player.id == BulkRow.player_id)
        .where(BulkRow.run_id == run_id, *_shown(show))
        .order_by(BulkRow.line)
    )


def _shown(show: Show) -> Sequence[ColumnElement[bool]]:
    match show:
        case Show.REFUSED:
            return [BulkRow.state == BulkRowState.REFUSED]
        case Show.WAITS:
            return [BulkRow.waits.is_(True)]
        case Show.UNUSUAL:
            return [BulkRow.largest.is_not(None), BulkRow.state != BulkRowState.REFUSED]
        case Show.ALL:
            return []


def _read(session: Session, runs: Select[*tuple[Any, ...]]) -> list[RunRow]:
    """Runs with their counts, in their order; the counts of those alone that are shown."""
    run = runs.subquery()
    of_state = {state: func.count().filter(BulkRow.state == state) for state in BulkRowState}
    is_ready = BulkRow.state == BulkRowState.READY
    counts = (
        select(
            func.count().label("rows"),
            *(counted.label(state.value) for state, counted in of_state.items()),
            func.count().filter(is_ready, BulkRow.waits).label("waits"),
            func.count().filter(is_ready, BulkRow.largest.is_not(None)).label("unusual"),
        )
        .where(BulkRow.run_id == run.c.id)
        .lateral("counts")
    )
    rows = session.execute(
        select(
            run.c.id,
            run.c.name,
            run.c.state,
            run.c.mode,
            run.c.made_by,
            Login.name,
            run.c.made_at,
            run.c.started_at,
            run.c.ended_at,
            counts.c.rows,
            *(counts.c[state.value] for state in BulkRowState),
            counts.c.waits,
            counts.c.unusual,
        )
        .join(Login, Login.id == run.c.made_by)
        .join(counts, literal(True))
        .order_by(run.c.id.desc())
    )
    return [RunRow(*row) for row in rows]
