"""The loyalty programme: its figures."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from dashboard.views.access import requires

bp = Blueprint("loyalty", __name__, url_prefix="/loyalty")


@bp.get("")
@requires("loyalty:view")
def index() -> ResponseReturnValue:
    """How the programme stands."""
    return render_template("loyalty/index.html")
