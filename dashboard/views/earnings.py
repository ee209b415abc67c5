"""What a partner sees: their own earnings, and nothing of the desk."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from dashboard.views.access import requires

bp = Blueprint("earnings", __name__, url_prefix="/earnings")


@bp.get("")
@requires("earnings:view")
def index() -> ResponseReturnValue:
    """The partner's statements."""
    return render_template("earnings/index.html")
