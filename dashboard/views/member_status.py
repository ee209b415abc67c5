"""What one does about a member's wallet as a whole: closing, suspending, the tier by hand, cards."""

from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, money
from dashboard.forms.loyalty import CardForm, ReasonForm, TierForm
from dashboard.queries import members
from dashboard.services import loyalty_cards, loyalty_programmes, loyalty_tiers, loyalty_wallets
from dashboard.views import access, member_flow, member_outcome
from dashboard.views.access import requires
from dashboard.views.member_acts import asked, currency, outcome_of
from dashboard.views.member_flow import Act, Place
from dashboard.views.member_outcome import Line, Outcome, spoken_day

bp = Blueprint("member_status", __name__, url_prefix="/players/<int:player_id>/loyalty")


def _close(session: Session, place: Place, form: ReasonForm) -> Outcome:
    closed = loyalty_wallets.close(
        session, player_id=place.player_id, reason=form.said("reason"), **asked(form)
    )
    if closed.done is not None:
        return member_outcome.of(closed.done, currency())
    nothing = f"{money.show(0, currency())} {currency()}"
    return Outcome(
        (Line("Payment back", nothing), Line("Points that lapse", "0")),
        act="Close the wallet for good",
        done="The loyalty wallet is closed.",
    )


def _suspend(session: Session, place: Place, form: ReasonForm) -> Outcome:
    loyalty_wallets.suspend(session, **_reasoned(place, form))
    return Outcome((), act=SUSPEND.button, done="The loyalty wallet is suspended.")


def _resume(session: Session, place: Place, form: ReasonForm) -> Outcome:
    loyalty_wallets.resume(session, **_reasoned(place, form))
    return Outcome((), act=RESUME.button, done="The loyalty wallet is active again.")


def _tier(session: Session, place: Place, form: TierForm) -> Outcome:
    done = loyalty_programmes.assign_tier(
        session,
        tier_id=form.chosen,
        valid_until=form.valid_until.data,
        **_reasoned(place, form),
    )
    outcome = outcome_of(session, place, done)
    member = members.get_member(session, player_id=place.player_id, operator_id=_operator_id())
    if member.wallet is None or member.wallet.tier_valid_until is None:
        return outcome
    return outcome.with_lines(Line("Valid until", spoken_day(member.wallet.tier_valid_until)))


def _issue(session: Session, place: Place, form: CardForm) -> Outcome:
    number = loyalty_cards.issue(
        session,
        player_id=place.player_id,
        number=form.number.data or None,
        actor=access.current_actor(),
        now=clock.now(),
    )
    return Outcome((), act=CARD.button, done=f"Card {number} is issued.")


def _end_card(session: Session, place: Place, _form: ReasonForm) -> Outcome:
    loyalty_cards.deactivate(
        session,
        player_id=place.player_id,
        card_id=place.more["card_id"],
        actor=access.current_actor(),
        now=clock.now(),
    )
    return Outcome((), act=CARD_END.button, done="The card is not in use any more.")


def _reasoned(place: Place, form: ReasonForm | TierForm) -> dict[str, Any]:
    return {
        "player_id": place.player_id,
        "reason": form.said("reason"),
        "actor": access.current_actor(),
        "now": clock.now(),
    }


def _operator_id() -> int:
    return access.current_operator().id


def _tier_form() -> TierForm:
    with db.reading() as session:
        tiers = loyalty_tiers.tiers_of(session, _operator_id())
    return TierForm(tiers={tier.id: tier.name for tier in tiers if tier.is_active})


CLOSE = Act(
    "member_status.close",
    "Close the loyalty wallet",
    "Close the wallet for good",
    ReasonForm,
    _close,
    consequence="This is for good. Unused base points are paid back, bonus points lapse, tier and card end.",
    is_grave=True,
)
SUSPEND = Act(
    "member_status.suspend",
    "Suspend the loyalty wallet",
    "Suspend the wallet",
    ReasonForm,
    _suspend,
    consequence="Points cannot be redeemed or converted until it is resumed. Loads, refunds, adjustments and"
    " expiry go on.",
    is_grave=True,
    has_preview=False,
)
RESUME = Act(
    "member_status.resume",
    "Resume the loyalty wallet",
    "Resume the wallet",
    ReasonForm,
    _resume,
    consequence="Points can be redeemed again.",
    has_preview=False,
)
TIER = Act("member_status.tier", "Change the tier", "Change the tier", _tier_form, _tier)
CARD = Act(
    "member_status.card",
    "Issue a card",
    "Issue the card",
    CardForm,
    _issue,
    consequence="It takes the place of the one in use, and is valid as long as the tier.",
    has_preview=False,
)
CARD_END = Act(
    "member_status.card_end",
    "Take a card out of use",
    "Take it out of use",
    CardForm,
    _end_card,
    consequence="The card cannot be used any more. Points and tier stay.",
    is_grave=True,
    has_preview=False,
)


@bp.get("/close")
@requires("loyalty:close")
def new_close(player_id: int) -> ResponseReturnValue:
    """What closing pays back and what lapses by it, and the form that does it."""
    return member_flow.ask(CLOSE, Place(player_id))


@bp.post("/close/preview")
@requires("loyalty:close")
def preview_close(player_id: int) -> ResponseReturnValue:
    """The same while one types."""
    return member_flow.preview(CLOSE, Place(player_id))


@bp.post("/close")
@requires("loyalty:close")
def create_close(player_id: int) -> ResponseReturnValue:
    """Close the wallet for good."""
    return member_flow.post(CLOSE, Place(player_id))


@bp.get("/suspend")
@requires("points:suspend")
def new_suspend(player_id: int) -> ResponseReturnValue:
    """The form that suspends the wallet."""
    return member_flow.ask(SUSPEND, Place(player_id))


@bp.post("/suspend")
@requires("points:suspend")
def create_suspend(player_id: int) -> ResponseReturnValue:
    """Let no points be used until they may again."""
    return member_flow.post(SUSPEND, Place(player_id))


@bp.get("/resume")
@requires("points:suspend")
def new_resume(player_id: int) -> ResponseReturnValue:
    """The form that resumes the wallet."""
    return member_flow.ask(RESUME, Place(player_id))


@bp.post("/resume")
@requires("points:suspend")
def create_resume(player_id: int) -> ResponseReturnValue:
    """Let points be used again."""
    return member_flow.post(RESUME, Place(player_id))


@bp.get("/tier")
@requires("loyalty:edit")
def new_tier(player_id: int) -> ResponseReturnValue:
    """The form of a tier by hand."""
    return member_flow.ask(TIER, Place(player_id))


@bp.post("/tier/preview")
@requires("loyalty:edit")
def preview_tier(player_id: int) -> ResponseReturnValue:
    """What the tier gives, and until when."""
    return member_flow.preview(TIER, Place(player_id))


@bp.post("/tier")
@requires("loyalty:edit")
def create_tier(player_id: int) -> ResponseReturnValue:
    """Give a tier by hand, or take it."""
    return member_flow.post(TIER, Place(player_id))


@bp.get("/cards/new")
@requires("loyalty:edit")
def new_card(player_id: int) -> ResponseReturnValue:
    """The form of a card."""
    return member_flow.ask(CARD, Place(player_id))


@bp.post("/cards")
@requires("loyalty:edit")
def create_card(player_id: int) -> ResponseReturnValue:
    """Issue a card."""
    return member_flow.post(CARD, Place(player_id))


@bp.get("/cards/<int:card_id>/end")
@requires("loyalty:edit")
def new_card_end(player_id: int, card_id: int) -> ResponseReturnValue:
    """The question before a card is taken out of use."""
    return member_flow.ask(CARD_END, Place(player_id, more={"card_id": card_id}))


@bp.post("/cards/<int:card_id>/end")
@requires("loyalty:edit")
def create_card_end(player_id: int, card_id: int) -> ResponseReturnValue:
    """Take it out of use."""
    return member_flow.post(CARD_END, Place(player_id, more={"card_id": card_id}))
