"""Reports of moving in from other loyalty programmes."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from dashboard import db
from dashboard.queries import loyalty_imports as queries
from dashboard.views import access, htmx
from dashboard.views.access import requires

bp = Blueprint("loyalty_imports", __name__, url_prefix="/loyalty/imports")

LINES_SHOWN = 100
"""Of what a report refused or remarked; the command's own output has all of it."""


@bp.get("")
@requires("loyalty:view")
def index() -> ResponseReturnValue:
    """What moved in, the latest first; for htmx more rows of it."""
    after = request.args.get("after", "")
    with db.reading() as session:
        page = queries.page_of_reports(session, operator_id=access.current_operator().id, after=after)
    if htmx.wants_partial() and after:
        return render_template("loyalty/_import_rows.html", page=page)
    return render_template("loyalty/imports.html", page=page)


@bp.get("/<int:report_id>")
@requires("loyalty:view")
def show(report_id: int) -> ResponseReturnValue:
    """How the old balances became ours, what was refused, and every member; for htmx more members."""
    operator_id, after = access.current_operator().id, request.args.get("after", "")
    only_short = request.args.get("show") == "short"
    with db.reading() as session:
        report = queries.get_report(session, operator_id=operator_id, report_id=report_id)
        page = queries.page_of_members(
            session, operator_id=operator_id, run_id=report.run_id, only_short=only_short, after=after
        )
    context = {"report": report, "page": page, "only_short": only_short, "lines_shown": LINES_SHOWN}
    if htmx.wants_partial() and after:
        return render_template("loyalty/_moved_rows.html", **context)
    return render_template("loyalty/import.html", **context)
