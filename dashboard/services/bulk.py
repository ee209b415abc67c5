"""Bulk: a list of changes is kept, rehearsed by the posting code itself, and then posted by the worker.

Everything that moves a run locks its row first, before any balance; so a run that is cancelled posts
nothing behind it, and one that two workers take up posts each row once. The key of a row is
`bulk:<run>:<line>`. What runs for longer stands in `bulk_check` and `bulk_posting`.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import procrastinate
from sqlalchemy import Row, insert, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import BulkRow, BulkRun
from dashboard.models.bulk import BulkMode, BulkRowState, BulkState
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import bulk_rows, staff_log
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.bulk_rows import ReadRow
from dashboard.services.changes import Request

TASK = "bulk:go_on"
"""As `jobs/bulk.py` calls it; jobs are asked for by name, because services know no jobs."""
LINES_NAMED_MAX = 10

_queue = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())

_LOOK = "SELECT * FROM bulk_runs WHERE id = :run"
_LOCK = text(f"{_LOOK} FOR UPDATE")
_COUNTS = text("""
SELECT count(*) AS rows,
       count(*) FILTER (WHERE state = 'read') AS read,
       count(*) FILTER (WHERE state = 'ready') AS ready,
       count(*) FILTER (WHERE state = 'refused') AS refused,
       count(*) FILTER (WHERE state = 'posted') AS posted,
       count(*) FILTER (WHERE state = 'waiting') AS waiting,
       count(*) FILTER (WHERE state = 'ready' AND waits) AS waits,
       count(*) FILTER (WHERE state = 'ready' AND largest IS NOT NULL) AS unusual
FROM bulk_rows WHERE run_id = :run
""")
_MAKER = text("SELECT id, operator_id, role, name, active FROM logins WHERE id = :id")
_LEFT = text("""
SELECT r.id FROM bulk_runs r
WHERE r.state IN ('checking', 'posting')
  AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.task_name = :task AND j.status = 'todo'
                  AND j.args ->> 'run_id' = r.id::text)
ORDER BY r.id
""")
_MOVE = text("""
UPDATE bulk_runs SET state = :state,
  mode = CASE WHEN :state IN ('checking', 'checked') THEN NULL ELSE coalesce(:mode, mode) END,
  amounts_meant = coalesce(CAST(:amounts_meant AS boolean), amounts_meant),
  started_at = coalesce(CAST(:started_at AS timestamptz), started_at),
  ended_at = CASE WHEN :state IN ('done', 'cancelled') THEN CAST(:now AS timestamptz) END
WHERE id = :run
""")
_READ_AGAIN = text("""
UPDATE bulk_rows SET state = 'read', message = NULL, waits = false, largest = NULL, real_before = NULL,
  real_after = NULL
WHERE run_id = :run AND player_id IS NOT NULL AND real_delta IS NOT NULL AND state IN ('ready', 'refused')
""")
_REFUSED_LINES = text("""
SELECT line FROM bulk_rows WHERE run_id = :run AND state = 'refused' ORDER BY line LIMIT :most
""")
_TWIN = text("""
SELECT id FROM bulk_runs
WHERE operator_id = :operator AND digest = :digest AND id <> :run AND started_at IS NOT NULL
ORDER BY id DESC LIMIT 1
""")

# By external id, by e-mail, by our own number; `#42` is our number and nothing else.
_FIND_PLAYERS = text("""
SELECT n.typed, array_agg(DISTINCT f.player_id) AS found
FROM unnest(CAST(:typed AS text[])) AS n(typed)
JOIN LATERAL (
  SELECT h.player_id FROM player_handles h WHERE h.operator_id = :operator AND h.handle = n.typed
  UNION ALL
  SELECT p.id FROM players p
  WHERE p.operator_id = :operator
    AND p.id = CASE WHEN n.typed ~ '^#?[0-9]{1,18}$' THEN ltrim(n.typed, '#')::bigint END
) AS f ON true
GROUP BY n.typed
""")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of a run are in each state, and of those that are ready how many are remarkable."""

    rows: int
    read: int
    ready: int
    refused: int
    posted: int
    waiting: int
    waits: int
    unusual: int


def create(session: Session, *, rows: Sequence[ReadRow], name: str, actor: Actor, now: dt.datetime) -> int:
    """Keep a list that was read, its players looked up in one statement; returns the run's id.

    It is then to be rehearsed (`bulk_check`).
    """
    digest = bulk_rows.digest(rows)
    made = insert(BulkRun).values(
        operator_id=actor.operator_id, made_by=actor.id, made_at=now, name=name[:200], digest=digest
    )
    run_id = session.scalars(made.returning(BulkRun.id)).one()
    players = _find_players(session, actor.operator_id, {row.player.lower() for row in rows})
    session.execute(insert(BulkRow), [_kept(run_id, row, players) for row in rows])
    return run_id


def start(
    session: Session,
    *,
    run_id: int,
    mode: BulkMode,
    means_amounts: bool,
    means_twice: bool,
    actor: Actor,
    now: dt.datetime,
) -> None:
    """Have the worker post a rehearsed list. Only its maker may: it posts within their allowance.

    Raises NotFound; Conflict once it is posting or over; Rejected where nothing can be posted, where all
    must be and some cannot, and where large amounts or a list that was posted before are not confirmed.
    """
    run = lock(session, run_id, actor)
    if run.made_by != actor.id:
        raise Rejected("Only the person who made this list can post it: it uses their allowance.")
    expect(run, BulkState.CHECKED)
    counts = count(session, run_id)
    if mode is BulkMode.ALL_OR_NOTHING and counts.refused:
        raise Rejected(f"Nothing was posted: {named_lines(session, run_id, counts.refused)}.", field="mode")
    if not counts.ready:
        raise Rejected("No row of this list can be posted.")
    if counts.unusual and not means_amounts:
        raise Rejected(
            "Look at the unusually large amounts, and say that you mean them.", field="means_amounts"
        )
    if find_twin(session, run_id=run_id) is not None and not means_twice:
        raise Rejected(
            "The same list was posted before: say that you mean to post it again.", field="means_twice"
        )
    move(session, run_id, BulkState.POSTING, now, mode=mode, started_at=now, amounts_meant=means_amounts)
    details = {"mode": mode.value, "rows": counts.ready, "waits": counts.waits, "unusual": counts.unusual}
    log(session, actor, "bulk.started", run, details=details, now=now)
    enqueue(session, run_id)


def check_again(session: Session, *, run_id: int, actor: Actor, now: dt.datetime) -> None:
    """Have a list that is not posted rehearsed anew. Raises NotFound, Rejected, Conflict."""
    run = lock(session, run_id, actor)
    if run.made_by != actor.id:
        raise Rejected("Only the person who made this list can check it: it is judged by their allowance.")
    expect(run, BulkState.CHECKED)
    forget_check(session, run_id)
    move(session, run_id, BulkState.CHECKING, now)


def cancel(session: Session, *, run_id: int, actor: Actor, now: dt.datetime) -> Counts:
    """End a run where it is: what is posted stays, nothing follows.

    Waits for the row that is being posted. Raises NotFound; Conflict once it is over.
    """
    run = lock(session, run_id, actor)
    if run.state in {BulkState.DONE, BulkState.CANCELLED}:
        expect(run, BulkState.POSTING)
    move(session, run_id, BulkState.CANCELLED, now)
    counts = count(session, run_id)
    left = counts.read + counts.ready
    details = {"posted": counts.posted, "waiting": counts.waiting, "refused": counts.refused, "left": left}
    log(session, actor, "bulk.cancelled", run, details=details, now=now)
    return counts


def enqueue(session: Session, run_id: int) -> None:
    """Ask the worker to go on with a run, once this is committed. One that is through is left alone."""
    connection = session.connection().connection.driver_connection
    _queue.configure_task(TASK, connection=connection).defer(run_id=run_id)


def take_up(session: Session) -> list[int]:
    """Put every run that was left half-way back into the queue; for a worker that starts."""
    busy = list(session.scalars(_LEFT, {"task": TASK}))
    for run_id in busy:
        enqueue(session, run_id)
    return busy


def lock(session: Session, run_id: int, actor: Actor) -> Row[Any]:
    """The run, locked. Raises NotFound, also for another operator's."""
    run = session.execute(_LOCK, {"run": run_id}).one_or_none()
    if run is None or not actor.serves(run.operator_id):
        raise NotFound("There is no such list.")
    return run


def look(session: Session, run_id: int) -> Row[Any]:
    """The run without a lock, for the system."""
    return session.execute(text(_LOOK), {"run": run_id}).one()


def expect(run: Row[Any], state: BulkState) -> None:
    """Raise Conflict, which says how it stands, unless the run is in that state."""
    if run.state == state:
        return
    said = {
        BulkState.CHECKING: "This list is still being checked.",
        BulkState.CHECKED: "This list is not being posted.",
        BulkState.POSTING: "This list is being posted already.",
        BulkState.DONE: "This list has been posted already.",
        BulkState.CANCELLED: "This list has been cancelled already.",
    }
    raise Conflict(said[BulkState(run.state)])


def move(
    session: Session,
    run_id: int,
    state: BulkState,
    now: dt.datetime,
    *,
    mode: BulkMode | None = None,
    started_at: dt.datetime | None = None,
    amounts_meant: bool | None = None,
) -> None:
    """Put a locked run into a state."""
    parameters = {
        "run": run_id,
        "state": state,
        "mode": mode,
        "amounts_meant": amounts_meant,
        "started_at": started_at,
        "now": now,
    }
    session.execute(_MOVE, parameters)


def count(session: Session, run_id: int) -> Counts:
    """How its rows stand. One statement."""
    return Counts(*session.execute(_COUNTS, {"run": run_id}).one())


def forget_check(session: Session, run_id: int) -> None:
    """Take back what was said of every row that could be read and is not posted."""
    session.execute(_READ_AGAIN, {"run": run_id})


def maker_of(session: Session, run: Row[Any]) -> Actor | None:
    """In whose name it is posted; None where they may not any more."""
    row = session.execute(_MAKER, {"id": run.made_by}).one()
    maker = Actor(id=row.id, operator_id=row.operator_id, role=Role(row.role), name=row.name)
    return maker if row.active and maker.may("bulk:run") else None


def end_without_maker(session: Session, run: Row[Any], now: dt.datetime) -> None:
    """Cancel a run whose maker has lost the right to it."""
    move(session, run.id, BulkState.CANCELLED, now)
    log(
        session,
        SYSTEM,
        "bulk.cancelled",
        run,
        details={"because": "its maker may not post any more"},
        now=now,
    )


def find_twin(session: Session, *, run_id: int) -> int | None:
    """The latest other run whose posting began with the same list."""
    run = look(session, run_id)
    wanted = {"operator": run.operator_id, "digest": run.digest, "run": run_id}
    twin: int | None = session.scalar(_TWIN, wanted)
    return twin


def request_of(run_id: int, row: Row[Any]) -> Request:
    """What a row asks for."""
    return Request(
        player_id=row.player_id,
        currency=row.currency,
        change_type=ChangeType(row.change_type),
        real_delta=row.real_delta,
        reason=row.reason,
        idempotency_key=f"bulk:{run_id}:{row.line}",
        reference=f"bulk {run_id}",
    )


def named_lines(session: Session, run_id: int, refused: int) -> str:
    """`3 rows are refused (lines 4, 17 and 90)`."""
    lines = list(session.scalars(_REFUSED_LINES, {"run": run_id, "most": LINES_NAMED_MAX}))
    said = ", ".join(f"{line:,}" for line in lines)
    where = "line" if refused == 1 else "lines"
    more = f" and {refused - len(lines):,} more" if refused > len(lines) else ""
    return f"{refused:,} {'row is' if refused == 1 else 'rows are'} refused ({where} {said}{more})"


def log(
    session: Session,
    actor: Actor,
    action: str,
    run: Row[Any],
    *,
    details: Mapping[str, str | int],
    now: dt.datetime,
) -> None:
    """Write down what became of a run."""
    staff_log.record(
        session, actor, action, operator_id=run.operator_id, details={"list": run.id, **details}, now=now
    )


def _find_players(session: Session, operator_id: int, typed: Iterable[str]) -> dict[str, list[int]]:
    wanted = {"typed": sorted(typed), "operator": operator_id}
    return {row.typed: row.found for row in session.execute(_FIND_PLAYERS, wanted)}


def _kept(run_id: int, row: ReadRow, players: Mapping[str, list[int]]) -> dict[str, Any]:
    faults = list(row.faults)
    found = players.get(row.player.lower(), [])
    if len(found) > 1:
        faults.append("Several players are known by that: write # and our number.")
    elif not found and row.player:
        faults.append("There is no player of that external id, e-mail or number.")
    return {
        "run_id": run_id,
        "line": row.line,
        "typed": "\t".join(row.cells),
        "player_id": found[0] if len(found) == 1 else None,
        "currency": row.currency,
        "change_type": row.change_type,
        "real_delta": row.real_delta,
        "reason": row.reason,
        "state": BulkRowState.REFUSED if faults else BulkRowState.READ,
        "message": " ".join(faults) or None,
    }
