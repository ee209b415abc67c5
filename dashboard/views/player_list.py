"""The list of players: search, filters, one row for each."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.forms.player_list import PlayerFilterForm
from dashboard.queries import player_list as queries
from dashboard.queries import staff
from dashboard.views import access, htmx, lists
from dashboard.views.access import requires

bp = Blueprint("player_list", __name__, url_prefix="/players")


@bp.get("")
@requires("players:view")
def index() -> ResponseReturnValue:
    """The page; for htmx the list, or more rows of it. What is exactly one player's handle opens them."""
    with db.reading() as session:
        if htmx.wants_partial():
            return _part(session)
        search = request.args.get("q", "")
        operator_id = access.current_operator().id
        player_id = queries.find_only(session, operator_id=operator_id, search=search)
        if player_id is not None and "after" not in request.args:
            return redirect(url_for("players.show", player_id=player_id), 303)
        return render_template("player_list/index.html", **_context(session))


def _part(session: Session) -> ResponseReturnValue:
    context = _context(session)
    if "after" in request.args:
        return render_template("player_list/_player_rows.html", **context)
    answer = make_response(render_template("player_list/_players.html", **context))
    return lists.with_address(answer, "player_list.index", context["form"])


def _context(session: Session) -> dict[str, Any]:
    operator = access.current_operator()
    names = staff.names_by_id(session, operator_id=operator.id)
    form = filter_form(names)
    wanted = form.wanted()
    total = queries.count_players(session, operator_id=operator.id, wanted=wanted)
    page = queries.page_of_players(
        session,
        operator_id=operator.id,
        currency=operator.currency,
        wanted=wanted,
        total=total,
        after=request.args.get("after", ""),
    )
    return {"form": form, "page": page, "names": names, "total": total, "count_max": queries.COUNT_MAX}


def filter_form(names: Mapping[int, str]) -> PlayerFilterForm:
    """The filters of the list as the URL has them."""
    form = PlayerFilterForm(request.args, names=names, me=access.current_actor().id)
    form.validate()
    return form
