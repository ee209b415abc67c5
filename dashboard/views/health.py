"""For whoever watches over the process: is it there, and can it work?"""

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from dashboard import db
from dashboard.views.access import public

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@public
def live() -> ResponseReturnValue:
    """The process answers; asks nothing of the database."""
    return {"ok": True}


@bp.get("/readyz")
@public
def ready() -> ResponseReturnValue:
    """The database answers too; 503 where it does not."""
    with db.reading() as session:
        session.execute(text("SELECT 1"))
    return {"ok": True}
