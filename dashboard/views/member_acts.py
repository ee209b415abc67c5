"""What one does with a member's points: loading, redeeming, adjusting, converting."""

from dataclasses import replace
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, money
from dashboard.forms.loyalty import ConversionForm, LoadForm, PointsAdjustmentForm, RedeemForm
from dashboard.queries import members
from dashboard.services import points, points_conversion, points_requests
from dashboard.services.changes import BalanceChange
from dashboard.services.points import Done
from dashboard.services.points_reckoning import Payment
from dashboard.views import access, member_flow, member_outcome
from dashboard.views.access import requires
from dashboard.views.member_flow import Act, Place
from dashboard.views.member_outcome import Line, Outcome, spoken_points

bp = Blueprint("member_acts", __name__, url_prefix="/players/<int:player_id>/loyalty")


def asked(form: Any) -> dict[str, Any]:
    """What every service asks about an act, besides what it is about."""
    return {
        "idempotency_key": form.idempotency_key.data or "",
        "actor": access.current_actor(),
        "now": clock.now(),
    }


def currency() -> str:
    """The operator's own."""
    return access.current_operator().currency


def outcome_of(session: Session, place: Place, done: Done) -> Outcome:
    """The outcome, with what the member owes afterwards."""
    outcome = member_outcome.of(done, currency())
    member = members.get_member(session, player_id=place.player_id, operator_id=access.current_operator().id)
    if member.wallet is not None and member.wallet.owed:
        return outcome.with_lines(Line("Still owes", spoken_points(member.wallet.owed), kind="warn"))
    return outcome


def _load(session: Session, place: Place, form: LoadForm) -> Outcome:
    payment = Payment(
        form.payment_amount.data or 0,
        reference=form.payment.data or None,
        mode=form.payment_mode.data or None,
        invoice=form.invoice.data or None,
    )
    done = points.load(
        session, player_id=place.player_id, payment=payment, notes=form.said("notes"), **asked(form)
    )
    return outcome_of(session, place, done)


def _redeem(session: Session, place: Place, form: RedeemForm) -> Outcome:
    done = points.redeem(
        session,
        player_id=place.player_id,
        points=form.points.data,
        price=form.price.data,
        invoice=form.invoice.data or None,
        notes=form.said("notes"),
        **asked(form),
    )
    return outcome_of(session, place, done)


def _adjust(session: Session, place: Place, form: PointsAdjustmentForm) -> Outcome:
    wish = {
        "player_id": place.player_id,
        "points": form.points.data or 0,
        "reason": form.said("reason"),
        **asked(form),
    }
    done = points_requests.submit(session, **wish)
    if isinstance(done, Done):
        return outcome_of(session, place, done)
    would = outcome_of(session, place, points.rehearse(session, lambda nested: points.adjust(nested, **wish)))
    return replace(
        would.with_lines(Line("Then", "waits for a second person", kind="warn")),
        act=f"Ask for approval: {would.act.lower()}",
        done="The adjustment waits for a second person.",
        sequence=None,
        request_id=done,
    )


def _convert(session: Session, place: Place, form: ConversionForm) -> Outcome:
    made = points_conversion.convert(
        session,
        player_id=place.player_id,
        points=form.points.data or 0,
        reason=form.said("reason"),
        **asked(form),
    )
    return outcome_of(session, place, made.done).with_lines(real_balance(made.change))


def real_balance(change: BalanceChange) -> Line:
    """What becomes of the real balance, in the operator's currency."""
    entry = change.entry
    before = money.show(entry.real_after - entry.real_delta, entry.currency)
    return Line(
        "Real balance", f"{money.show(entry.real_after, entry.currency)} {entry.currency}", before=before
    )


LOAD = Act("member_acts.load", "Load points", "Load points", lambda: LoadForm(currency=currency()), _load)
REDEEM = Act(
    "member_acts.redeem", "Redeem points", "Redeem points", lambda: RedeemForm(currency=currency()), _redeem
)
ADJUST = Act("member_acts.adjust", "Adjust points", "Adjust points", PointsAdjustmentForm, _adjust)
CONVERT = Act(
    "member_acts.convert",
    "Convert points into real money",
    "Convert points",
    ConversionForm,
    _convert,
)


@bp.get("/load")
@requires("points:move")
def new_load(player_id: int) -> ResponseReturnValue:
    """The form of a load."""
    return member_flow.ask(LOAD, Place(player_id))


@bp.post("/load/preview")
@requires("points:move")
def preview_load(player_id: int) -> ResponseReturnValue:
    """Base and bonus points, tier and expiry of what is typed."""
    return member_flow.preview(LOAD, Place(player_id))


@bp.post("/load")
@requires("points:move")
def create_load(player_id: int) -> ResponseReturnValue:
    """Load points; the first load makes the wallet."""
    return member_flow.post(LOAD, Place(player_id))


@bp.get("/redeem")
@requires("points:move")
def new_redeem(player_id: int) -> ResponseReturnValue:
    """The form of a redemption."""
    return member_flow.ask(REDEEM, Place(player_id))


@bp.post("/redeem/preview")
@requires("points:move")
def preview_redeem(player_id: int) -> ResponseReturnValue:
    """Discount, points, batches and remainder of what is typed."""
    return member_flow.preview(REDEEM, Place(player_id))


@bp.post("/redeem")
@requires("points:move")
def create_redeem(player_id: int) -> ResponseReturnValue:
    """Use points."""
    return member_flow.post(REDEEM, Place(player_id))


@bp.get("/adjust")
@requires("points:adjust")
def new_adjust(player_id: int) -> ResponseReturnValue:
    """The form of an adjustment."""
    return member_flow.ask(ADJUST, Place(player_id))


@bp.post("/adjust/preview")
@requires("points:adjust")
def preview_adjust(player_id: int) -> ResponseReturnValue:
    """What the adjustment would do, and whether it waits for a second person."""
    return member_flow.preview(ADJUST, Place(player_id))


@bp.post("/adjust")
@requires("points:adjust")
def create_adjust(player_id: int) -> ResponseReturnValue:
    """Give or take points, or ask for that."""
    return member_flow.post(ADJUST, Place(player_id))


@bp.get("/convert")
@requires("points:move")
def new_convert(player_id: int) -> ResponseReturnValue:
    """The form of a conversion."""
    return member_flow.ask(CONVERT, Place(player_id))


@bp.post("/convert/preview")
@requires("points:move")
def preview_convert(player_id: int) -> ResponseReturnValue:
    """What the points become, and the balance afterwards."""
    return member_flow.preview(CONVERT, Place(player_id))


@bp.post("/convert")
@requires("points:move")
def create_convert(player_id: int) -> ResponseReturnValue:
    """Turn points into real money, in both journals at once."""
    return member_flow.post(CONVERT, Place(player_id))
