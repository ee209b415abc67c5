"""The rehearsal of a list: every row is judged by the posting code, in a transaction that is rolled back.

All rows are judged in one transaction, in the order of the list, so that rows on the same player and on the
same allowance see each other. Until its end the balances of the list stay locked, as in a posting.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import PurserError
from dashboard.models.bulk import BulkRowState, BulkState
from dashboard.models.change_request import RequestState
from dashboard.services import bulk, standings, submissions
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.changes import ChangeRefused, Judgement
from dashboard.services.submissions import Submitted, TypeAgain
from dashboard.services.transact import Transact

Rehearse = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rehearsal says of a row. Amounts in minor units."""

    line: int
    message: str | None = None
    """Why it is refused."""
    waits: bool = False
    largest: int | None = None
    """The largest amount before, where this one is unusually larger."""
    real_before: int | None = None
    real_after: int | None = None


@dataclass(frozen=True, slots=True)
class _List:
    rows: Sequence[Row[Any]]
    maker: Actor


_ROWS = text("""
SELECT line, player_id, currency, change_type, real_delta, reason FROM bulk_rows
WHERE run_id = :run AND state = :state ORDER BY line
""")
_KEEP = text("""
UPDATE bulk_rows r SET state = CASE WHEN v.message IS NULL THEN 'ready' ELSE 'refused' END,
  message = v.message, waits = v.waits, largest = v.largest, real_before = v.real_before,
  real_after = v.real_after
FROM unnest(CAST(:lines AS bigint[]), CAST(:messages AS text[]), CAST(:waits AS boolean[]),
            CAST(:largest AS bigint[]), CAST(:before AS bigint[]), CAST(:after AS bigint[]))
  AS v(line, message, waits, largest, real_before, real_after)
WHERE r.run_id = :run AND r.line = v.line AND r.state = 'read'
""")


def check(
    transact: Transact,
    rehearse: Rehearse,
    *,
    run_id: int,
    now: Callable[[], dt.datetime],
    batch: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Rehearse a list and keep what is said of each row; a run that is not to be checked is left alone.

    What is known is kept after every `batch` rows, so that one can see how far it is; left half-way it
    begins anew. Raises as the database does where a balance stays locked by others.
    """
    found = transact(lambda session: _begin(session, run_id, now()))
    if found is None:
        return
    known: list[Verdict] = []
    with rehearse() as session:
        for verdict in judge(session, run_id=run_id, rows=found.rows, maker=found.maker, now=now()):
            known.append(verdict)
            if len(known) == batch:
                if should_stop() or not transact(partial(_keep, run_id=run_id, verdicts=known)):
                    return
                known = []
    transact(partial(_conclude, run_id=run_id, verdicts=known, now=now()))


def judge(
    session: Session, *, run_id: int, rows: Sequence[Row[Any]], maker: Actor, now: dt.datetime
) -> Iterator[Verdict]:
    """Do to each row what posting would, in their order; the caller rolls back."""
    standings.lock_many(session, list({(row.player_id, row.currency) for row in rows}), now=now)
    for row in rows:
        yield _judge(session, run_id, row, maker, now)


def rows_of(session: Session, run_id: int, state: BulkRowState) -> Sequence[Row[Any]]:
    """The rows of a run in that state, in the order of the list."""
    return session.execute(_ROWS, {"run": run_id, "state": state}).all()


def _judge(session: Session, run_id: int, row: Row[Any], maker: Actor, now: dt.datetime) -> Verdict:
    submit = partial(
        submissions.submit,
        session,
        request=bulk.request_of(run_id, row),
        actor=maker,
        now=now,
        holds=False,
    )
    try:
        with session.begin_nested():
            return _said(row.line, submit())
    except TypeAgain as again:
        with session.begin_nested():
            done = submit(amount_again=abs(row.real_delta))
        return replace(_said(row.line, done), largest=again.weighed.largest)
    except ChangeRefused as refused:
        before, after = _figures(refused.judgement)
        return Verdict(row.line, refused.message, real_before=before, real_after=after)
    except PurserError as refused:
        return Verdict(row.line, refused.message)


def _said(line: int, done: Submitted) -> Verdict:
    if done.judgement is None:
        return Verdict(line, "This row has been posted already.")
    before, after = _figures(done.judgement)
    waits = done.state is RequestState.WAITING
    return Verdict(line, waits=waits, real_before=before, real_after=after)


def _figures(judgement: Judgement) -> tuple[int, int]:
    return judgement.standing.real, judgement.real_after


def _begin(session: Session, run_id: int, now: dt.datetime) -> _List | None:
    run = bulk.lock(session, run_id, SYSTEM)
    if run.state != BulkState.CHECKING:
        return None
    maker = bulk.maker_of(session, run)
    if maker is None:
        bulk.end_without_maker(session, run, now)
        return None
    bulk.forget_check(session, run_id)
    return _List(rows_of(session, run_id, BulkRowState.READ), maker)


def _keep(session: Session, run_id: int, verdicts: Sequence[Verdict]) -> bool:
    """Write down what is known; False where the run was cancelled meanwhile."""
    run = bulk.lock(session, run_id, SYSTEM)
    if run.state != BulkState.CHECKING:
        return False
    session.execute(
        _KEEP,
        {
            "run": run_id,
            "lines": [verdict.line for verdict in verdicts],
            "messages": [verdict.message for verdict in verdicts],
            "waits": [verdict.waits for verdict in verdicts],
            "largest": [verdict.largest for verdict in verdicts],
            "before": [verdict.real_before for verdict in verdicts],
            "after": [verdict.real_after for verdict in verdicts],
        },
    )
    return True


def _conclude(session: Session, run_id: int, verdicts: Sequence[Verdict], now: dt.datetime) -> None:
    if not _keep(session, run_id, verdicts):
        return
    run = bulk.lock(session, run_id, SYSTEM)
    maker = bulk.maker_of(session, run)
    bulk.move(session, run_id, BulkState.CHECKED, now)
    counts = bulk.count(session, run_id)
    details = {
        "rows": counts.rows,
        "refused": counts.refused,
        "waits": counts.waits,
        "unusual": counts.unusual,
    }
    bulk.log(session, maker or SYSTEM, "bulk.checked", run, details=details, now=now)
