"""A settled round that somebody wants voided or corrected: what waits on it, and deciding it."""

from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, live
from dashboard.errors import Conflict, PurserError, Rejected
from dashboard.forms.approvals import APPROVE, DecisionForm
from dashboard.queries import round_requests as queries
from dashboard.queries import rounds as round_queries
from dashboard.queries.round_requests import RoundRequestRow
from dashboard.services import round_requests, rounds, rule_sets
from dashboard.views import access, htmx
from dashboard.views.access import requires
from dashboard.views.rounds import deal_of, wanted_deal

bp = Blueprint("round_requests", __name__, url_prefix="/rounds/<int:round_id>")


@bp.get("/request")
@requires("games:view")
def show_waiting(round_id: int) -> ResponseReturnValue:
    """What waits on the round, for a page that keeps itself fresh."""
    if not htmx.wants_partial():
        return redirect(url_for("rounds.show", round_id=round_id), 303)
    with db.reading() as session:
        operator_id = access.current_operator().id
        played = round_queries.get_round(session, operator_id=operator_id, round_id=round_id)
        waiting = queries.find_waiting(session, operator_id=operator_id, round_id=round_id)
    return render_template(
        "round_requests/_waiting.html",
        round=played,
        waiting=waiting,
        wanted=wanted_deal(waiting, rule_sets.read(played.definition)),
        seen=request.args.get("seen", played.version, type=int),
    )


@bp.get("/requests/<int:request_id>")
@requires("games:view")
def show(round_id: int, request_id: int) -> ResponseReturnValue:
    """One request in full, with the form that decides it."""
    return _detail(round_id, request_id, DecisionForm(formdata=None))


@bp.post("/requests/<int:request_id>/decision")
@requires("approvals:decide")
def create_decision(round_id: int, request_id: int) -> ResponseReturnValue:
    """Approve or decline, as a second person. Of several who decide at once the first one stands."""
    form, who, now = DecisionForm(), access.current_actor(), clock.now()
    with db.reading() as session:
        row = _read(session, round_id, request_id)
    if not form.validate():
        return _detail(round_id, request_id, form, 422)
    named: dict[str, Any] = {
        "request_id": request_id,
        "reason": form.reason.data,
        "actor": who,
        "now": now,
    }
    is_approved = form.decision.data == APPROVE
    try:
        if is_approved:
            round_requests.approve(db.transact, **named)
        else:
            db.transact(lambda session: round_requests.decline(session, **named))
    except (Conflict, Rejected) as refused:
        form.show(PurserError(refused.message))
        return _detail(round_id, request_id, form, 409 if isinstance(refused, Conflict) else 422)
    live.tell(live.approvals_of(who.operator_id))
    if is_approved:
        tell_settled(round_id)
    location = url_for("rounds.show", round_id=round_id)
    return htmx.redirect_with_toast(location, _said(row, is_approved=is_approved))


def tell_settled(round_id: int) -> None:
    """Tell open pages of everybody whom the settlement of that round has paid."""
    with db.reading() as session:
        told = rounds.who_is_told(session, round_id)
    live.tell_settled(**told)


def _said(row: RoundRequestRow, *, is_approved: bool) -> str:
    if not is_approved:
        return f"Declined: round {row.number} stays as it is."
    if row.is_void:
        return f"Round {row.number} is void: every stake was given back."
    return f"Round {row.number} is settled anew."


def _detail(round_id: int, request_id: int, form: DecisionForm, status: int = 200) -> Response:
    with db.reading() as session:
        row = _read(session, round_id, request_id)
        operator_id = access.current_operator().id
        played = round_queries.get_round(session, operator_id=operator_id, round_id=round_id)
        rules = rule_sets.read(played.definition)
        template = "_request.html" if htmx.wants_partial() else "show.html"
        page = render_template(
            f"round_requests/{template}",
            row=row,
            round=played,
            deal=deal_of(played, rules),
            wanted=wanted_deal(row, rules),
            form=form,
        )
    return make_response(page, status)


def _read(session: Session, round_id: int, request_id: int) -> RoundRequestRow:
    operator_id = access.current_operator().id
    return queries.get_request(session, operator_id=operator_id, round_id=round_id, request_id=request_id)
