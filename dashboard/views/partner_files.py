"""What staff take along about a partner: earnings with real figures beside, statements, a statement as PDF.

And the script that recomputes statements from these files, which needs nothing of Purser.
"""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.config import ROOT
from dashboard.queries import partner_figures, statements
from dashboard.views import access, exports, partner_earnings, partner_pages, partner_sheets, statement_files
from dashboard.views.access import requires
from dashboard.views.exports import Wanted

bp = Blueprint("partner_files", __name__, url_prefix="/partners")

SCRIPT = ROOT / "dashboard" / "verifier" / "verify_statement.py"


@bp.post("/<int:partner_id>/earnings/exports")
@requires("data:export")
def create_earnings(partner_id: int) -> ResponseReturnValue:
    """Earnings by the filters of their list."""

    def ask(session: Session) -> Wanted:
        form = partner_earnings.filter_form(session, partner_pages.get(session, partner_id))
        listing = partner_figures.all_earnings(partner_id=partner_id, wanted=form.wanted())
        return Wanted(f"partner-{partner_id}-earnings", form, partner_sheets.earnings(partner_id), listing)

    return exports.answer(ask)


@bp.post("/<int:partner_id>/statements/exports")
@requires("data:export")
def create_statements(partner_id: int) -> ResponseReturnValue:
    """Every statement, one a row."""

    def ask(session: Session) -> Wanted:
        partner_pages.get(session, partner_id)
        listing = statements.all_statements(partner_id=partner_id)
        return Wanted(f"partner-{partner_id}-statements", None, partner_sheets.statements(), listing)

    return exports.answer(ask)


@bp.get("/statements/<int:statement_id>.pdf")
@requires("partners:view")
def show_statement(statement_id: int) -> Response:
    """One statement, typeset as for the partner, and who closed and decided it."""
    operator_id = access.current_operator().id
    with db.reading() as session:
        signed = statements.get_signatures(session, statement_id=statement_id, operator_id=operator_id)
        whose = signed.partner_id
        content = statement_files.content(
            session,
            statements.get_statement(session, statement_id=statement_id, partner_id=whose),
            partner_name=signed.partner_name,
            terms=statements.disclosed_terms(session, partner_id=whose),
            games=partner_figures.list_games(session, operator_id=operator_id),
            signatures=signed,
        )
    return statement_files.document(content)


@bp.get("/statements/verifier")
@requires("partners:view")
def show_script() -> Response:
    """The stand-alone script that recomputes statements from the files of this page."""
    answer = Response(SCRIPT.read_bytes(), mimetype="text/x-python")
    answer.headers["Content-Disposition"] = f'attachment; filename="{SCRIPT.name}"'
    return answer
