"""What a closed month would have earned a partner by other terms, beside what it did."""

from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from dashboard import db
from dashboard.forms.partner_money import WhatIfForm
from dashboard.queries import partner_figures, partners
from dashboard.queries.partner_figures import ClosedMonth
from dashboard.services import partner_what_if
from dashboard.views import htmx, partner_pages
from dashboard.views.access import requires

bp = Blueprint("partner_what_if", __name__, url_prefix="/partners/<int:partner_id>/what-if")


@bp.get("")
@requires("partners:view")
def show(partner_id: int) -> ResponseReturnValue:
    """The last closed month under the terms of the form; for htmx the figures alone."""
    with db.reading() as session:
        frame = partner_pages.frame(session, partner_id, "what-if")
        months = partner_figures.list_closed_months(session, partner_id=partner_id)
        contract = partners.list_contracts(session, partner_id=partner_id)[0]
        form = WhatIfForm(
            request.args,
            months={each.key: f"{each.month:%B %Y}, {each.currency}" for each in months},
            share_bp=contract.share_bp,
            rate_bp=contract.rate_bp,
        )
        form.validate()
        month = _chosen(months, form)
        found = None
        share_bp, rate_bp = form.good("share"), form.good("rate")
        if month is not None and share_bp and rate_bp:
            found = partner_what_if.compare(
                session,
                partner_id=partner_id,
                currency=month.currency,
                month=month.month,
                share_bp=share_bp,
                rate_bp=rate_bp,
            )
        template = "partners/_what_if.html" if htmx.wants_partial() else "partners/what_if.html"
        return render_template(template, **frame, form=form, month=month, found=found, contract=contract)


def _chosen(months: list[ClosedMonth], form: Any) -> ClosedMonth | None:
    """The month that is asked for, else the last one."""
    return next((month for month in months if month.key == form.month.data), months[0] if months else None)
