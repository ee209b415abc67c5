"""Bring in a journal from elsewhere: its accounts become players, its rows entries.

Everything goes through `balances.post_many`, in batches that are each a transaction of their own: an
import that is stopped leaves whole batches, and the next run goes on where it ended. A row's
idempotency key names the file's content and the line, so no run writes a row twice.

VIP limits are not applied to history, as each entry says, and history raises no alerts.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, zip_longest
from pathlib import Path
from typing import TypeVar

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Operator
from dashboard.models.wallet import WalletStatus
from dashboard.services import balances, players, staff_log
from dashboard.services.actors import SYSTEM
from dashboard.services.imports import reading, report, rows
from dashboard.services.imports.mapping import Mapping
from dashboard.services.imports.report import Report
from dashboard.services.imports.rows import Refused, Row
from dashboard.services.transact import Transact

BATCH = 1000
"""At most so many rows, or players, a statement."""

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Is told how many rows are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Operation:
    """The journal of one file, moving in to one operator."""

    operator_id: int
    timezone: str
    mapping: Mapping
    source: reading.Source

    @property
    def prefix(self) -> str:
        """What the idempotency keys of this file begin with; the line follows."""
        return f"import:{self.source.digest}:"

    def key(self, row: Row) -> str:
        """The row's idempotency key."""
        return f"{self.prefix}{row.line}"


@dataclass(frozen=True, slots=True)
class _Account:
    """A player who is there already."""

    player_id: int
    status: str
    lines: set[int] = field(default_factory=set)
    """Of this file, which are written."""


def run(
    transact: Transact,
    *,
    file: Path,
    mapping: Mapping,
    operator: str,
    now: dt.datetime,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Bring in `file` for the operator of that slug, and say what came of it. A dry run writes nothing.

    Raises NotFound for the operator, Unreadable for the file, and Conflict when somebody else
    registers the same accounts at the same time.
    """
    operator_id, timezone = transact(partial(_operator, slug=operator))
    operation = Operation(operator_id, timezone, mapping, reading.read(file, mapping))
    understood, refused = rows.understand(operation.source.lines, mapping, timezone=timezone, now=now)
    accounts = _look_up(transact, operation, understood)
    accepted, barred = _without_barred(understood, accounts)
    new = [row for row in accepted if not _is_known(row, accounts)]
    made = Report(
        currency=mapping.currency,
        rows_read=len(operation.source.lines),
        rows_written=len(new),
        rows_known=len(accepted) - len(new),
        accounts=len({row.external_id for row in accepted}),
        closing_minor=sum(row.amount for row in accepted),
        closing_recorded_minor=report.closing_recorded(accepted),
        refused=sorted([*refused, *barred], key=lambda row: row.line),
        differences=report.reconcile(accepted, mapping),
        dry_run=dry_run,
    )
    if not dry_run:
        ids = {external_id: account.player_id for external_id, account in accounts.items()}
        ids |= _register(transact, operation, new, known=ids, now=now)
        made.rows_written = _post(transact, operation, new, ids, now=now, progress=progress)
        # What was read from the journals, not what we meant to write.
        written_for = {ids[row.external_id] for row in accepted}
        made.closing_minor = sum(
            transact(partial(_closing, operation=operation, player_ids=some))
            for some in _in_sets(sorted(written_for))
        )
    return made


def _operator(session: Session, slug: str) -> tuple[int, str]:
    found = session.execute(select(Operator.id, Operator.timezone).where(Operator.slug == slug)).one_or_none()
    if found is None:
        raise NotFound(f"There is no operator “{slug}”.")
    return found.id, found.timezone


_ACCOUNTS = text("""
SELECT g.external_id, w.player_id, w.status
FROM unnest(CAST(:external_ids AS text[])) AS g(external_id)
JOIN player_handles h
  ON h.operator_id = :operator AND h.kind = 'external_id' AND h.handle = lower(g.external_id)
JOIN wallets w ON w.player_id = h.player_id
""")

_LINES = text("""
SELECT player_id, CAST(substr(idempotency_key, length(:prefix) + 1) AS bigint) AS line
FROM wallet_entries
WHERE player_id = ANY(:players) AND starts_with(idempotency_key, :prefix)
""")

_CLOSING = text("""
SELECT coalesce(sum(real_delta), 0)::bigint FROM wallet_entries
WHERE player_id = ANY(:players) AND currency = :currency AND starts_with(idempotency_key, :prefix)
""")


def _look_up(transact: Transact, operation: Operation, wanted: Sequence[Row]) -> dict[str, _Account]:
    """Which accounts are players already, and what of this file is written for them; by external id."""
    accounts: dict[str, _Account] = {}
    for some in _in_sets(sorted({row.external_id for row in wanted})):
        accounts |= transact(partial(_look_up_some, operation=operation, external_ids=some))
    return accounts


def _look_up_some(session: Session, operation: Operation, external_ids: Sequence[str]) -> dict[str, _Account]:
    found = session.execute(
        _ACCOUNTS, {"operator": operation.operator_id, "external_ids": list(external_ids)}
    ).all()
    accounts = {row.external_id: _Account(row.player_id, row.status) for row in found}
    by_id = {account.player_id: account for account in accounts.values()}
    for row in session.execute(_LINES, {"players": list(by_id), "prefix": operation.prefix}):
        by_id[row.player_id].lines.add(row.line)
    return accounts


def _is_known(row: Row, accounts: dict[str, _Account]) -> bool:
    account = accounts.get(row.external_id)
    return account is not None and row.line in account.lines


def _without_barred(
    understood: Sequence[Row], accounts: dict[str, _Account]
) -> tuple[list[Row], list[Refused]]:
    """A wallet that staff have frozen or closed takes no more of it; what is written stays."""
    accepted: list[Row] = []
    barred: list[Refused] = []
    for row in understood:
        account = accounts.get(row.external_id)
        if account is None or account.status == WalletStatus.ACTIVE or row.line in account.lines:
            accepted.append(row)
        else:
            barred.append(Refused(row.line, f"the wallet of account {row.external_id} is {account.status}"))
    return accepted, barred


def _register(
    transact: Transact, operation: Operation, new: Sequence[Row], *, known: dict[str, int], now: dt.datetime
) -> dict[str, int]:
    """Make a player of every account that is none yet, since its first row; ids by external id."""
    first: dict[str, Row] = {}
    for row in new:
        if row.external_id not in known:
            first.setdefault(row.external_id, row)
    joining = [players.NewPlayer(row.external_id, row.name, created_at=row.at) for row in first.values()]
    ids: dict[str, int] = {}
    for some in _in_sets(joining):
        ids |= transact(partial(players.register, operator_id=operation.operator_id, players=some, now=now))
    return ids


def _post(
    transact: Transact,
    operation: Operation,
    new: Sequence[Row],
    ids: dict[str, int],
    *,
    now: dt.datetime,
    progress: Progress | None,
) -> int:
    """Post the rows, batch by batch; how many were written."""
    written = done = 0
    for batch in _batches(new):
        changes = [_change(operation, row, ids[row.external_id]) for row in batch]
        written += len(transact(partial(balances.post_many, changes=changes, with_alerts=False)))
        done += len(batch)
        if progress:
            progress(done, len(new))
    if written:
        transact(partial(_log, operation=operation, written=written, now=now))
    return written


def _batches(new: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The first row of every account, then the second: a statement takes one entry of a balance."""
    journals = [list(journal) for _, journal in groupby(new, key=lambda row: row.external_id)]
    for places in zip_longest(*journals):
        yield from _in_sets([row for row in places if row is not None])


def _change(operation: Operation, row: Row, player_id: int) -> balances.Dated:
    metadata: dict[str, int | str] = {"import": operation.source.digest, "limits": "not applied"}
    if row.recorded is not None:
        metadata["recorded_balance"] = row.recorded
    request = balances.Request(
        player_id=player_id,
        currency=operation.mapping.currency,
        change_type=row.change_type,
        real_delta=row.amount,
        reason=row.reason,
        idempotency_key=operation.key(row),
        reference=row.reference,
        metadata=metadata,
    )
    return balances.Dated(request, SYSTEM, row.at)


def _log(session: Session, operation: Operation, written: int, now: dt.datetime) -> None:
    details: staff_log.Details = {
        "file": operation.source.name,
        "import": operation.source.digest,
        "rows_written": written,
    }
    staff_log.record(
        session, SYSTEM, "entries.imported", operator_id=operation.operator_id, details=details, now=now
    )


def _closing(session: Session, operation: Operation, player_ids: Sequence[int]) -> int:
    """What the entries of this file sum up to for these players, in minor units."""
    parameters = {
        "players": list(player_ids),
        "currency": operation.mapping.currency,
        "prefix": operation.prefix,
    }
    return int(session.scalars(_CLOSING, parameters).one())


def _in_sets(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
