"""A partner's statements: the list, and one with its lines and the rounds that stand behind it."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from dashboard import db
from dashboard.queries import earnings, statements
from dashboard.queries.earnings import EarningFilter
from dashboard.views import access, htmx
from dashboard.views.access import requires

bp = Blueprint("earnings_statements", __name__, url_prefix="/earnings/statements")


@bp.get("")
@requires("earnings:view")
def index() -> ResponseReturnValue:
    """All of them, the latest month first."""
    partner_id = access.current_partner_id()
    with db.partner_reading(partner_id) as session:
        rows = statements.list_statements(session, partner_id=partner_id)
    return render_template("earnings/statements.html", rows=rows)


@bp.get("/<int:statement_id>")
@requires("earnings:view")
def show(statement_id: int) -> ResponseReturnValue:
    """One: from what was carried over to what is payable; for htmx more of its rounds."""
    partner_id = access.current_partner_id()
    with db.partner_reading(partner_id) as session:
        found = statements.get_statement(session, statement_id=statement_id, partner_id=partner_id)
        page = earnings.page_of_rounds(
            session,
            partner_id=partner_id,
            wanted=EarningFilter(statement_id=statement_id),
            after=request.args.get("after", ""),
        )
        if htmx.wants_partial() and "after" in request.args:
            return render_template("earnings/_stated_rows.html", row=found.head, page=page)
        few = statements.few_players(session, found.head)
    return render_template("earnings/statement.html", row=found.head, lines=found.lines, page=page, few=few)
