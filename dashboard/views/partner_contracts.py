"""The next version of what is agreed with a partner, with an example of it while one types."""

import datetime as dt
from typing import Any

from flask import Blueprint, make_response, render_template, url_for
from flask.typing import ResponseReturnValue

from dashboard import clock, db
from dashboard.errors import Rejected
from dashboard.forms.partners import TermsForm, terms_form
from dashboard.queries import bonus_offers
from dashboard.queries import partners as queries
from dashboard.queries.partners import ContractRow, Header
from dashboard.services import partners
from dashboard.views import access, htmx, partner_pages
from dashboard.views.access import requires
from dashboard.views.partners import example_of

bp = Blueprint("partner_contracts", __name__, url_prefix="/partners/<int:partner_id>/contracts")


@bp.get("/new")
@requires("partners:edit")
def new(partner_id: int) -> ResponseReturnValue:
    """The form of the next version, which begins with the last one."""
    return _editor(*_read(partner_id, is_sent=False))


@bp.post("")
@requires("partners:edit")
def create(partner_id: int) -> ResponseReturnValue:
    """Agree it."""
    partner, last, form = _read(partner_id, is_sent=True)
    if not form.validate():
        return make_response(_editor(partner, last, form), 422)
    try:
        version = db.transact(
            lambda session: partners.agree(
                session,
                partner_id=partner_id,
                contract=form.contract(),
                actor=access.current_actor(),
                now=clock.now(),
            )
        )
    except Rejected as refused:
        form.show(refused)
        return make_response(_editor(partner, last, form), 422)
    return htmx.redirect_with_toast(
        url_for("partners.show", partner_id=partner_id), f"Version {version} of the contract is agreed."
    )


@bp.post("/prospect")
@requires("partners:edit")
def show_prospect(partner_id: int) -> ResponseReturnValue:
    """What the terms in the form come to on an example. Keeps nothing."""
    partner, last, form = _read(partner_id, is_sent=True)
    form.validate()
    if not htmx.wants_partial():
        return _editor(partner, last, form)
    return render_template("partners/_example.html", **example_of(form))


def _read(partner_id: int, *, is_sent: bool) -> tuple[Header, ContractRow, Any]:
    operator = access.current_operator()
    tomorrow = clock.local(clock.now(), operator.timezone).date() + dt.timedelta(days=1)
    with db.reading() as session:
        partner = partner_pages.get(session, partner_id)
        last = queries.list_contracts(session, partner_id=partner_id)[0]
        currencies = bonus_offers.list_currencies(session, operator_id=operator.id)
    first_day = max(tomorrow, last.valid_from + dt.timedelta(days=1))
    return partner, last, terms_form(TermsForm, currencies, is_sent=is_sent, valid_from=first_day, of=last)


def _editor(partner: Header, last: ContractRow, form: Any) -> str:
    return render_template(
        "partners/contract.html", partner=partner, last=last, form=form, **example_of(form)
    )
