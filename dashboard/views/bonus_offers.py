"""Bonus offers: the list, making and editing one, and retiring it."""

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.errors import Conflict, Rejected
from dashboard.forms.bonuses import OfferForm, offer_form
from dashboard.models.bonus import OfferState
from dashboard.queries import bonus_offers as queries
from dashboard.queries.bonus_offers import OfferRow, TermRow
from dashboard.services import bonus_offers
from dashboard.services.bonus_price import Price
from dashboard.views import access, htmx
from dashboard.views.access import requires

bp = Blueprint("bonus_offers", __name__, url_prefix="/bonus-offers")


@bp.get("")
@requires("bonuses:view")
def index() -> ResponseReturnValue:
    """The offers that can be granted, or those that are retired."""
    operator_id = access.current_operator().id
    asked = request.args.get("state", "")
    state = OfferState(asked) if asked in set(OfferState) else OfferState.ACTIVE
    with db.reading() as session:
        offers = queries.list_offers(session, operator_id=operator_id, state=state)
        counts = queries.count_by_state(session, operator_id=operator_id)
    return render_template("bonus_offers/index.html", offers=offers, counts=counts, state=state)


@bp.get("/new")
@requires("bonuses:edit")
def new() -> ResponseReturnValue:
    """The form of a new offer."""
    with db.reading() as session:
        form = _form(session, is_sent=False)
    return _edit(form, None)


@bp.post("")
@requires("bonuses:edit")
def create() -> ResponseReturnValue:
    """Make it."""
    with db.reading() as session:
        form = _form(session, is_sent=True)
    if not form.validate():
        return _edit(form, None, 422)
    who, now = access.current_actor(), clock.now()
    try:
        offer_id = db.transact(
            lambda session: bonus_offers.make(session, draft=form.draft(), actor=who, now=now)
        )
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _edit(form, None, 409 if isinstance(refused, Conflict) else 422)
    return htmx.redirect_with_toast(url_for("bonus_offers.show", offer_id=offer_id), "The offer is made.")


@bp.get("/<int:offer_id>")
@requires("bonuses:view")
def show(offer_id: int) -> ResponseReturnValue:
    """What it gives, on which terms, and what clearing it costs."""
    with db.reading() as session:
        offer, terms = _read(session, offer_id)
        price = _price(session, offer, terms)
        grants = queries.list_latest_grants(
            session, operator_id=access.current_operator().id, offer_id=offer_id
        )
    return render_template("bonus_offers/show.html", offer=offer, terms=terms, price=price, grants=grants)


@bp.get("/<int:offer_id>/edit")
@requires("bonuses:edit")
def edit(offer_id: int) -> ResponseReturnValue:
    """Its form."""
    with db.reading() as session:
        offer, terms = _read(session, offer_id)
        form = _form(session, is_sent=False, of=offer, terms=terms)
    return _edit(form, offer)


@bp.post("/<int:offer_id>")
@requires("bonuses:edit")
def update(offer_id: int) -> ResponseReturnValue:
    """Let it say something else from now on."""
    with db.reading() as session:
        offer, _terms = _read(session, offer_id)
        form = _form(session, is_sent=True)
    if not form.validate():
        return _edit(form, offer, 422)
    who, now = access.current_actor(), clock.now()
    try:
        db.transact(
            lambda session: bonus_offers.edit(
                session, offer_id=offer_id, draft=form.draft(), actor=who, now=now
            )
        )
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _edit(form, offer, 409 if isinstance(refused, Conflict) else 422)
    said = "In force for what is granted from now on."
    return htmx.redirect_with_toast(url_for("bonus_offers.show", offer_id=offer_id), said)


@bp.post("/<int:offer_id>/retirement")
@requires("bonuses:edit")
def create_retirement(offer_id: int) -> ResponseReturnValue:
    """Let nobody get it any more."""
    who, now = access.current_actor(), clock.now()
    location, said, kind = url_for("bonus_offers.show", offer_id=offer_id), "The offer is retired.", "ok"
    try:
        db.transact(lambda session: bonus_offers.retire(session, offer_id=offer_id, actor=who, now=now))
    except Conflict as conflict:
        said, kind = conflict.message, "info"
    return htmx.redirect_with_toast(location, said, kind=kind)


def _form(
    session: Session, *, is_sent: bool, of: OfferRow | None = None, terms: list[TermRow] | None = None
) -> OfferForm:
    operator = access.current_operator()
    games = queries.list_games(session, operator_id=operator.id)
    currencies = queries.list_currencies(session, operator_id=operator.id)
    return offer_form(games, currencies, of=of, terms=terms or [], is_sent=is_sent)


def _edit(form: OfferForm, offer: OfferRow | None, status: int = 200) -> Response:
    return make_response(render_template("bonus_offers/edit.html", form=form, offer=offer), status)


def _read(session: Session, offer_id: int) -> tuple[OfferRow, list[TermRow]]:
    operator_id = access.current_operator().id
    offer = queries.get_offer(session, operator_id=operator_id, offer_id=offer_id)
    return offer, queries.list_terms(session, offer_id=offer_id)


def _price(session: Session, offer: OfferRow, terms: list[TermRow]) -> Price | None:
    return queries.price(
        offer.required,
        offer.currency,
        queries.list_games(session, operator_id=access.current_operator().id),
        contribution={(term.game_id, term.selection): term.contribution_percent for term in terms},
        restricted={term.game_id for term in terms if term.is_restricted},
    )
