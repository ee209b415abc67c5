"""What a partner earned, round by round, real beside shown: approving and rejecting what is pending."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, live
from dashboard.errors import Conflict, Rejected
from dashboard.forms.partner_money import EarningFilterForm, RejectionForm
from dashboard.queries import partner_figures as queries
from dashboard.queries.partners import Header
from dashboard.services import partner_approvals
from dashboard.views import access, htmx, partner_pages
from dashboard.views.access import requires

bp = Blueprint("partner_earnings", __name__, url_prefix="/partners/<int:partner_id>/earnings")

SELECTION_MAX = 500
ALL = "all"
"""What the button sends as `which` that approves everything pending."""


@bp.get("")
@requires("partners:view")
def index(partner_id: int) -> ResponseReturnValue:
    """The page; for htmx the list, or more rows of it."""
    with db.reading() as session:
        context = _context(session, partner_id)
        if not htmx.wants_partial():
            return render_template("partners/earnings.html", **context)
        if "after" in request.args:
            return render_template("partners/_earning_rows.html", **context)
        answer = make_response(render_template("partners/_earnings.html", **context))
    answer.headers["HX-Push-Url"] = _address(partner_id, context["form"].asked())
    return answer


@bp.post("/approvals")
@requires("partners:approve")
def create_approval(partner_id: int) -> ResponseReturnValue:
    """Approve what was chosen, or everything that is pending, before its hold is over."""
    is_all = request.form.get("which") == ALL
    ids = None if is_all else _chosen(request.form.getlist("earning"))
    who, now = access.current_actor(), clock.now()
    count = db.transact(
        lambda session: partner_approvals.approve(
            session, partner_id=partner_id, earning_ids=ids, actor=who, now=now
        )
    )
    return _done(partner_id, f"{_counted(count)} approved: the next statement takes {_them(count)}.")


@bp.get("/rejections/new")
@requires("partners:approve")
def new_rejection(partner_id: int) -> ResponseReturnValue:
    """Asks why, naming what is rejected; the query names the earnings."""
    return _rejection(partner_id, _chosen(request.args.getlist("earning")), RejectionForm(formdata=None))


@bp.post("/rejections")
@requires("partners:approve")
def create_rejection(partner_id: int) -> ResponseReturnValue:
    """Reject them."""
    ids, form = _chosen(request.form.getlist("earning")), RejectionForm()
    if not form.validate():
        return _rejection(partner_id, ids, form, 422)
    who, now = access.current_actor(), clock.now()
    try:
        count = db.transact(
            lambda session: partner_approvals.reject(
                session,
                partner_id=partner_id,
                earning_ids=ids,
                reason=form.reason.data or "",
                actor=who,
                now=now,
            )
        )
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _rejection(partner_id, ids, form, 409 if isinstance(refused, Conflict) else 422)
    return _done(partner_id, f"{_counted(count)} rejected.")


def filter_form(session: Session, partner: Header) -> EarningFilterForm:
    """The filters of the list as the URL has them."""
    form = EarningFilterForm(
        request.args,
        currencies=[account.currency for account in partner.accounts],
        games=queries.list_games(session, operator_id=partner.operator_id),
    )
    form.validate()
    return form


def _context(session: Session, partner_id: int) -> dict[str, Any]:
    frame = partner_pages.frame(session, partner_id, "earnings")
    partner: Header = frame["partner"]
    form = filter_form(session, partner)
    page = queries.page_of_earnings(
        session, partner_id=partner_id, wanted=form.wanted(), after=request.args.get("after", "")
    )
    pending = queries.list_pending(session, partner_id=partner_id)

    def place(**more: str) -> str:
        """The list by its filters, or with others."""
        return _address(partner_id, {**form.asked(), **more})

    return {**frame, "form": form, "page": page, "pending": pending, "place": place}


def _address(partner_id: int, query: dict[str, str]) -> str:
    wanted: dict[str, Any] = {name: value for name, value in query.items() if value}
    return url_for("partner_earnings.index", partner_id=partner_id, **wanted)


def _rejection(partner_id: int, ids: Sequence[int], form: RejectionForm, status: int = 200) -> Response:
    with db.reading() as session:
        partner = partner_pages.get(session, partner_id)
        earnings = queries.list_earnings(session, partner_id=partner_id, ids=ids)
    template = "partners/_rejection.html" if htmx.wants_partial() else "partners/rejection.html"
    html = render_template(template, partner=partner, earnings=earnings, ids=ids, form=form)
    return make_response(html, status)


def _chosen(given: Sequence[str]) -> list[int]:
    """The ids that a request names. Raises Rejected for none, and for too many."""
    ids = sorted({int(text) for text in given if text.isascii() and text.isdecimal() and len(text) < 19})
    if not ids:
        raise Rejected("Select at least one earning: tick its box, or press x on it.")
    if len(ids) > SELECTION_MAX:
        raise Rejected(f"Select at most {SELECTION_MAX} earnings at a time; these are {len(ids)}.")
    return ids


def _done(partner_id: int, said: str) -> Response:
    live.tell(live.operator_of(access.current_operator().id))
    came_from = htmx.current_path() if htmx.is_htmx() else ""
    here = url_for("partner_earnings.index", partner_id=partner_id)
    back = came_from if came_from.partition("?")[0] == here else here
    return htmx.redirect_with_toast(back, said)


def _counted(count: int) -> str:
    return "1 earning is" if count == 1 else f"{count:,} earnings are"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"
