"""A large adjustment of points that waits for a second person: one in full, and deciding it."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError

from dashboard import clock, db, live
from dashboard.errors import Conflict, PurserError, Rejected
from dashboard.forms.approvals import APPROVE, DecisionForm
from dashboard.queries import points_requests as queries
from dashboard.queries.points_requests import PointsRequestRow
from dashboard.services import points_requests
from dashboard.services.points import Done
from dashboard.views import access, approvals, htmx, member_outcome
from dashboard.views.access import requires
from dashboard.views.member_outcome import Outcome

bp = Blueprint(
    "points_requests",
    __name__,
    url_prefix="/players/<int:player_id>/loyalty/requests/<int:request_id>",
)


@dataclass(frozen=True)
class Prospect:
    """What approving would do now, as whoever looks; or why it cannot be done."""

    outcome: Outcome | None = None
    barred: str = ""
    busy: bool = False


@bp.get("")
@requires("approvals:view")
def show(player_id: int, request_id: int) -> ResponseReturnValue:
    """One request in full, with what approving it would do now and the form that decides it."""
    return _detail(player_id, request_id, DecisionForm(formdata=None))


@bp.get("/prospect")
@requires("approvals:view")
def show_prospect(player_id: int, request_id: int) -> ResponseReturnValue:
    """What approving it would do now, for a page that keeps itself fresh."""
    if not htmx.wants_partial():
        return redirect(url_for("points_requests.show", player_id=player_id, request_id=request_id), 303)
    row = _read(player_id, request_id)
    return render_template("points_requests/_points_prospect.html", row=row, prospect=_prospect(row))


@bp.post("/decision")
@requires("approvals:decide")
def create_decision(player_id: int, request_id: int) -> ResponseReturnValue:
    """Approve or decline, as a second person. Of several who decide at once the first one stands."""
    form, who = DecisionForm(), access.current_actor()
    row = _read(player_id, request_id)
    if not form.validate():
        return _detail(player_id, request_id, form, 422)
    named = {**_named(row), "reason": form.reason.data or ""}
    is_approved = form.decision.data == APPROVE
    done: Done | None = None
    try:
        if is_approved:
            done = db.transact(lambda session: points_requests.approve(session, **named))
        else:
            db.transact(lambda session: points_requests.decline(session, **named))
    except (Conflict, Rejected) as refused:
        form.show(PurserError(refused.message))
        return _detail(player_id, request_id, form, 409 if isinstance(refused, Conflict) else 422)
    live.tell_request(operator_id=who.operator_id, player_id=player_id)
    return _decided(row, done)


def _decided(row: PointsRequestRow, done: Done | None) -> Response:
    said = (
        f"{'Declined' if done is None else 'Approved'}: what {row.requester} asked for on {row.player_name}."
    )
    href = url_for("points_requests.show", player_id=row.player_id, request_id=row.id)
    link = {"href": href, "link": "Request"}
    if done is not None:
        sequence = done.entry.sequence
        href = url_for("members.show_entry", player_id=row.player_id, sequence=sequence)
        link = {"href": href, "link": f"Entry {sequence}"}
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(url_for("approvals.index"), said, **link)
    # An answer without content: what stands open fetches itself anew.
    answer = htmx.with_toast(make_response("", 204), said, **link)
    return htmx.trigger(htmx.trigger(answer, "dialog:close"), "live:approvals")


def _detail(player_id: int, request_id: int, form: DecisionForm, status: int = 200) -> Response:
    row = _read(player_id, request_id)
    template = "points_requests/_points_request.html" if htmx.wants_partial() else "points_requests/show.html"
    return make_response(render_template(template, row=row, prospect=_prospect(row), form=form), status)


def _read(player_id: int, request_id: int) -> PointsRequestRow:
    with db.reading() as session:
        return queries.get_request(
            session,
            operator_id=access.current_operator().id,
            player_id=player_id,
            request_id=request_id,
            only_of=approvals.only_of(),
        )


def _prospect(row: PointsRequestRow) -> Prospect | None:
    """By the approving code itself, in a transaction that is always rolled back; None for what has ended."""
    if row.state != "waiting":
        return None
    try:
        with db.rehearsing(lock_timeout_ms=approvals.LOCK_TIMEOUT_MS) as session:
            done = points_requests.approve(session, **_named(row), reason="Rehearsed")
            return Prospect(member_outcome.of(done, access.current_operator().currency))
    except (Conflict, Rejected) as refused:
        return Prospect(barred=refused.message)
    except OperationalError as error:
        if not db.is_lock_held(error):
            raise
        return Prospect(busy=True)


def _named(row: PointsRequestRow) -> dict[str, Any]:
    return {
        "player_id": row.player_id,
        "request_id": row.id,
        "actor": access.current_actor(),
        "now": clock.now(),
    }
