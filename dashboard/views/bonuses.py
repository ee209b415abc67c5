"""One player's bonuses: granting one, what it has counted, and ending it."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, live, money
from dashboard.errors import Conflict, PurserError, Rejected
from dashboard.forms.bonuses import EndForm, GrantForm
from dashboard.models.bonus import OfferState
from dashboard.models.change_request import RequestState
from dashboard.queries import bonus_offers
from dashboard.queries import bonuses as queries
from dashboard.services import bonus_endings, refusals, submissions
from dashboard.services.bonus_endings import Ended
from dashboard.services.bonuses import Wish
from dashboard.services.changes import ChangeRefused, KeyReused
from dashboard.services.submissions import Submitted
from dashboard.views import access, htmx, player_page
from dashboard.views.access import requires

bp = Blueprint("bonuses", __name__, url_prefix="/players/<int:player_id>/bonuses")


@dataclass(frozen=True)
class Ending:
    """A way in which people end a bonus, in the words of its form."""

    noun: str
    """Of the endpoints."""
    title: str
    consequence: str
    button: str
    done: str
    service: Callable[..., Ended]


SURRENDER = Ending(
    "surrender",
    "Give up a bonus",
    "As the player wishes: what remains of it is taken, and what its bets still win goes with it.",
    "Give it up",
    "The bonus is given up.",
    bonus_endings.surrender,
)
CANCELLATION = Ending(
    "cancellation",
    "Cancel a bonus",
    "For one that should not have been made: what remains of it is taken, and what its bets still win"
    " goes with it.",
    "Take the bonus back",
    "The bonus is cancelled.",
    bonus_endings.cancel,
)


@bp.get("")
@requires("bonuses:view")
def index(player_id: int) -> ResponseReturnValue:
    """More of those that have ended; plainly, the page that holds them."""
    if not htmx.wants_partial():
        return player_page.redirect_to_page(player_id, tab="bonuses")
    with db.reading() as session:
        page = player_page.get_page(session, player_id)
        bonuses = player_page.read_bonuses(session, page)
    return render_template("bonuses/_ended_rows.html", page=page, ended=bonuses["ended"])


@bp.get("/new")
@requires("bonuses:grant")
def new(player_id: int) -> ResponseReturnValue:
    """The form of a grant."""
    return _ask(player_id, None)


@bp.post("")
@requires("bonuses:grant")
def create(player_id: int) -> ResponseReturnValue:
    """Grant it, or ask a second person to; sent twice, it is granted once."""
    who, now = access.current_actor(), clock.now()
    form = _form(player_id, is_sent=True)
    if not form.validate():
        return _ask(player_id, form, 422)
    wish = _wish(player_id, form)
    try:
        done = db.transact(
            lambda session: submissions.submit_grant(
                session, wish=wish, actor=who, now=now, amount_again=form.amount_again.data
            )
        )
    except ChangeRefused as refused:
        return _refused(player_id, form, refused, now)
    except KeyReused as reused:
        form.show(PurserError(reused.message))
        return _ask(player_id, form, 409)
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _ask(player_id, form, 409 if isinstance(refused, Conflict) else 422)
    tell = live.tell_request if done.state == RequestState.WAITING else live.tell_player
    tell(operator_id=who.operator_id, player_id=player_id)
    return _granted(player_id, form.currency, done)


@bp.get("/<int:bonus_id>")
@requires("bonuses:view")
def show(player_id: int, bonus_id: int) -> ResponseReturnValue:
    """One grant: its terms, and each stake that it has paid with what that counted."""
    operator_id = access.current_operator().id
    with db.reading() as session:
        page = player_page.get_page(session, player_id)
        grant = queries.get_grant(session, operator_id=operator_id, player_id=player_id, bonus_id=bonus_id)
        stakes = queries.page_of_stakes(
            session, player_id=player_id, bonus_id=bonus_id, after=request.args.get("after", "")
        )
        if htmx.wants_partial() and "after" in request.args:
            return render_template("bonuses/_stake_rows.html", page=page, grant=grant, stakes=stakes)
        games = bonus_offers.list_games(session, operator_id=operator_id) if grant.is_open else []
    price = queries.price_of(grant, games)
    return render_template(
        "bonuses/show.html", page=page, grant=grant, stakes=stakes, price=price, now=clock.now()
    )


@bp.get("/<int:bonus_id>/surrender")
@requires("bonuses:grant")
def new_surrender(player_id: int, bonus_id: int) -> ResponseReturnValue:
    """The form that gives it up."""
    return _ask_end(player_id, bonus_id, SURRENDER)


@bp.post("/<int:bonus_id>/surrender")
@requires("bonuses:grant")
def create_surrender(player_id: int, bonus_id: int) -> ResponseReturnValue:
    """Give it up."""
    return _end(player_id, bonus_id, SURRENDER)


@bp.get("/<int:bonus_id>/cancellation")
@requires("bonuses:grant")
def new_cancellation(player_id: int, bonus_id: int) -> ResponseReturnValue:
    """The form that cancels it."""
    return _ask_end(player_id, bonus_id, CANCELLATION)


@bp.post("/<int:bonus_id>/cancellation")
@requires("bonuses:grant")
def create_cancellation(player_id: int, bonus_id: int) -> ResponseReturnValue:
    """Cancel it."""
    return _end(player_id, bonus_id, CANCELLATION)


def _form(player_id: int, *, is_sent: bool) -> GrantForm:
    """The form for the balance that the address names, with what can be chosen there."""
    operator_id = access.current_operator().id
    with db.reading() as session:
        currency = player_page.get_page(session, player_id).balance.currency
        offers = bonus_offers.list_offers(session, operator_id=operator_id, state=OfferState.ACTIVE)
        deposits = queries.list_deposits(
            session, operator_id=operator_id, player_id=player_id, currency=currency
        )
    zone = access.current_operator().timezone
    return GrantForm(
        currency=currency,
        offers={offer.id: _said_of(offer) for offer in offers if offer.currency == currency},
        deposits={
            row.sequence: f"{money.show(row.real_delta, currency)} on"
            f" {clock.local(row.created_at, zone):%-d %b %Y, %H:%M} (entry {row.sequence:,})"
            for row in deposits
        },
        **({} if is_sent else {"formdata": None}),
    )


def _said_of(offer: bonus_offers.OfferRow) -> str:
    if offer.amount is not None:
        return f"{offer.name}: {money.show(offer.amount, offer.currency)}"
    return f"{offer.name}: {offer.percent} % up to {money.show(offer.cap or 0, offer.currency)}"


def _wish(player_id: int, form: GrantForm) -> Wish:
    return Wish(
        player_id=player_id,
        currency=form.currency,
        reason=form.reason.data or "",
        idempotency_key=form.idempotency_key.data or "",
        offer_id=None if form.is_by_hand else int(form.offer_id.data),
        terms=form.terms(),
        amount=form.amount.data if form.is_by_hand else None,
        deposit_sequence=int(form.deposit_sequence.data) if form.deposit_sequence.data else None,
    )


def _ask(player_id: int, form: GrantForm | None, status: int = 200) -> Response:
    form = form or _form(player_id, is_sent=False)
    with db.reading() as session:
        page = player_page.get_page(session, player_id)
        allowance = player_page.allowance(session, page)
    template = "bonuses/_new.html" if htmx.wants_partial() else "bonuses/new.html"
    html = render_template(
        template,
        page=page,
        form=form,
        allowance=allowance,
        blocked=player_page.blocked(page),
        asks_again="amount_again" in form.data and bool(form.amount_again.errors),
    )
    return make_response(html, status)


def _refused(player_id: int, form: GrantForm, refused: ChangeRefused, now: dt.datetime) -> Response:
    who = access.current_actor()
    db.transact(lambda session: refusals.record(session, refused=refused, actor=who, now=now))
    for problem in refused.judgement.validation.errors:
        form.show(Rejected(problem.message, field="amount" if form.is_by_hand else "offer_id"))
    # The attempt is on record under its key: the next one is another attempt.
    form.renew()
    return _ask(player_id, form, 422)


def _granted(player_id: int, currency: str, done: Submitted) -> Response:
    location = player_page.player_url(player_id, currency, tab="bonuses")
    if done.grant is None:
        href = url_for("approvals.show", player_id=player_id, request_id=done.request_id)
        said = "The bonus waits for a second person."
        return htmx.redirect_with_toast(location, said, kind="info", href=href, link="Request")
    href = url_for("bonuses.show", player_id=player_id, bonus_id=done.grant.bonus_id, currency=currency)
    said = "The bonus is granted." if done.grant.sequence else "The bonus is granted, and waits for its turn."
    if done.repeated:
        said = "The bonus is granted once: this form had been sent already."
    return htmx.redirect_with_toast(location, said, href=href, link="Bonus")


def _ask_end(
    player_id: int, bonus_id: int, ending: Ending, form: EndForm | None = None, status: int = 200
) -> Response:
    operator_id = access.current_operator().id
    with db.reading() as session:
        page = player_page.get_page(session, player_id)
        grant = queries.get_grant(session, operator_id=operator_id, player_id=player_id, bonus_id=bonus_id)
    template = "bonuses/_end.html" if htmx.wants_partial() else "bonuses/end.html"
    html = render_template(
        template, page=page, grant=grant, ending=ending, form=form or EndForm(formdata=None)
    )
    return make_response(html, status)


def _end(player_id: int, bonus_id: int, ending: Ending) -> ResponseReturnValue:
    form = EndForm()
    if not form.validate():
        return _ask_end(player_id, bonus_id, ending, form, 422)
    who, now = access.current_actor(), clock.now()

    def work(session: Session) -> Ended:
        return ending.service(
            session,
            player_id=player_id,
            bonus_id=bonus_id,
            reason=form.reason.data or "",
            actor=who,
            now=now,
        )

    try:
        db.transact(work)
    except Conflict as conflict:
        form.show(PurserError(conflict.message))
        return _ask_end(player_id, bonus_id, ending, form, 409)
    live.tell_player(operator_id=who.operator_id, player_id=player_id)
    with db.reading() as session:
        currency = queries.get_grant(
            session, operator_id=who.operator_id, player_id=player_id, bonus_id=bonus_id
        ).currency
    location = player_page.player_url(player_id, currency, tab="bonuses")
    return htmx.redirect_with_toast(location, ending.done)
