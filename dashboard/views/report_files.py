"""Reports to take along: as lists are, and as a document with title, filters, totals and page numbers."""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.models.operator import MoneyMode
from dashboard.models.report import ReportFormat
from dashboard.queries import reports as queries
from dashboard.queries.report_runs import House
from dashboard.services import documents, exports, report_documents, report_files
from dashboard.services.report_files import PDF_ROWS_MOST
from dashboard.views import access, reports
from dashboard.views import exports as downloads
from dashboard.views.access import requires
from dashboard.views.exports import Wanted
from dashboard.views.reports import Asked

bp = Blueprint("report_files", __name__, url_prefix="/reports")


@bp.post("/<report_subject:subject>/exports")
@requires("data:export")
def create_export(subject: str) -> ResponseReturnValue:
    """Every row, as CSV or XLSX."""

    def ask(session: Session) -> Wanted:
        asked = reports.ask(session, subject)
        return Wanted(
            subject,
            asked.form,
            report_files.columns(asked.definition, asked.subject),
            queries.listing(asked.definition, asked.bounds),
            about=[said for said in _about(asked) if said[0] != "Filters"],
        )

    return downloads.answer(ask)


@bp.post("/<report_subject:subject>/documents")
@requires("data:export")
def create_document(subject: str) -> ResponseReturnValue:
    """The same as PDF, up to so many rows."""
    now, actor, zone = clock.now(), access.current_actor(), access.current_operator().timezone
    with db.reading() as session:
        asked = reports.ask(session, subject)
        listing = queries.listing(asked.definition, asked.bounds)
        if listing.count(session, PDF_ROWS_MOST + 1) > PDF_ROWS_MOST:
            raise report_files.TooLong
        rows = list(listing.read(session))
        totals = queries.totals(session, asked.definition, asked.bounds)
    data = report_documents.data_of(
        reports.title_of(asked),
        asked.definition,
        asked.subject,
        asked.bounds,
        rows=rows,
        totals=totals,
        house=house(),
        made_by=actor.name,
        made_at=now,
    )
    pdf = documents.typeset(documents.REPORT, data, made_at=now)
    with db.writing() as session:
        exports.record(
            session,
            actor,
            what=subject,
            file_format=ReportFormat.PDF,
            filters=asked.form.filters(),
            rows=len(rows),
            is_whole=True,
            player_id=None,
            now=now,
        )
    return document(pdf, f"{subject}-{clock.local(now, zone):%Y%m%d-%H%M%S}")


def document(pdf: bytes, name: str) -> Response:
    """A PDF as an answer."""
    answer = Response(pdf, mimetype="application/pdf")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.pdf"'
    return answer


def house() -> House:
    """What documents say of the operator at whose desk somebody works."""
    operator = access.current_operator()
    return House(operator.name, operator.timezone, operator.currency, operator.money == MoneyMode.PLAY)


def _about(asked: Asked) -> list[tuple[str, str]]:
    return report_documents.about(reports.title_of(asked), asked.definition, asked.subject, asked.bounds)
