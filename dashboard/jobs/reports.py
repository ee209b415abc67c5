"""Reports without anybody waiting for them: files are made, schedules come due, what they made is mailed.

A file is made in pieces, each a transaction of its own, from rows of one instant. A worker that was killed
leaves it half made, and the next one begins it anew, three times at most; of two workers each file is made by
one. While it is made a thread looks every second whether it still should be: whoever cancels it ends its
statement in the database too, and waits for no row.
"""

import contextvars
import datetime as dt
import logging
import shutil
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.config import settings
from dashboard.errors import OutcomeUnknown, PurserError, Rejected
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
from dashboard.services.report_mail import Waiting
from dashboard.services.report_runs import Interrupted

EVERY_SECONDS = 2.0
DUE_EVERY_SECONDS = 15.0
MAIL_EVERY_SECONDS = 60.0
TELL_EVERY_SECONDS = 0.5
WATCH_EVERY_SECONDS = 1.0
COUNT_MOST = 5_000_000
"""More rows than that are not counted before they are read."""
_LOOK_EVERY_ROWS = 500
_READ = 256 * 1024
_CANCELLED = "57014"
_CANCEL_SECONDS = 5.0
_OUR_FAULT = "Something went wrong on our side; it is in the worker's log."

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
    """Hand in what schedules made, where a mail server is set; how many letters it took.

    A server that is away is asked for one letter, not for each of them.
    """
    url = settings().smtp_url
    if url is None:
        return 0
    with db.reading() as session:
        waiting = report_mail.waiting(session, now=now)
    taken = 0
    for one in waiting:
        if should_stop():
            break
        try:
            taken += _send(one, url.get_secret_value(), now)
        except mail.NotMailed as refused:
            if refused.is_general:
                break
    return taken


def keep_reports(stop: threading.Event) -> None:
    """Do all of it until `stop` is set. A database that is away is asked again; no fault ends it."""
    due_at = mailed_at = float("-inf")
    was_made = False
    with application().app_context():
        while not stop.wait(0 if was_made else EVERY_SECONDS):
            was_made = False
            try:
                if time.monotonic() >= due_at + DUE_EVERY_SECONDS:
                    due_at = time.monotonic()
                    schedule(clock.now())
                was_made = make_next(should_stop=stop.is_set)
                if was_made or time.monotonic() >= mailed_at + MAIL_EVERY_SECONDS:
                    mailed_at = time.monotonic()
                    send_mail(clock.now(), should_stop=stop.is_set)
            except Exception:  # nobody else would make files
                _log.exception("making reports")


class _Making:
    """One file, from its rows to its last piece."""

    def __init__(self, reading: Session, run: Row[Any], should_stop: Stop) -> None:
        self._reading, self._run, self._should_stop = reading, run, should_stop
        self._rows = 0
        self._found: Generator[Any, None, None] | None = None
        self._told_at = time.monotonic()
        self._is_interrupted = threading.Event()

    def make(self) -> None:
        """Make it, and note what became of it. What may go well another time is left to the next try."""
        try:
            with self._watched():
                self._make()
        except Interrupted:
            if self._should_stop():
                self._do(report_runs.give_back)
        finally:
            if self._found is not None:
                self._found.close()

    def _make(self) -> None:
        try:
            _sweep(self._run.id)
            if self._run.tries > report_runs.TRIES_MOST:
                raise Rejected(f"The worker was lost {report_runs.TRIES_MOST} times while it was made.")
            self._keep()
        except (Interrupted, OutcomeUnknown):
            raise
        except PurserError as refused:
            self._fail(refused.message)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == _CANCELLED:
                if self._is_interrupted.is_set():
                    raise Interrupted("Somebody cancelled it, or the worker is to stop.") from error
                self._fail("The database gave up after ten minutes. Take a shorter period, or fewer rows.")
            elif isinstance(error, OperationalError | InterfaceError):
                raise
            else:
                _log.exception("report run %s", self._run.id)
                self._fail(_OUR_FAULT)
        except Exception:  # a fault of one report stops no other
            _log.exception("report run %s", self._run.id)
            self._fail(_OUR_FAULT)

    def _keep(self) -> None:
        size = 0
        for number, piece in enumerate(report_runs.pieces_of(self._file()), start=1):
            size += len(piece)
            if size > report_runs.SIZE_MOST:
                raise report_files.TooLarge
            self._do(report_runs.append, number=number, content=piece, rows=self._rows)
        self._do(report_runs.finish, rows=self._rows, now=clock.now())

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Look every second whether it is still to be made; if not, end the statement that it waits for."""
        ended = threading.Event()
        # The connection that the driver has, because the session is busy in its own thread.
        driver: Any = self._reading.connection().connection.driver_connection

        def watch() -> None:
            while not ended.wait(WATCH_EVERY_SECONDS):
                try:
                    if self._should_stop() or not self._is_wanted():
                        self._is_interrupted.set()
                        driver.cancel_safe(timeout=_CANCEL_SECONDS)
                except Exception:  # a database that is away ends the making by itself
                    _log.exception("watching report run %s", self._run.id)

        watching = threading.Thread(target=contextvars.copy_context().run, args=(watch,), name="watch-report")
        watching.start()
        try:
            yield
        finally:
            ended.set()
            watching.join()

    def _is_wanted(self) -> bool:
        with db.reading() as session:
            return report_runs.is_wanted(session, run_id=self._run.id, tries=self._run.tries)

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
                if in_all > exports.XLSX_ROWS_MOST:
                    raise exports.TooManyRows
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
        if self._should_stop() or self._is_interrupted.is_set():
            raise Interrupted("Somebody cancelled it, or the worker is to stop.")
        if time.monotonic() >= self._told_at + TELL_EVERY_SECONDS:
            self._told_at = time.monotonic()
            self._do(report_runs.progress, rows=self._rows)

    def _fail(self, problem: str) -> None:
        self._do(report_runs.fail, problem=problem, now=clock.now())

    def _do(self, work: Callable[..., None], **given: Any) -> None:
        db.transact(partial(work, run_id=self._run.id, tries=self._run.tries, **given))


def _workbook(sheet: exports.Sheet, run: Row[Any], about: list[tuple[str, str]]) -> Iterator[bytes]:
    """Through a file, because a workbook is whole only at its end."""
    with TemporaryDirectory(prefix=f"report-{run.id}-", dir=_scratch()) as folder:
        path = Path(folder) / "report.xlsx"
        exports.write_xlsx(path, sheet, name=run.subject[:31], about=about, made_at=run.as_of)
        with path.open("rb") as file:
            while piece := file.read(_READ):
                yield piece


def _scratch() -> Path:
    """Where what is not whole yet is kept of this database, whose runs have their numbers for themselves."""
    folder = settings().home / "scratch" / (db.alchemy.engine.url.database or "purser")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _sweep(run_id: int) -> None:
    """Take away what a worker that was killed has left of a run."""
    for left in _scratch().glob(f"report-{run_id}-*"):
        shutil.rmtree(left, ignore_errors=True)


def _send(one: Waiting, url: str, now: dt.datetime) -> bool:
    """Hand in one letter, and note what became of it; False where it is not waiting any more.

    Raises NotMailed.
    """
    tries = 0
    try:
        with db.reading() as session:
            letter = report_mail.letter(session, one=one, now=now)
        if letter is None:
            return False
        tries = letter.tries
        report_mail.send(letter, url=url, sender=settings().mail_from)
    except mail.NotMailed as refused:
        db.transact(partial(report_mail.hindered, one=one, refused=refused, tries=tries, now=now))
        raise
    except ValueError:  # a letter that cannot be written hinders no other
        _log.exception("mailing report run %s", one.run_id)
        ours = mail.NotMailed(_OUR_FAULT, is_final=True)
        db.transact(partial(report_mail.hindered, one=one, refused=ours, tries=tries, now=now))
        return False
    db.transact(partial(report_mail.mailed, one=letter, now=now))
    return True
