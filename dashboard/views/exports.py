"""Lists as files to take along: exactly the rows that the filters in the URL let through.

A file is streamed as its rows come out of the database, long after the view has returned. It therefore
has a connection of its own, which is let go of at the last row, or as soon as the reader has gone.
"""

import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest

from dashboard import clock, db, log
from dashboard.errors import Conflict
from dashboard.forms.filters import FilterForm
from dashboard.models.operator import MoneyMode
from dashboard.queries import alerts as alert_queries
from dashboard.queries import audit as audit_queries
from dashboard.queries import desk as desk_queries
from dashboard.queries import journal as journal_queries
from dashboard.queries import player_list as player_queries
from dashboard.queries import rounds as round_queries
from dashboard.queries import staff
from dashboard.services import exports
from dashboard.services.exports import Format, Sheet
from dashboard.views import access, alerts, audit, desk, player_list, player_page, rounds, sheets
from dashboard.views.access import requires

bp = Blueprint("exports", __name__)

AT_ONCE = 3
"""Files on their way at one time: each holds a database connection, and the processor while it is written."""
STALLED_SECONDS = 120.0
"""Whoever takes nothing for so long loses the file; the database ends their transaction by then, too."""
_PIECE = 64 * 1024
_MIME = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class Rows(Protocol):
    """What a file is made of: a `Listing`, or what counts and reads like one."""

    def count(self, session: Session, at_most: int) -> int:
        """How many there are; counting stops at `at_most`."""

    def read(self, session: Session) -> Generator[Any, None, None]:
        """The rows, as they come."""


@dataclass(frozen=True)
class Wanted:
    """A list that somebody wants as a file."""

    name: str
    form: FilterForm | None
    """The filters; None where the list has none."""
    columns: Any
    listing: Rows
    player_id: int | None = None
    about: Sequence[tuple[str, str]] = ()
    """What else a workbook says about itself."""


@bp.post("/players/exports")
@requires("data:export")
def create_players() -> ResponseReturnValue:
    """The list of players."""

    def ask(session: Session) -> Wanted:
        operator = access.current_operator()
        names = staff.names_by_id(session, operator_id=operator.id)
        form = player_list.filter_form(names)
        wanted = form.wanted()
        listing = player_queries.all_players(
            operator_id=operator.id,
            currency=operator.currency,
            wanted=wanted,
            total=player_queries.count_players(session, operator_id=operator.id, wanted=wanted),
        )
        return Wanted("players", form, sheets.players(names, operator.currency), listing)

    return answer(ask)


@bp.post("/players/<int:player_id>/journal/exports")
@requires("data:export")
def create_journal(player_id: int) -> ResponseReturnValue:
    """The journal of one balance of a player."""

    def ask(session: Session) -> Wanted:
        page = player_page.get_page(session, player_id)
        currency, timezone = page.balance.currency, access.current_operator().timezone
        form = player_page.journal_form(session, currency)
        where = player_page.journal_filter(form, timezone)
        listing = journal_queries.all_entries(player_id=player_id, currency=currency, where=where)
        name = f"journal-{page.player.id}-{currency}"
        return Wanted(name, form, sheets.journal(), listing, player_id)

    return answer(ask)


@bp.post("/recent-changes/exports")
@requires("data:export")
def create_recent_changes() -> ResponseReturnValue:
    """The changes of the last hours over all players."""

    def ask(session: Session) -> Wanted:
        operator_id = access.current_operator().id
        names = staff.names_by_id(session, operator_id=operator_id)
        form = desk.recent_form(names)
        listing = desk_queries.all_recent(operator_id=operator_id, wanted=desk.recent_filter(form))
        return Wanted("recent-changes", form, sheets.recent_changes(names), listing)

    return answer(ask)


@bp.post("/audit/log/exports")
@requires("data:export")
def create_staff_log() -> ResponseReturnValue:
    """The staff log."""

    def ask(session: Session) -> Wanted:
        operator_id = access.current_operator().id
        names = staff.names_by_id(session, operator_id=operator_id)
        form = audit.log_form(names)
        wanted = audit.log_filter(session, form)
        listing = audit_queries.all_of_log(operator_id=operator_id, wanted=wanted)
        return Wanted("staff-log", form, sheets.staff_log(names), listing)

    return answer(ask)


@bp.post("/alerts/exports")
@requires("data:export")
def create_alerts() -> ResponseReturnValue:
    """The alerts of one tab of the inbox."""

    def ask(session: Session) -> Wanted:
        form, now = alerts.filter_form(session), clock.now()
        listing = alert_queries.all_alerts(
            operator_id=access.current_operator().id, wanted=form.wanted(now), now=now
        )
        return Wanted("alerts", form, sheets.alerts(), listing)

    return answer(ask)


@bp.post("/rounds/exports")
@requires("data:export")
def create_rounds() -> ResponseReturnValue:
    """The history of rounds."""

    def ask(session: Session) -> Wanted:
        operator = access.current_operator()
        form = rounds.filter_form(session)
        listing = round_queries.all_rounds(operator_id=operator.id, wanted=form.wanted(operator.timezone))
        return Wanted("rounds", form, sheets.rounds(), listing)

    return answer(ask)


class Download:
    """The pieces of a file on their way, and what is let go of when they end, however they end.

    The server takes one piece after the other as its reader does, and calls `close` when the reader has gone.
    """

    def __init__(self, end: Callable[[bool], None]) -> None:
        self.pieces: Iterator[bytes] = iter(())
        self.waits_since: float | None = None
        """Since when the next piece could be taken; None while one is being made."""
        self._end = end
        self._lock = threading.Lock()
        self._is_over = False

    def __iter__(self) -> "Download":
        return self

    def __next__(self) -> bytes:
        with self._lock:
            self.waits_since = None
            try:
                piece = next(self.pieces)
                self.waits_since = time.monotonic()
                return piece
            except StopIteration:
                self._close(is_whole=True)
                raise
            except Exception as error:
                log.failure("export broken off", error)
                self._close(is_whole=False)
                raise

    def is_stalled(self, now: float) -> bool:
        """Whether nobody has taken anything for too long."""
        return self.waits_since is not None and now - self.waits_since > STALLED_SECONDS

    def close(self) -> None:
        """Let go of everything; a second time does nothing."""
        with self._lock:
            self._close(is_whole=False)

    def _close(self, *, is_whole: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        self.pieces = iter(())
        self._end(is_whole)


class Running:
    """The downloads of this process. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[Download] = set()

    def begin(self, download: Download) -> None:
        """Count it in. Raises Conflict while too many are on their way."""
        now = time.monotonic()
        with self._lock:
            stalled = [known for known in self._known if known.is_stalled(now)]
        for known in stalled:
            known.close()
        with self._lock:
            if len(self._known) >= AT_ONCE:
                raise Conflict(f"{AT_ONCE} files are being made already: try again when one of them is done.")
            self._known.add(download)

    def end(self, download: Download) -> None:
        """Count it out."""
        with self._lock:
            self._known.discard(download)


def init_app(app: Flask) -> None:
    """Keep count of what is on its way, and tell templates how many rows a workbook holds."""
    app.extensions["exports"] = Running()
    # Apart, so that no partner keeps the desk waiting.
    app.extensions["partner-exports"] = Running()
    app.jinja_env.globals["xlsx_rows_most"] = exports.XLSX_ROWS_MOST


def answer(ask: Callable[[Session], Wanted], file_format: Format | None = None) -> Response:
    """The file, on its way. What goes wrong before its first piece is an ordinary answer.

    The format is the one that a form names, unless it is given.

    A partner's is read by the partners' database role, and is their own to take: no log of the desk names it.
    """
    file_format = file_format or _asked_format()
    export = _Export(file_format)
    try:
        wanted = export.open(ask)
    except BaseException:
        export.download.close()
        raise
    response = Response(export.download, content_type=_MIME[file_format])
    name = _file_name(wanted.name, export)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Accel-Buffering"] = "no"
    return response


class _Export:
    """One file: from its transaction to the line in the staff log."""

    def __init__(self, file_format: Format) -> None:
        self.actor, self.operator = access.current_actor(), access.current_operator()
        self.format = file_format
        self.at = clock.now()
        self.rows = 0
        self.download = Download(self._end)
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._running: Running = current_app.extensions[
            "exports" if self.actor.partner_id is None else "partner-exports"
        ]
        self._session: Session | None = None
        self._rows: Generator[Any, None, None] | None = None
        self._folder: TemporaryDirectory[str] | None = None
        self._wanted: Wanted | None = None

    def open(self, ask: Callable[[Session], Wanted]) -> Wanted:
        """Begin the transaction, ask for the list, and have the first piece ready."""
        self._running.begin(self.download)
        session = self._session = db.open_export(self.actor.partner_id)
        wanted = ask(session)
        self._rows = wanted.listing.read(session)
        sheet = Sheet(wanted.columns, self._counted(self._rows), self.operator.timezone)
        if self.format is Format.CSV:
            pieces = exports.csv_pieces(sheet)
        else:
            self._refuse_too_many(wanted, session)
            pieces = self._through_a_file(wanted, sheet, session)
        first = next(pieces)
        self.download.pieces = _again(first, pieces)
        self.download.waits_since = time.monotonic()
        self._wanted = wanted
        return wanted

    def _counted(self, rows: Iterator[Any]) -> Iterator[Any]:
        for row in rows:
            self.rows += 1
            yield row

    @staticmethod
    def _refuse_too_many(wanted: Wanted, session: Session) -> None:
        if wanted.listing.count(session, exports.XLSX_ROWS_MOST + 1) > exports.XLSX_ROWS_MOST:
            raise exports.TooManyRows

    def _through_a_file(self, wanted: Wanted, sheet: Sheet, session: Session) -> Iterator[bytes]:
        """A workbook can only be sent once it is whole: by then the database is not needed any more."""
        self._folder = TemporaryDirectory(prefix="purser-export-")
        path = Path(self._folder.name) / "export.xlsx"
        exports.write_xlsx(path, sheet, name=wanted.name, about=self._about(wanted), made_at=self.at)
        session.close()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    def _about(self, wanted: Wanted) -> list[tuple[str, str]]:
        zone = self.operator.timezone
        return [
            ("Made by", self.actor.name),
            ("Made at", f"{clock.local(self.at, zone):%Y-%m-%d %H:%M:%S %z}"),
            ("Times are in", zone),
            ("Operator", self.operator.name),
            *([("Money", "Play money")] if self.operator.money == MoneyMode.PLAY else []),
            *wanted.about,
            *([("Filters", _in_words(wanted.form))] if wanted.form else []),
        ]

    def _end(self, is_whole: bool) -> None:
        self._running.end(self.download)
        if self._rows is not None:
            self._rows.close()
        if self._session is not None:
            self._session.close()
        if self._folder is not None:
            self._folder.cleanup()
        if self._wanted is None or self.actor.partner_id is not None:
            return
        with self._app.app_context(), db.writing() as session:
            exports.record(
                session,
                self.actor,
                what=self._wanted.name,
                file_format=self.format,
                filters=self._wanted.form.filters() if self._wanted.form else {},
                rows=self.rows,
                is_whole=is_whole,
                player_id=self._wanted.player_id,
                now=clock.now(),
            )


def _in_words(form: FilterForm) -> str:
    return "; ".join(chip.text for chip in form.chips()) or "none"


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _asked_format() -> Format:
    try:
        return Format(request.form.get("format", ""))
    except ValueError:
        raise BadRequest from None


def _file_name(name: str, export: _Export) -> str:
    """`players-20261121-120311-a-lindqvist.csv`: what, when, who; and whether it is about play money."""
    wall = clock.local(export.at, export.operator.timezone)
    who = re.sub(r"[^a-z0-9]+", "-", export.actor.name.lower()).strip("-") or f"staff-{export.actor.id}"
    play = ["play-money"] if export.operator.money == MoneyMode.PLAY else []
    return "-".join([name.lower(), *play, f"{wall:%Y%m%d-%H%M%S}", who]) + f".{export.format.value}"
