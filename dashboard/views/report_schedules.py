"""Reports that are made by themselves: which, when, for whom."""

import datetime as dt
from functools import partial

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.config import settings
from dashboard.errors import Rejected
from dashboard.forms.report_schedules import ScheduleForm
from dashboard.models.report import Every
from dashboard.queries import report_runs as queries
from dashboard.queries import report_subjects, saved_reports
from dashboard.queries.report_runs import ScheduleRow
from dashboard.services import exports, report_files, report_schedules
from dashboard.views import access, htmx
from dashboard.views.access import requires

bp = Blueprint("report_schedules", __name__, url_prefix="/reports/schedules")

LATE_AFTER = dt.timedelta(minutes=2)
"""A worker looks four times a minute for what is due."""


@bp.get("")
@requires("reports:view")
def index() -> ResponseReturnValue:
    """What is made by itself, the next one first."""
    with db.reading() as session:
        schedules = queries.list_schedules(session, actor=access.current_actor())
        return render_template(
            "report_schedules/index.html",
            schedules=schedules,
            late_from=clock.now() - LATE_AFTER,
            has_mail=_has_mail(),
        )


@bp.get("/new")
@requires("reports:edit")
def new() -> ResponseReturnValue:
    """The form for another one."""
    with db.reading() as session:
        given = {"report": request.args.get("report", type=int)}
        return _form(session, ScheduleForm(formdata=None, data=given, reports=_reports(session)))


@bp.post("")
@requires("reports:edit")
def create() -> ResponseReturnValue:
    """Keep it."""
    with db.reading() as session:
        form = ScheduleForm(reports=_reports(session))
    if not form.validate():
        return _invalid(form)
    try:
        db.transact(
            partial(
                report_schedules.create,
                actor=access.current_actor(),
                report_id=form.report.data,
                file_format=form.file_format,
                timing=form.timing,
                mail_to=form.recipients,
                now=clock.now(),
            )
        )
    except Rejected as refused:
        form.show(refused)
        return _invalid(form)
    return htmx.redirect_with_toast(url_for("report_schedules.index"), "The report is made by itself now.")


@bp.get("/<int:schedule_id>/edit")
@requires("reports:edit")
def edit(schedule_id: int) -> ResponseReturnValue:
    """The form for changing one."""
    with db.reading() as session:
        schedule = _get(session, schedule_id)
        given = {
            "report": schedule.report_id,
            "format": schedule.format,
            "every": schedule.every,
            "weekday": schedule.on_day if schedule.every == Every.WEEK else 1,
            "day": schedule.on_day if schedule.every == Every.MONTH else 1,
            "at": f"{schedule.at:%H:%M}",
            "mail_to": "\n".join(schedule.mail_to),
        }
        form = ScheduleForm(formdata=None, data=given, reports=[(schedule.report_id, schedule.name)])
        return _form(session, form, schedule)


@bp.post("/<int:schedule_id>")
@requires("reports:edit")
def update(schedule_id: int) -> ResponseReturnValue:
    """Change it."""
    with db.reading() as session:
        schedule = _get(session, schedule_id)
    form = ScheduleForm(reports=[(schedule.report_id, schedule.name)])
    if not form.validate():
        return _invalid(form, schedule)
    try:
        db.transact(
            partial(
                report_schedules.change,
                actor=access.current_actor(),
                schedule_id=schedule_id,
                file_format=form.file_format,
                timing=form.timing,
                mail_to=form.recipients,
                now=clock.now(),
            )
        )
    except Rejected as refused:
        form.show(refused)
        return _invalid(form, schedule)
    return htmx.redirect_with_toast(url_for("report_schedules.index"), "The schedule is changed.")


@bp.post("/<int:schedule_id>/stop")
@requires("reports:edit")
def create_stop(schedule_id: int) -> ResponseReturnValue:
    """Make it no more; what it made stays."""
    db.transact(
        partial(report_schedules.stop, actor=access.current_actor(), schedule_id=schedule_id, now=clock.now())
    )
    said = "The schedule is stopped. What it made stays."
    return htmx.redirect_with_toast(url_for("report_schedules.index"), said, kind="info")


def _get(session: Session, schedule_id: int) -> ScheduleRow:
    return queries.get_schedule(session, actor=access.current_actor(), schedule_id=schedule_id)


def _reports(session: Session) -> list[tuple[int, str]]:
    """Those that this person can see, and whose subject they may read."""
    actor = access.current_actor()
    readable = {each.name for each in report_subjects.subjects_for(actor)}
    kept = saved_reports.list_reports(session, actor=actor)
    return [(row.id, row.name) for row in kept if row.subject in readable]


def _form(
    session: Session, form: ScheduleForm, schedule: ScheduleRow | None = None, status: int = 200
) -> Response:
    page = render_template(
        "report_schedules/edit.html",
        form=form,
        schedule=schedule,
        has_mail=_has_mail(),
        zone=access.current_operator().timezone,
        xlsx_rows_most=exports.XLSX_ROWS_MOST,
        pdf_rows_most=report_files.PDF_ROWS_MOST,
    )
    return make_response(page, status)


def _invalid(form: ScheduleForm, schedule: ScheduleRow | None = None) -> Response:
    with db.reading() as session:
        return _form(session, form, schedule, 422)


def _has_mail() -> bool:
    return settings().smtp_url is not None
