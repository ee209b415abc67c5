"""The inbox of what waits for a second person, and deciding it."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from dashboard import clock, db, live
from dashboard.errors import Conflict, PurserError, Rejected
from dashboard.forms.approvals import APPROVE, DecisionForm, RequestFilterForm
from dashboard.models.change_request import RequestState
from dashboard.queries import approvals as queries
from dashboard.queries import points_requests, round_requests, staff
from dashboard.queries.alerts import find_player_name
from dashboard.queries.approvals import RequestRow
from dashboard.queries.points_requests import PointsRequestRow
from dashboard.queries.round_requests import RoundRequestRow
from dashboard.services import change_requests
from dashboard.services.changes import BalanceChange, ChangeRefused
from dashboard.services.vip import Problem
from dashboard.views import access, htmx, lists
from dashboard.views.access import requires

bp = Blueprint("approvals", __name__, url_prefix="/approvals")

LOCK_TIMEOUT_MS = 200
_REHEARSED = "Rehearsed"


@dataclass(frozen=True)
class Prospect:
    """What approving a waiting request would do now, as whoever looks; or why it cannot be done."""

    change: BalanceChange | None = None
    """None too where no money moves."""
    problems: tuple[Problem, ...] = ()
    """What the rules say against it now."""
    barred: str = ""
    """Why this person cannot approve it, whatever the rules say."""
    busy: bool = False
    """Somebody holds the balance at this moment."""

    @property
    def can_be_approved(self) -> bool:
        """Whether nothing is in its way."""
        return not (self.problems or self.barred or self.busy)


@bp.get("")
@requires("approvals:view")
def index() -> ResponseReturnValue:
    """The page; for htmx the list as far as it is open, or more rows of it."""
    with db.reading() as session:
        context = _context(session)
        if not htmx.wants_partial():
            return render_template("approvals/index.html", **context)
        if "after" in request.args:
            return render_template("approvals/_request_rows.html", **context)
        answer = make_response(render_template("approvals/_requests.html", **context))
    return lists.with_address(answer, "approvals.index", context["form"])


@bp.get("/count")
@requires("approvals:view")
def show_count() -> ResponseReturnValue:
    """How many wait for whoever asks, for the navigation of a page that keeps itself fresh."""
    if not htmx.wants_partial():
        return lists.whole_page("approvals.index")
    return render_template("approvals/_approval_count.html")


@bp.get("/rounds")
@requires("approvals:view")
def show_rounds() -> ResponseReturnValue:
    """Settled rounds that wait, for a page that keeps itself fresh."""
    if not htmx.wants_partial():
        return lists.whole_page("approvals.index")
    with db.reading() as session:
        return render_template("approvals/_rounds.html", waiting_rounds=_rounds(session))


@bp.get("/points")
@requires("approvals:view")
def show_points() -> ResponseReturnValue:
    """Adjustments of points that wait, for a page that keeps itself fresh."""
    if not htmx.wants_partial():
        return lists.whole_page("approvals.index")
    with db.reading() as session:
        return render_template("approvals/_points.html", waiting_points=_points(session))


@bp.get("/<int:player_id>/<int:request_id>")
@requires("approvals:view")
def show(player_id: int, request_id: int) -> ResponseReturnValue:
    """One request in full, with what approving it would do now and the form that decides it."""
    return _detail(player_id, request_id, DecisionForm(formdata=None))


@bp.get("/<int:player_id>/<int:request_id>/prospect")
@requires("approvals:view")
def show_prospect(player_id: int, request_id: int) -> ResponseReturnValue:
    """What approving it would do now, for a page that keeps itself fresh."""
    if not htmx.wants_partial():
        return redirect(url_for("approvals.show", player_id=player_id, request_id=request_id), 303)
    row = _read(player_id, request_id)
    return render_template("approvals/_prospect.html", row=row, prospect=_prospect(row))


@bp.post("/<int:player_id>/<int:request_id>/decision")
@requires("approvals:decide")
def create_decision(player_id: int, request_id: int) -> ResponseReturnValue:
    """Approve or decline, as a second person. Of several who decide at once the first one stands."""
    form, who = DecisionForm(), access.current_actor()
    row = _read(player_id, request_id)
    if not form.validate():
        return _detail(player_id, request_id, form, 422)
    named: dict[str, Any] = {
        "player_id": player_id,
        "request_id": request_id,
        "reason": form.reason.data,
        "actor": who,
        "now": clock.now(),
    }
    is_approved = form.decision.data == APPROVE
    change = None
    try:
        if is_approved:
            change = db.transact(lambda session: change_requests.approve(session, **named))
        else:
            db.transact(lambda session: change_requests.decline(session, **named))
    except (Conflict, Rejected) as refused:
        form.show(PurserError(refused.message))
        return _detail(player_id, request_id, form, 409 if isinstance(refused, Conflict) else 422)
    live.tell_request(operator_id=who.operator_id, player_id=player_id)
    if row.to_player_id is not None:
        live.tell(live.player(row.to_player_id))
    return _decided(row, change, is_approved=is_approved)


def _decided(row: RequestRow, change: BalanceChange | None, *, is_approved: bool) -> Response:
    said = (
        f"{'Approved' if is_approved else 'Declined'}: what {row.requester} asked for on {row.player_name}."
    )
    link = {"href": url_for("approvals.show", player_id=row.player_id, request_id=row.id), "link": "Request"}
    if change is not None:
        entry = change.entry
        href = url_for(
            "wallets.show_entry",
            player_id=entry.player_id,
            currency=entry.currency,
            sequence=entry.sequence,
        )
        link = {"href": href, "link": f"Entry {entry.sequence}"}
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(url_for("approvals.index"), said, **link)
    # An answer without content: what stands open fetches itself anew.
    answer = htmx.with_toast(make_response("", 204), said, **link)
    return htmx.trigger(htmx.trigger(answer, "dialog:close"), "live:approvals")


def _detail(player_id: int, request_id: int, form: DecisionForm, status: int = 200) -> Response:
    row = _read(player_id, request_id)
    template = "approvals/_request.html" if htmx.wants_partial() else "approvals/show.html"
    return make_response(render_template(template, row=row, prospect=_prospect(row), form=form), status)


def _read(player_id: int, request_id: int) -> RequestRow:
    who = access.current_actor()
    with db.reading() as session:
        return queries.get_request(
            session,
            operator_id=who.operator_id,
            player_id=player_id,
            request_id=request_id,
            only_of=only_of(),
        )


def only_of() -> int | None:
    """Whose requests alone an agent sees: their own."""
    who = access.current_actor()
    return None if who.may("approvals:decide") or who.may("audit:view") else who.id


def _prospect(row: RequestRow) -> Prospect | None:
    """By the approving code itself, in a transaction that is always rolled back; None for what has ended."""
    if row.state != RequestState.WAITING:
        return None
    try:
        with db.rehearsing(lock_timeout_ms=LOCK_TIMEOUT_MS) as session:
            change = change_requests.approve(
                session,
                player_id=row.player_id,
                request_id=row.id,
                reason=_REHEARSED,
                actor=access.current_actor(),
                now=clock.now(),
            )
    except ChangeRefused as refused:
        return Prospect(problems=tuple(refused.judgement.validation.errors))
    except (Conflict, Rejected) as refused:
        return Prospect(barred=refused.message)
    except OperationalError as error:
        if not db.is_lock_held(error):
            raise
        return Prospect(busy=True)
    return Prospect(change)


def _context(session: Session) -> dict[str, Any]:
    who = access.current_actor()
    names = staff.names_by_id(session, operator_id=who.operator_id)
    form = RequestFilterForm(request.args, names=names, me=who.id)
    form.validate()
    wanted = form.wanted(only_of=only_of())
    page = queries.page_of_requests(
        session,
        operator_id=who.operator_id,
        wanted=wanted,
        after=request.args.get("after", ""),
        through=lists.through(),
    )
    player_name = None
    if wanted.player_id is not None:
        player_name = find_player_name(session, operator_id=who.operator_id, player_id=wanted.player_id)
    return {
        "form": form,
        "page": page,
        "counts": queries.count_by_state(session, operator_id=who.operator_id, wanted=wanted),
        "count_max": queries.COUNT_MAX,
        "state": wanted.state,
        "player_name": player_name,
        "sees_own_only": wanted.only_of is not None,
        "waiting_rounds": [] if htmx.wants_partial() else _rounds(session),
        "waiting_points": [] if htmx.wants_partial() else _points(session),
    }


def _rounds(session: Session) -> list[RoundRequestRow]:
    operator_id = access.current_operator().id
    return round_requests.list_waiting(session, operator_id=operator_id, only_of=only_of())


def _points(session: Session) -> list[PointsRequestRow]:
    operator_id = access.current_operator().id
    return points_requests.list_waiting(session, operator_id=operator_id, only_of=only_of())
