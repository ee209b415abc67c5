"""A partner's payouts: asking for one, and what became of those before."""

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard import clock, db, money
from dashboard.errors import Conflict, PurserError, Rejected
from dashboard.forms.earnings import PayoutForm
from dashboard.queries import partner_site
from dashboard.services import partner_payouts
from dashboard.views import access, htmx
from dashboard.views.access import requires
from dashboard.views.earnings import local_today

bp = Blueprint("earnings_payouts", __name__, url_prefix="/earnings/payouts")


@bp.get("")
@requires("earnings:view")
def index() -> ResponseReturnValue:
    """What is available, the form that asks for it, and the history; for htmx more of that."""
    return _page(200)


@bp.post("")
@requires("payouts:request")
def create() -> ResponseReturnValue:
    """Ask for a payout; sent twice, it is asked for once."""
    partner_id, who, now = access.current_partner_id(), access.current_actor(), clock.now()
    with db.partner_reading(partner_id) as session:
        accounts = partner_site.list_accounts(
            session, partner_id=partner_id, first=access.current_operator().currency
        )
    form = PayoutForm(currencies=[account.currency for account in accounts])
    if not form.validate():
        return _page(422, form)
    amount, currency = form.amount.data or 0, form.currency.data
    try:
        db.transact(
            lambda session: partner_payouts.request(
                session,
                partner_id=partner_id,
                currency=currency,
                amount=amount,
                idempotency_key=form.idempotency_key.data or "",
                actor=who,
                now=now,
            )
        )
    except (Rejected, Conflict) as refused:
        field = refused.field if refused.field in {"amount", "currency"} else None
        form.show(PurserError(refused.message, field=field))
        return _page(409 if isinstance(refused, Conflict) else 422, form)
    return htmx.redirect_with_toast(
        url_for("earnings_payouts.index"), f"{money.show(amount, currency)} {currency} is asked for."
    )


def _page(status: int, form: PayoutForm | None = None) -> Response:
    partner_id = access.current_partner_id()
    with db.partner_reading(partner_id) as session:
        page = partner_site.page_of_payouts(
            session, partner_id=partner_id, after=request.args.get("after", "")
        )
        if htmx.wants_partial() and "after" in request.args:
            return make_response(render_template("earnings/_payout_rows.html", page=page))
        me = partner_site.get_self(session)
        accounts = partner_site.list_accounts(session, partner_id=partner_id, first=me.home_currency)
        terms = partner_site.list_terms(session)
    form = form or PayoutForm(
        formdata=None, currencies=[each.currency for each in accounts if each.available > 0]
    )
    newest = partner_site.in_force(terms, local_today())
    return make_response(
        render_template(
            "earnings/payouts.html",
            form=form,
            page=page,
            me=me,
            accounts=accounts,
            minimums={each.currency: partner_site.minimum(newest, each.currency) for each in accounts},
        ),
        status,
    )
