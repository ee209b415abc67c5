"""Reports: what there is, putting one together with a preview, and keeping it under a name."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.clock import Span
from dashboard.errors import NotFound, Rejected
from dashboard.forms import reports as forms
from dashboard.forms.reports import ReportForm, SavedReportForm
from dashboard.queries import bonus_offers, report_subjects, saved_reports
from dashboard.queries import reports as queries
from dashboard.queries.reports import Bounds
from dashboard.queries.saved_reports import SavedRow
from dashboard.services import report_definitions, report_documents, reports
from dashboard.services.report_definitions import Definition, Subject
from dashboard.views import access, htmx
from dashboard.views.access import requires

bp = Blueprint("reports", __name__, url_prefix="/reports")
bp.add_app_template_filter(report_documents.day_words)


@dataclass(frozen=True, slots=True)
class Asked:
    """A report as a request asks for it."""

    form: ReportForm
    definition: Definition
    subject: Subject
    bounds: Bounds
    saved: SavedRow | None
    """The kept one that it was begun from."""

    @property
    def query(self) -> dict[str, str]:
        """All of it that stands in the URL."""
        return {**self.form.asked(), **({"saved": str(self.saved.id)} if self.saved else {})}


@bp.get("")
@requires("reports:view")
def index() -> ResponseReturnValue:
    """The ready-made reports, and those that are kept."""
    actor = access.current_actor()
    with db.reading() as session:
        kept = saved_reports.list_reports(session, actor=actor)
        subjects = {each.name: each for each in report_subjects.subjects_for(actor)}
        return render_template(
            "reports/index.html",
            subjects=list(subjects.values()),
            kept=[row for row in kept if row.subject in subjects],
            labels={name: each.label for name, each in subjects.items()},
        )


@bp.get("/<report_subject:subject>")
@requires("reports:view")
def show(subject: str) -> ResponseReturnValue:
    """A report being put together; for htmx the preview."""
    with db.reading() as session:
        asked = ask(session, subject)
        return _answer(session, asked)


@bp.get("/saved/<int:report_id>")
@requires("reports:view")
def show_saved(report_id: int) -> ResponseReturnValue:
    """A report that is kept, as it was put together."""
    with db.reading() as session:
        saved = saved_reports.get_report(session, actor=access.current_actor(), report_id=report_id)
        subject = _subject(saved.subject)
        definition = report_definitions.read(saved.definition)
        form = _form(session, subject, forms.given_by(definition, subject))
        return _answer(session, _asked(form, saved))


@bp.get("/<report_subject:subject>/saved/new")
@requires("reports:edit")
def new_saved(subject: str) -> ResponseReturnValue:
    """The form for keeping what one looks at, as a dialog or a page."""
    with db.reading() as session:
        return _dialog("new", ask(session, subject), SavedReportForm(formdata=None))


@bp.post("/<report_subject:subject>/saved")
@requires("reports:edit")
def create_saved(subject: str) -> ResponseReturnValue:
    """Keep it."""
    form = SavedReportForm()
    with db.reading() as session:
        asked = ask(session, subject)
        if not form.validate():
            return make_response(_dialog("new", asked, form), 422)
    try:
        report_id = db.transact(
            partial(
                reports.create,
                actor=access.current_actor(),
                name=form.name.data or "",
                definition=asked.definition,
                is_shared=bool(form.is_shared.data),
                now=clock.now(),
            )
        )
    except Rejected as error:
        return _refused("new", asked, form, error)
    return _kept(report_id, f"The report “{form.name.data}” is kept.")


@bp.get("/<report_subject:subject>/saved/<int:report_id>/edit")
@requires("reports:edit")
def edit_saved(subject: str, report_id: int) -> ResponseReturnValue:
    """The form for one of one's own: its name and readers, keeping it as it stands now, taking it away."""
    with db.reading() as session:
        saved = saved_reports.get_own(session, actor=access.current_actor(), report_id=report_id)
        asked = ask(session, subject)
        form = SavedReportForm(formdata=None, data={"name": saved.name, "is_shared": saved.is_shared})
        return _dialog("edit", asked, form, report_id)


@bp.post("/<report_subject:subject>/saved/<int:report_id>")
@requires("reports:edit")
def update_saved(subject: str, report_id: int) -> ResponseReturnValue:
    """Keep it as it stands now."""
    form = SavedReportForm()
    with db.reading() as session:
        saved_reports.get_own(session, actor=access.current_actor(), report_id=report_id)
        asked = ask(session, subject)
        if not form.validate():
            return make_response(_dialog("edit", asked, form, report_id), 422)
    try:
        db.transact(
            partial(
                reports.change,
                actor=access.current_actor(),
                report_id=report_id,
                name=form.name.data or "",
                definition=asked.definition,
                is_shared=bool(form.is_shared.data),
                now=clock.now(),
            )
        )
    except Rejected as error:
        return _refused("edit", asked, form, error, report_id)
    return _kept(report_id, f"The report “{form.name.data}” is changed.")


@bp.post("/saved/<int:report_id>/removal")
@requires("reports:edit")
def create_removal(report_id: int) -> ResponseReturnValue:
    """Take it away."""
    with db.writing() as session:
        reports.remove(session, actor=access.current_actor(), report_id=report_id, now=clock.now())
    return htmx.redirect_with_toast(url_for("reports.index"), "The report is deleted.")


@bp.app_template_filter("span_words")
def span_words(span: Span) -> str:
    """A period in the operator's zone, in words."""
    return report_documents.span_words(span, access.current_operator().timezone)


def ask(session: Session, subject: str) -> Asked:
    """What this request asks for, where whoever asks may have it. Raises NotFound."""
    found = _subject(subject)
    return _asked(_form(session, found, request.args), _begun_from(session, found))


def title_of(asked: Asked) -> str:
    """What the report is called."""
    return asked.saved.name if asked.saved else asked.subject.label


def address_of(asked: Asked, endpoint: str = "reports.show", **values: Any) -> str:
    """The address of a report, with all that was chosen."""
    return address_with(endpoint, asked.query, subject=asked.subject.name, **values)


@bp.app_template_global("address_with")
def address_with(endpoint: str, query: Mapping[str, str], **values: Any) -> str:
    """An address with what is not empty of `query` behind it."""
    written = forms.written(query)
    return url_for(endpoint, **values) + (f"?{written}" if written else "")


def _subject(name: str) -> Subject:
    source = report_subjects.SOURCES.get(name)
    if source is None or not access.current_actor().may(source.subject.verb):
        raise NotFound("There is no such report.")
    return source.subject


def _form(session: Session, subject: Subject, given: object) -> ReportForm:
    operator_id = access.current_operator().id
    currencies = (
        bonus_offers.list_currencies(session, operator_id=operator_id) if subject.has_currency else []
    )
    form = forms.form_of(subject, given, currencies=currencies)
    form.validate()
    return form


def _begun_from(session: Session, subject: Subject) -> SavedRow | None:
    report_id = request.args.get("saved", type=int)
    if report_id is None or not 0 < report_id < 2**63:
        return None
    try:
        found = saved_reports.get_report(session, actor=access.current_actor(), report_id=report_id)
    except NotFound:
        return None
    return found if found.subject == subject.name else None


def _asked(form: ReportForm, saved: SavedRow | None) -> Asked:
    operator = access.current_operator()
    definition = form.wanted()
    within = queries.bounds(
        definition,
        operator_id=operator.id,
        timezone=operator.timezone,
        currency=operator.currency,
        now=clock.now(),
    )
    return Asked(form, definition, form.subject, within, saved)


def _answer(session: Session, asked: Asked) -> Response:
    is_part = htmx.wants_partial()
    answer = make_response(
        render_template(
            "reports/_report_preview.html" if is_part else "reports/show.html",
            asked=asked,
            form=asked.form,
            subject=asked.subject,
            saved=asked.saved,
            columns=report_definitions.shown(asked.definition, asked.subject),
            preview=queries.preview(session, asked.definition, asked.bounds),
            preview_rows=queries.PREVIEW_ROWS,
            count_max=queries.COUNT_MOST,
            address_of=address_of,
            title_of=title_of,
            definition_text=report_definitions.write(asked.definition),
        )
    )
    if is_part:
        answer.headers["HX-Push-Url"] = address_of(asked)
    return answer


def _dialog(what: str, asked: Asked, form: SavedReportForm, report_id: int | None = None) -> str:
    template = f"reports/_{what}.html" if htmx.wants_partial() else f"reports/{what}.html"
    return render_template(
        template, form=form, asked=asked, report_id=report_id, back=address_of(asked), address_of=address_of
    )


def _refused(
    what: str, asked: Asked, form: SavedReportForm, error: Rejected, report_id: int | None = None
) -> Response:
    form.show(error)
    return make_response(_dialog(what, asked, form, report_id), 422)


def _kept(report_id: int, message: str) -> Response:
    return htmx.redirect_with_toast(url_for("reports.show_saved", report_id=report_id), message)
