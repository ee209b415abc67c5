"""Reports without anybody waiting for them: files are made, schedules come due, what they made is mailed.

A file is made in pieces, each a transaction of its own, from rows of one instant. A worker that was killed
leaves it half made, and the next one begins it anew; of two workers each file is made by one.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.config import settings
from dashboard.errors import PurserError, Rejected
from dashboard.jobs.application import application
from dashboard.models.report import ReportFormat
from dashboard.queries import report_runs as queries
from dashboard.queries import report_subjects
from dashboard.queries import reports as rows_of
from dashboard.services import (
    documents,
    exports,
    mail,
    report_definitions,
    report_documents,
    report_files,
    report_mail,
    report_runs,
    report_schedules,
)
from dashboard.services.report_runs import Interrupted

EVERY_SECONDS = 2.0
DUE_EVERY_SECONDS = 15.0
MAIL_EVERY_SECONDS = 60.0
TELL_EVERY_SECONDS = 0.5
COUNT_MOST = 5_000_000
"""More rows than that are not counted before they are read."""
_LOOK_EVERY_ROWS = 500
_READ = 256 * 1024
_CANCELLED = "57014"

_log = logging.getLogger(__name__)
Stop = Callable[[], bool]


def make_next(*, should_stop: Stop = lambda: False) -> bool:
    """Make the oldest file that nobody is making; False where there is none."""
    with db.reading() as session:
        if not report_runs.are_waiting(session):
            return False
    reading = db.open_export()
    try:
        run_id = report_runs.find_next(reading)
        if run_id is None:
            return False
        run = db.transact(partial(report_runs.take, run_id=run_id, now=clock.now()))
        if run is not None:
            _Making(reading, run, should_stop).make()
        return True
    finally:
        reading.close()


def schedule(now: dt.datetime) -> int:
    """Ask for what is due; how many schedules there were."""
    return db.transact(partial(report_schedules.run_due, now=now))


def send_mail(now: dt.datetime, *, should_stop: Stop = lambda: False) -> int:
    """Hand in what schedules made, where a mail server is set; how many it took."""
    url = settings().smtp_url
    if url is None:
        return 0
    with db.reading() as session:
        waiting = report_mail.waiting(session, now=now)
    taken = 0
    for run_id in waiting:
        if should_stop():
            break
        taken += _send(run_id, url.get_secret_value(), now)
    return taken


def keep_reports(stop: threading.Event) -> None:
    """Do all of it until `stop` is set. A database that is away is asked again."""
    due_at = mailed_at = float("-inf")
    with application().app_context():
        while not stop.wait(EVERY_SECONDS):
            try:
                if time.monotonic() >= due_at + DUE_EVERY_SECONDS:
                    due_at = time.monotonic()
                    schedule(clock.now())
                while not stop.is_set() and make_next(should_stop=stop.is_set):
                    pass
                if time.monotonic() >= mailed_at + MAIL_EVERY_SECONDS:
                    mailed_at = time.monotonic()
                    send_mail(clock.now(), should_stop=stop.is_set)
            except DBAPIError:
                _log.exception("making reports")


class _Making:
    """One file, from its rows to its last piece."""

    def __init__(self, reading: Session, run: Row[Any], should_stop: Stop) -> None:
        self._reading, self._run, self._should_stop = reading, run, should_stop
        self._rows = 0
        self._found: Generator[Any, None, None] | None = None
        self._told_at = time.monotonic()

    def make(self) -> None:
        """Make it, and note what became of it."""
        try:
            for number, piece in enumerate(report_runs.pieces_of(self._file()), start=1):
                self._do(report_runs.append, number=number, content=piece, rows=self._rows)
        except Interrupted:
            return
        except PurserError as refused:
            self._fail(refused.message)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _CANCELLED:
                raise
            self._fail("The database gave up after ten minutes. Take a shorter period, or fewer rows.")
        except Exception:  # a fault of one report stops no other
            _log.exception("report run %s", self._run.id)
            self._fail("Something went wrong on our side; it is in the worker's log.")
        else:
            self._do(report_runs.finish, rows=self._rows, now=clock.now())
        finally:
            if self._found is not None:
                self._found.close()

    def _file(self) -> Iterator[bytes]:
        run = self._run
        maker = report_runs.maker_of(self._reading, run.asked_by)
        source = report_subjects.SOURCES.get(run.subject)
        if source is None:
            raise Rejected("There is no such report any more.")
        if maker is None or not maker.may("data:export") or not maker.may(source.subject.verb):
            raise Rejected("Whoever asked for it may not take this out of the house any more.")
        house = queries.house_of(self._reading, run.operator_id)
        definition = report_definitions.read(run.definition)
        bounds = rows_of.bounds(
            definition,
            operator_id=run.operator_id,
            timezone=house.timezone,
            currency=house.currency,
            now=run.as_of,
        )
        listing = rows_of.listing(definition, bounds)
        in_all = listing.count(self._reading, COUNT_MOST + 1)
        self._do(report_runs.progress, rows=0, in_all=in_all if in_all <= COUNT_MOST else None)
        columns = report_files.columns(definition, source.subject)
        found = self._found = listing.read(self._reading)
        match ReportFormat(run.format):
            case ReportFormat.CSV:
                yield from exports.csv_pieces(exports.Sheet(columns, self._counted(found), house.timezone))
            case ReportFormat.XLSX:
                sheet = exports.Sheet(columns, self._counted(found), house.timezone)
                about = [
                    ("Made by", maker.name),
                    ("As of", f"{clock.local(run.as_of, house.timezone):%Y-%m-%d %H:%M:%S %z}"),
                    ("Times are in", house.timezone),
                    ("Operator", house.name),
                    *([("Money", "Play money")] if house.is_play else []),
                    *report_documents.about(run.name, definition, source.subject, bounds),
                ]
                yield from _workbook(sheet, run, about)
            case ReportFormat.PDF:
                if in_all > report_files.PDF_ROWS_MOST:
                    raise report_files.TooLong
                data = report_documents.data_of(
                    run.name,
                    definition,
                    source.subject,
                    bounds,
                    rows=list(self._counted(found)),
                    totals=rows_of.totals(self._reading, definition, bounds),
                    house=house,
                    made_by=maker.name,
                    made_at=run.as_of,
                )
                yield documents.typeset(documents.REPORT, data, made_at=run.as_of)

    def _counted(self, rows: Iterable[Any]) -> Iterator[Any]:
        for row in rows:
            self._rows += 1
            if self._rows % _LOOK_EVERY_ROWS == 0:
                self._tell()
            yield row

    def _tell(self) -> None:
        if self._should_stop():
            raise Interrupted("The worker is to stop.")
        if time.monotonic() >= self._told_at + TELL_EVERY_SECONDS:
            self._told_at = time.monotonic()
            self._do(report_runs.progress, rows=self._rows)

    def _fail(self, problem: str) -> None:
        self._do(report_runs.fail, problem=problem, now=clock.now())

    def _do(self, work: Callable[..., None], **given: Any) -> None:
        db.transact(partial(work, run_id=self._run.id, **given))


def _workbook(sheet: exports.Sheet, run: Row[Any], about: list[tuple[str, str]]) -> Iterator[bytes]:
    """Through a file, because a workbook is whole only at its end."""
    with TemporaryDirectory(prefix="purser-report-") as folder:
        path = Path(folder) / "report.xlsx"
        exports.write_xlsx(path, sheet, name=run.subject[:31], about=about, made_at=run.as_of)
        with path.open("rb") as file:
            while piece := file.read(_READ):
                yield piece


def _send(run_id: int, url: str, now: dt.datetime) -> bool:
    with db.reading() as session:
        letter = report_mail.letter(session, run_id=run_id, now=now)
    if letter is None:
        return False
    try:
        report_mail.send(letter, url=url, sender=settings().mail_from)
    except mail.NotMailed as refused:
        db.transact(partial(report_mail.hindered, run_id=run_id, problem=refused.message))
        return False
    db.transact(partial(report_mail.mailed, one=letter, now=now))
    return True
