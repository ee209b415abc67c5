"""Partners' payouts: what waits, one of them, and what is done with it by two people."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, live
from dashboard.errors import Conflict, PurserError, Rejected
from dashboard.forms.base import DeskForm
from dashboard.forms.partner_money import PayoutFilterForm, ReferenceForm, RejectionForm
from dashboard.queries import partner_money as queries
from dashboard.queries import partners, staff
from dashboard.queries.partner_money import MoneyFilter
from dashboard.services import partner_payouts
from dashboard.views import access, htmx, lists, partner_pages
from dashboard.views.access import requires

bp = Blueprint("partner_payouts", __name__, url_prefix="/partners")


@bp.get("/payouts")
@requires("partners:view")
def index() -> ResponseReturnValue:
    """The page; for htmx the list, or more rows of it."""
    with db.reading() as session:
        context = _context(session)
        if not htmx.wants_partial():
            return render_template("partners/payouts.html", **context)
        if "after" in request.args:
            return render_template("partners/_payout_rows.html", **context)
        answer = make_response(render_template("partners/_payouts.html", **context))
    return lists.with_address(answer, "partner_payouts.index", context["form"])


@bp.get("/<int:partner_id>/payouts")
@requires("partners:view")
def list_of_partner(partner_id: int) -> ResponseReturnValue:
    """All of one partner; for htmx more rows."""
    with db.reading() as session:
        frame = partner_pages.frame(session, partner_id, "payouts")
        page = queries.page_of_payouts(
            session,
            operator_id=access.current_operator().id,
            wanted=MoneyFilter(partner_id=partner_id),
            after=request.args.get("after", ""),
        )
        more = url_for(
            "partner_payouts.list_of_partner", partner_id=partner_id, after=page.next_place or None
        )
        is_part = htmx.wants_partial() and "after" in request.args
        template = "partners/_payout_rows.html" if is_part else "partners/partner_payouts.html"
        return render_template(template, **frame, page=page, more=more)


@bp.get("/payouts/<int:payout_id>")
@requires("partners:view")
def show(payout_id: int) -> ResponseReturnValue:
    """One payout, with the forms of what may be done with it."""
    return _page(payout_id)


@bp.post("/payouts/<int:payout_id>/approval")
@requires("partners:approve")
def create_approval(payout_id: int) -> ResponseReturnValue:
    """Let it be paid, by somebody else."""
    work = partial(partner_payouts.approve, payout_id=payout_id)
    return _act(payout_id, "approval", DeskForm(), work, "is approved: somebody else pays it")


@bp.post("/payouts/<int:payout_id>/payment")
@requires("partners:approve")
def create_payment(payout_id: int) -> ResponseReturnValue:
    """Write down by which payment it was paid."""
    form = ReferenceForm()
    work = partial(partner_payouts.pay, payout_id=payout_id, reference=form.reference.data or "")
    return _act(payout_id, "payment", form, work, "is paid")


@bp.post("/payouts/<int:payout_id>/rejection")
@requires("partners:approve")
def create_rejection(payout_id: int) -> ResponseReturnValue:
    """Do not pay it: the amount is available again."""
    form = RejectionForm()
    work = partial(partner_payouts.reject, payout_id=payout_id, reason=form.reason.data or "")
    return _act(payout_id, "rejection", form, work, "is rejected: its amount is available again")


def _act(
    payout_id: int, noun: str, form: DeskForm, work: Callable[..., None], became: str
) -> ResponseReturnValue:
    """Do it, or show at `form`, which the page knows by its noun, why not."""
    if not form.validate():
        return _page(payout_id, status=422, **{noun: form})
    who, now = access.current_actor(), clock.now()
    try:
        db.transact(lambda session: work(session, actor=who, now=now))
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _page(payout_id, status=_status(refused), **{noun: form})
    return _done(payout_id, f"The payout {became}.")


def _context(session: Session) -> dict[str, Any]:
    operator = access.current_operator()
    sums = partners.sum_accounts(session, operator_id=operator.id)
    form = PayoutFilterForm(request.args, currencies=[row.currency for row in sums])
    form.validate()
    page = queries.page_of_payouts(
        session, operator_id=operator.id, wanted=form.wanted(), after=request.args.get("after", "")
    )
    return {
        "form": form,
        "page": page,
        "partner": None,
        "more": lists.address("partner_payouts.index", form.asked(), after=page.next_place),
        "names": staff.names_by_id(session, operator_id=operator.id),
    }


def _page(
    payout_id: int,
    *,
    approval: DeskForm | None = None,
    payment: DeskForm | None = None,
    rejection: DeskForm | None = None,
    status: int = 200,
) -> Response:
    operator = access.current_operator()
    with db.reading() as session:
        row = queries.get_payout(session, operator_id=operator.id, payout_id=payout_id)
        partner = partner_pages.get(session, row.partner_id)
        html = render_template(
            "partners/payout.html",
            row=row,
            partner=partner,
            account=next(each for each in partner.accounts if each.currency == row.currency),
            names=staff.names_by_id(session, operator_id=operator.id),
            is_approver=row.approved_by == access.current_actor().id,
            approval=approval or DeskForm(formdata=None),
            payment=payment or ReferenceForm(formdata=None),
            rejection=rejection or RejectionForm(formdata=None),
        )
    return make_response(html, status)


def _status(refused: PurserError) -> int:
    return 409 if isinstance(refused, Conflict) else 422


def _done(payout_id: int, said: str) -> Response:
    operator_id = access.current_operator().id
    live.tell(live.operator_of(operator_id), live.approvals_of(operator_id))
    return htmx.redirect_with_toast(url_for("partner_payouts.show", payout_id=payout_id), said)
