"""The worker as a process of its own makes reports: what was missed without it once, and anew what a worker
that was killed left half made."""

import datetime as dt
import signal
from functools import partial

import pytest
from sqlalchemy import select, text

from dashboard import clock
from dashboard.models import Login, ReportRun
from dashboard.models.report import Every, ReportFormat
from dashboard.queries import report_subjects
from dashboard.services import report_definitions, report_runs, report_schedules, reports
from dashboard.services.actors import Actor
from dashboard.services.report_definitions import Choice, Definition, PeriodKind
from dashboard.services.report_schedules import Timing
from tests import post_office
from tests.builders import actor_of
from tests.server.conftest import Desk
from tests.server.test_worker import until, worker

PATIENCE_SECONDS = 240.0
ROWS = 12_000
REFUSALS = Definition("refusals", period=Choice(PeriodKind.MONTHLY))

eventually = partial(until, within_seconds=PATIENCE_SECONDS)


def manager(desk: Desk) -> Actor:
    with desk.session() as session:
        return actor_of(session.scalars(select(Login).where(Login.role == "manager")).one())


def runs(desk: Desk) -> list[ReportRun]:
    with desk.session() as session:
        return list(session.scalars(select(ReportRun).order_by(ReportRun.id)))


def plan(desk: Desk) -> dt.datetime:
    """A report each day, mailed to Ana, which was last looked at ten days ago; the last time it was due."""
    timing, now = Timing(Every.DAY, dt.time(6)), clock.now()
    with desk.session() as session:
        report_id = reports.create(
            session,
            actor=manager(desk),
            name="Every balance",
            definition=report_definitions.usual(report_subjects.SOURCES["balances"].subject),
            is_shared=False,
            now=now,
        )
        report_schedules.create(
            session,
            actor=manager(desk),
            report_id=report_id,
            file_format=ReportFormat.CSV,
            timing=timing,
            mail_to=["ana@house.example"],
            now=now - dt.timedelta(days=10),
        )
        zone = session.scalars(text("SELECT timezone FROM operators")).one()
        session.commit()
    return timing.last_missed(timing.next(now - dt.timedelta(days=3), zone), now, zone)


def test_what_was_missed_is_made_once_and_mailed_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    due_at = plan(desk)
    with post_office.opened() as office:
        monkeypatch.setenv("PURSER_SMTP_URL", office.url)
        with worker(desk):
            eventually(lambda: bool(office.letters))
        with worker(desk):
            # It looks at schedules first: what is asked for now is made behind what it would add.
            other = ask(desk)
            eventually(lambda: runs(desk)[-1].state == "done")
    assert [run.id for run in runs(desk) if run.due_at == due_at] == [run.id for run in runs(desk)[:-1]]
    first, last = runs(desk)
    assert (first.state, first.due_at, last.id) == ("done", due_at, other)
    assert len(office.letters) == 1
    (attached,) = office.letters[0][1].iter_attachments()
    assert len(attached.get_content().splitlines()) == 1 + len(desk.players)


def ask(desk: Desk) -> int:
    """Have a file of every refusal made; its run."""
    with desk.session() as session:
        made = report_runs.ask(
            session,
            actor=manager(desk),
            name="Refusals",
            definition=report_definitions.write(REFUSALS),
            file_format=ReportFormat.CSV,
            now=clock.now(),
        )
        session.commit()
    return made


def refuse(desk: Desk) -> None:
    """Many refusals with long reasons: a file of some megabytes."""
    fill = text("""
    INSERT INTO refusals (player_id, operator_id, currency, change_type, real_delta, bonus_delta, reason,
                          performed_by, idempotency_key, errors, refused_at)
    SELECT :player, operator_id, 'USD', 'adjustment', -1, 0, repeat('long ', 80), 'system', 'r' || n, '[]',
           now() - interval '1 day'
    FROM wallets, generate_series(1, :rows) AS n WHERE player_id = :player
    """)
    with desk.session() as session:
        session.execute(fill, {"player": desk.players[0], "rows": ROWS})
        session.commit()


def parts(desk: Desk, run_id: int) -> list[bytes]:
    query = text("SELECT content FROM report_parts WHERE run_id = :run ORDER BY number")
    with desk.session() as session:
        return list(session.scalars(query, {"run": run_id}))


def test_what_a_killed_worker_left_half_made_is_made_anew(desk: Desk) -> None:
    refuse(desk)
    run_id = ask(desk)
    third = text("INSERT INTO report_parts VALUES (:run, 3, 'in the way')")
    with desk.session() as in_the_way:
        # Whoever writes the third piece waits for this one to be there or not.
        in_the_way.execute(third, {"run": run_id})
        with worker(desk) as killed:
            eventually(lambda: len(parts(desk, run_id)) == 2)
            killed.send_signal(signal.SIGKILL)
            killed.wait()
    (left,) = [run for run in runs(desk) if run.id == run_id]
    assert (left.state, left.tries, len(parts(desk, run_id))) == ("running", 1, 2)

    with worker(desk):
        eventually(lambda: runs(desk)[-1].state == "done")
    (done,) = [run for run in runs(desk) if run.id == run_id]
    whole = b"".join(parts(desk, run_id))
    assert (done.tries, done.rows_done, done.size) == (2, ROWS, len(whole))
    assert len(whole.splitlines()) == 1 + ROWS
    assert len(whole) > 4 * report_runs.PIECE
