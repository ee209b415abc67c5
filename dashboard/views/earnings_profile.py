"""A partner's profile: where payouts go, the referral link, what was agreed, and taking new terms."""

from flask import Blueprint, Response, make_response, render_template, url_for
from flask.typing import ResponseReturnValue

from dashboard import clock, db
from dashboard.errors import Rejected
from dashboard.forms.earnings import PayoutDetailsForm
from dashboard.queries import partner_site
from dashboard.services import partners
from dashboard.views import access, htmx
from dashboard.views.access import requires
from dashboard.views.earnings import local_today

bp = Blueprint("earnings_profile", __name__, url_prefix="/earnings")


@bp.get("/profile")
@requires("earnings:view")
def show() -> ResponseReturnValue:
    """All that a partner may know and say about itself."""
    return _page(200)


@bp.post("/profile")
@requires("earnings:edit")
def update() -> ResponseReturnValue:
    """Write where payouts go from now on."""
    form = PayoutDetailsForm()
    if not form.validate():
        return _page(422, form)
    partner_id, who, now = access.current_partner_id(), access.current_actor(), clock.now()
    try:
        db.transact(
            lambda session: partners.write_payout_details(
                session,
                partner_id=partner_id,
                details=form.payout_details.data or "",
                actor=who,
                now=now,
            )
        )
    except Rejected as refused:
        form.show(refused)
        return _page(422, form)
    return htmx.redirect_with_toast(url_for("earnings_profile.show"), "Payouts go there from now on.")


@bp.post("/terms/<int:version>/acceptance")
@requires("earnings:edit")
def create_acceptance(version: int) -> ResponseReturnValue:
    """Take new terms for the players referred before them, too."""
    partner_id, who, now = access.current_partner_id(), access.current_actor(), clock.now()
    db.transact(
        lambda session: partners.accept(session, partner_id=partner_id, version=version, actor=who, now=now)
    )
    return htmx.redirect_with_toast(
        url_for("earnings_profile.show"), f"Version {version} holds for all your players."
    )


def _page(status: int, form: PayoutDetailsForm | None = None) -> Response:
    with db.partner_reading(access.current_partner_id()) as session:
        me = partner_site.get_self(session)
        terms = partner_site.list_terms(session)
    form = form or PayoutDetailsForm(formdata=None, data={"payout_details": me.payout_details})
    page = render_template(
        "earnings/profile.html",
        form=form,
        me=me,
        terms=terms,
        current=partner_site.in_force(terms, local_today()).version,
        acceptable=partner_site.acceptable(terms),
    )
    return make_response(page, status)
