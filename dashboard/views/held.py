"""Changes that their maker may still take back: posting them at once, or ending them with nothing posted."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, make_response, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, live, money
from dashboard.errors import Conflict, Rejected
from dashboard.services import change_requests
from dashboard.services.journal import Entry
from dashboard.views import access, htmx, player_page
from dashboard.views.access import requires

bp = Blueprint("held", __name__, url_prefix="/players/<int:player_id>/held")


@bp.get("")
@requires("players:view")
def index(player_id: int) -> ResponseReturnValue:
    """What is held on a player, for a page that keeps itself fresh."""
    if not htmx.wants_partial():
        return player_page.redirect_to_page(player_id)
    return _strip(player_id)


@bp.post("/<int:request_id>/post")
@requires("balances:adjust")
def create_entry(player_id: int, request_id: int) -> ResponseReturnValue:
    """Post it now instead of when its time comes."""

    def post(session: Session, **named: Any) -> Entry:
        return change_requests.post_held(session, **named).entry

    return _end(player_id, request_id, post)


@bp.post("/<int:request_id>/take-back")
@requires("balances:adjust")
def create_taking_back(player_id: int, request_id: int) -> ResponseReturnValue:
    """End it with nothing posted."""
    return _end(player_id, request_id, change_requests.take_back)


def _end(player_id: int, request_id: int, service: Callable[..., Entry | None]) -> ResponseReturnValue:
    who = access.current_actor()
    try:
        entry = db.transact(
            lambda session: service(
                session, player_id=player_id, request_id=request_id, actor=who, now=clock.now()
            )
        )
    except (Conflict, Rejected) as refused:
        if not htmx.wants_partial():
            raise
        return _strip(player_id, 409 if isinstance(refused, Conflict) else 422, refused.message)
    live.tell_player(operator_id=who.operator_id, player_id=player_id)
    return _ended(player_id, entry)


def _ended(player_id: int, entry: Entry | None) -> Response:
    said, link = "Taken back: nothing was posted.", {}
    if entry is not None:
        amount = f"{money.show(entry.real_delta, entry.currency, signed=True)} {entry.currency}"
        said = f"Posted: {amount}."
        link = {"href": player_page.entry_url(entry), "link": f"Entry {entry.sequence}"}
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(
            player_page.player_url(player_id, entry.currency if entry else None), said, **link
        )
    answer = htmx.with_toast(_strip(player_id), said, **link)
    # Figures, alerts and journal fetch themselves anew.
    return htmx.trigger(htmx.trigger(answer, "live:player"), "journal:grown")


def _strip(player_id: int, status: int = 200, refused: str = "") -> Response:
    with db.reading() as session:
        page = player_page.get_page(session, player_id)
    return make_response(render_template("players/_held.html", page=page, refused=refused), status)
