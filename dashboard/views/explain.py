"""Why a balance is what it is."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from dashboard import clock, db
from dashboard.queries import explain
from dashboard.views import htmx, player_page
from dashboard.views.access import requires

bp = Blueprint("explain", __name__, url_prefix="/players/<int:player_id>")


@bp.get("/explanation")
@requires("players:view")
def show(player_id: int) -> ResponseReturnValue:
    """What one balance is made of; as a dialog for htmx, as a page for everybody else."""
    with db.reading() as session:
        explanation = explain.explain(
            session,
            player_id=player_id,
            currency=player_page.asked_currency(),
            operator_id=player_page.operator_id(),
        )
        template = "explain/_explanation.html" if htmx.wants_partial() else "explain/show.html"
        return render_template(template, explanation=explanation, now=clock.now())
