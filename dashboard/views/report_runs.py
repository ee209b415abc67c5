"""Files of reports that the worker makes: asked for, watched, cancelled, taken along."""

import re
from collections.abc import Iterator
from functools import partial

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest

from dashboard import clock, db
from dashboard.config import settings
from dashboard.errors import Conflict, Forbidden
from dashboard.models.report import ReportFormat
from dashboard.queries import bulk as workers
from dashboard.queries import report_runs as queries
from dashboard.queries import report_subjects, saved_reports
from dashboard.queries.report_runs import RunRow
from dashboard.services import exports, report_definitions, report_mail, report_runs
from dashboard.views import access, htmx
from dashboard.views.access import requires

bp = Blueprint("report_runs", __name__, url_prefix="/reports/runs")


@bp.get("")
@requires("reports:view")
def index() -> ResponseReturnValue:
    """One's own files and those of shared reports, the newest first."""
    is_more = htmx.wants_partial() and "after" in request.args
    with db.reading() as session:
        page = queries.page_of_runs(
            session, actor=access.current_actor(), after=request.args.get("after", "")
        )
        template = "report_runs/_run_rows.html" if is_more else "report_runs/index.html"
        return render_template(template, page=page, labels=_labels(), now=clock.now(), kept=report_runs.KEPT)


@bp.post("")
@requires("data:export")
def create() -> ResponseReturnValue:
    """Have the worker make a file of the report that the form carries."""
    definition, file_format = request.form.get("definition", ""), _format()
    subject = report_subjects.SOURCES.get(report_definitions.read(definition).subject)
    if subject is None:
        raise BadRequest
    _expect_allowed(subject.subject.name)
    report_definitions.check(report_definitions.read(definition), subject.subject)
    report_id = request.form.get("report_id", type=int)
    if report_id is not None:
        with db.reading() as session:
            saved_reports.get_report(session, actor=access.current_actor(), report_id=report_id)
    run_id = db.transact(
        partial(
            report_runs.ask,
            actor=access.current_actor(),
            name=request.form.get("name", "").strip() or subject.subject.label,
            definition=definition,
            file_format=file_format,
            now=clock.now(),
            report_id=report_id,
        )
    )
    return htmx.see(url_for("report_runs.show", run_id=run_id))


@bp.get("/<int:run_id>")
@requires("reports:view")
def show(run_id: int) -> ResponseReturnValue:
    """One file, and how far it is."""
    with db.reading() as session:
        return render_template("report_runs/show.html", **_context(session, run_id))


@bp.get("/<int:run_id>/progress")
@requires("reports:view")
def show_progress(run_id: int) -> ResponseReturnValue:
    """How far the worker is, for a page that waits for it."""
    if not htmx.wants_partial():
        return redirect(url_for("report_runs.show", run_id=run_id), 303)
    with db.reading() as session:
        return make_response(render_template("report_runs/_run.html", **_context(session, run_id)))


@bp.post("/<int:run_id>/cancellation")
@requires("data:export")
def create_cancellation(run_id: int) -> ResponseReturnValue:
    """End it where it is; nothing of it stays."""
    with db.reading() as session:
        _get(session, run_id)
    work = partial(report_runs.cancel, run_id=run_id, actor=access.current_actor(), now=clock.now())
    db.transact(work)
    said = "The file is not made any more."
    return htmx.redirect_with_toast(url_for("report_runs.show", run_id=run_id), said, kind="info")


@bp.post("/<int:run_id>/downloads")
@requires("data:export")
def create_download(run_id: int) -> ResponseReturnValue:
    """The file, a piece at a time."""
    with db.reading() as session:
        run = _get(session, run_id)
    if not report_runs.is_kept(run.state, run.ended_at, clock.now()):
        raise Conflict("This file is not kept any more." if run.state == "done" else "There is no file yet.")
    db.transact(
        partial(
            exports.record,
            actor=access.current_actor(),
            what=run.subject,
            file_format=ReportFormat(run.format),
            filters={"file": str(run.id), "report": run.name},
            rows=run.rows_done,
            is_whole=True,
            player_id=None,
            now=clock.now(),
        )
    )
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    answer = Response(_pieces(app, run.id), content_type=report_mail.MIME[run.format])
    answer.headers["Content-Length"] = str(run.size)
    answer.headers["Content-Disposition"] = f'attachment; filename="{_file_name(run)}"'
    answer.headers["X-Accel-Buffering"] = "no"
    return answer


def _pieces(app: Flask, run_id: int) -> Iterator[bytes]:
    """Each piece is read by itself, so that a slow reader keeps no connection."""
    number = 1
    while True:
        with app.app_context(), db.reading() as session:
            piece = report_runs.part(session, run_id=run_id, number=number)
        if piece is None:
            return
        yield piece
        number += 1


def _file_name(run: RunRow) -> str:
    """`daily-summary-20261121-0600-12.csv`: what, of when, its number."""
    zone = access.current_operator().timezone
    name = re.sub(r"[^a-z0-9]+", "-", run.name.lower()).strip("-") or run.subject
    return f"{name}-{clock.local(run.due_at or run.asked_at, zone):%Y%m%d-%H%M}-{run.id}.{run.format}"


def _get(session: Session, run_id: int) -> RunRow:
    return queries.get_run(session, actor=access.current_actor(), run_id=run_id)


def _expect_allowed(subject: str) -> None:
    """Raises Forbidden for the report of something that this person may not read."""
    source = report_subjects.SOURCES.get(subject)
    if source is not None and not access.current_actor().may(source.subject.verb):
        raise Forbidden("Your role cannot read this report.")


def _context(session: Session, run_id: int) -> dict[str, object]:
    run, now = _get(session, run_id), clock.now()
    return {
        "run": run,
        "label": _labels().get(run.subject, run.subject),
        "can_take": report_runs.is_kept(run.state, run.ended_at, now),
        "kept_until": run.ended_at + report_runs.KEPT if run.ended_at else None,
        "letters": queries.list_letters(session, run_id=run.id) if run.schedule_id else [],
        "has_mail": settings().smtp_url is not None,
        "has_worker": not run.is_busy or workers.has_worker(session, now=now),
    }


def _labels() -> dict[str, str]:
    return {name: source.subject.label for name, source in report_subjects.SOURCES.items()}


def _format() -> ReportFormat:
    try:
        return ReportFormat(request.form.get("format", ""))
    except ValueError:
        raise BadRequest from None
