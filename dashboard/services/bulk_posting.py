"""Posting a rehearsed list: row by row as far as it goes, or all of it in one transaction."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import PurserError
from dashboard.models.bulk import BulkMode, BulkRowState, BulkState
from dashboard.services import bulk, bulk_check, refusals, standings, submissions
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.changes import ChangeRefused
from dashboard.services.submissions import Submitted

LOOKS_EVERY = 50
"""So many rows of a list that is posted at once lie between two looks at whether it was cancelled."""

_NEXT = text("""
SELECT line, player_id, currency, change_type, real_delta, reason FROM bulk_rows
WHERE run_id = :run AND state = 'ready' ORDER BY line LIMIT 1
""")
_STATE = text("SELECT state FROM bulk_runs WHERE id = :run")
_DONE = text("""
UPDATE bulk_rows r
SET state = CASE WHEN d.sequence IS NULL THEN 'waiting' ELSE 'posted' END,
  sequence = d.sequence, request_id = d.request_id, waits = d.sequence IS NULL,
  real_before = d.real_before, real_after = d.real_after
FROM unnest(CAST(:lines AS bigint[]), CAST(:sequences AS bigint[]), CAST(:requests AS bigint[]),
            CAST(:before AS bigint[]), CAST(:after AS bigint[]))
  AS d(line, sequence, request_id, real_before, real_after)
WHERE r.run_id = :run AND r.line = d.line AND r.state = 'ready'
""")
_REFUSE = text("""
UPDATE bulk_rows SET state = 'refused', message = :message, waits = false
WHERE run_id = :run AND line = :line AND state = 'ready'
""")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that the rules refused while it was being posted."""

    line: int
    error: PurserError


class RowsRefused(PurserError):
    """Some rows of a list that must be posted whole were refused: nothing of it is posted."""

    def __init__(self, refusals_: Sequence[Refusal]) -> None:
        super().__init__("Nothing was posted.")
        self.refusals = refusals_


class Interrupted(PurserError):
    """The list was cancelled, or ended by another worker, before it was through: nothing of it is posted."""


def mode_of(session: Session, *, run_id: int) -> BulkMode | None:
    """How the run is to be posted; None where it is not being posted."""
    run = bulk.lock(session, run_id, SYSTEM)
    return BulkMode(run.mode) if run.state == BulkState.POSTING else None


def post_next(session: Session, *, run_id: int, now: dt.datetime) -> int | None:
    """Post the next row of a run, or mark it as refused; returns its player, and None where there is no more.

    One transaction holds the row's change and its mark, so each is posted once however often it is begun.
    With the last row gone the run is done.
    """
    run = bulk.lock(session, run_id, SYSTEM)
    if run.state != BulkState.POSTING:
        return None
    maker = bulk.maker_of(session, run)
    if maker is None:
        bulk.end_without_maker(session, run, now)
        return None
    row = session.execute(_NEXT, {"run": run_id}).one_or_none()
    if row is None:
        _finish(session, run, maker, now)
        return None
    try:
        with session.begin_nested():
            done = _submit(session, run, row, maker, now)
    except PurserError as error:
        _refuse(session, run_id, Refusal(row.line, error), maker, now)
    else:
        _mark(session, run_id, [(row, done)])
    player_id: int = row.player_id
    return player_id


def post_all(
    session: Session, *, run_id: int, now: dt.datetime, should_stop: Callable[[], bool]
) -> tuple[int, ...]:
    """Post every row of a run in this one transaction; returns the players.

    All balances are locked first, in their order; the run itself is not, so that it can be cancelled to
    the last moment. Raises RowsRefused with every refusal, and Interrupted.
    """
    run = bulk.look(session, run_id)
    maker = bulk.maker_of(session, run)
    rows = bulk_check.rows_of(session, run_id, BulkRowState.READY)
    if run.state != BulkState.POSTING or maker is None:
        raise Interrupted("This list is not being posted.")
    standings.lock_many(session, list({(row.player_id, row.currency) for row in rows}), now=now)
    done: list[tuple[Row[Any], Submitted]] = []
    refused: list[Refusal] = []
    for number, row in enumerate(rows):
        if number % LOOKS_EVERY == 0 and (should_stop() or not _is_posting(session, run_id)):
            raise Interrupted("This list is not being posted any more.")
        try:
            with session.begin_nested():
                done.append((row, _submit(session, run, row, maker, now)))
        except PurserError as error:
            refused.append(Refusal(row.line, error))
    if refused:
        raise RowsRefused(refused)
    _mark(session, run_id, done)
    if bulk.lock(session, run_id, SYSTEM).state != BulkState.POSTING:
        raise Interrupted("This list was cancelled.")
    _finish(session, run, maker, now)
    return tuple({row.player_id for row in rows})


def put_back(session: Session, *, run_id: int, refused: RowsRefused, now: dt.datetime) -> None:
    """After nothing was posted: say at each row why, and let its maker mend or choose again."""
    run = bulk.lock(session, run_id, SYSTEM)
    if run.state != BulkState.POSTING:
        return
    maker = bulk.maker_of(session, run) or SYSTEM
    for refusal in refused.refusals:
        _refuse(session, run_id, refusal, maker, now)
    bulk.move(session, run_id, BulkState.CHECKED, now)
    bulk.log(
        session, maker, "bulk.refused", run, details={"refused": len(refused.refusals), "posted": 0}, now=now
    )


def _submit(session: Session, run: Row[Any], row: Row[Any], maker: Actor, now: dt.datetime) -> Submitted:
    return submissions.submit(
        session,
        request=bulk.request_of(run.id, row),
        actor=maker,
        now=now,
        holds=False,
        amount_again=abs(row.real_delta) if run.amounts_meant else None,
    )


def _is_posting(session: Session, run_id: int) -> bool:
    return bool(session.scalar(_STATE, {"run": run_id}) == BulkState.POSTING)


def _mark(session: Session, run_id: int, done: Sequence[tuple[Row[Any], Submitted]]) -> None:
    entries = [submitted.change.entry if submitted.change else None for _, submitted in done]
    judged = [submitted.judgement for _, submitted in done]
    session.execute(
        _DONE,
        {
            "run": run_id,
            "lines": [row.line for row, _ in done],
            "sequences": [entry.sequence if entry else None for entry in entries],
            "requests": [submitted.request_id for _, submitted in done],
            "before": [judgement.standing.real if judgement else None for judgement in judged],
            "after": [judgement.real_after if judgement else None for judgement in judged],
        },
    )


def _refuse(session: Session, run_id: int, refusal: Refusal, maker: Actor, now: dt.datetime) -> None:
    error = refusal.error
    session.execute(_REFUSE, {"run": run_id, "line": refusal.line, "message": error.message})
    if isinstance(error, ChangeRefused):
        refusals.record(session, refused=error, actor=maker, now=now)


def _finish(session: Session, run: Row[Any], maker: Actor, now: dt.datetime) -> None:
    bulk.move(session, run.id, BulkState.DONE, now)
    counts = bulk.count(session, run.id)
    details = {"posted": counts.posted, "waiting": counts.waiting, "refused": counts.refused}
    bulk.log(session, maker, "bulk.done", run, details=details, now=now)
