"""What one does about an entry of a member's journal: refunding a service, reversing a load, undoing a
conversion."""

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard.forms.loyalty import PaymentReversalForm, ReasonForm, ServiceRefundForm
from dashboard.services import points_conversion, points_refunds
from dashboard.views import member_flow
from dashboard.views.access import requires
from dashboard.views.member_acts import asked, currency, outcome_of, real_balance
from dashboard.views.member_flow import Act, Place
from dashboard.views.member_outcome import Outcome

bp = Blueprint(
    "member_entry_acts", __name__, url_prefix="/players/<int:player_id>/loyalty/entries/<int:sequence>"
)


def _refund(session: Session, place: Place, form: ServiceRefundForm) -> Outcome:
    done = points_refunds.refund_service(
        session,
        player_id=place.player_id,
        sequence=place.sequence or 0,
        points=form.points.data,
        notes=form.said("notes"),
        **asked(form),
    )
    return outcome_of(session, place, done)


def _reverse(session: Session, place: Place, form: PaymentReversalForm) -> Outcome:
    done = points_refunds.reverse_load(
        session,
        player_id=place.player_id,
        sequence=place.sequence or 0,
        amount=form.amount.data,
        notes=form.said("notes"),
        **asked(form),
    )
    return outcome_of(session, place, done)


def _undo(session: Session, place: Place, form: ReasonForm) -> Outcome:
    undone = points_conversion.undo(
        session,
        player_id=place.player_id,
        sequence=place.sequence or 0,
        reason=form.said("reason"),
        **asked(form),
    )
    return outcome_of(session, place, undone.done).with_lines(real_balance(undone.change))


REFUND = Act(
    "member_entry_acts.refund",
    "Refund a service",
    "Give points back",
    ServiceRefundForm,
    _refund,
    consequence="The service was cancelled: its points go back to the batches that they came from.",
)
REVERSAL = Act(
    "member_entry_acts.reversal",
    "Reverse a load",
    "Reverse the load",
    lambda: PaymentReversalForm(currency=currency()),
    _reverse,
    consequence="The payment was given back: its points are taken, and owed where they were used already.",
    is_grave=True,
)
UNDOING = Act(
    "member_entry_acts.undoing",
    "Undo a conversion",
    "Undo the conversion",
    ReasonForm,
    _undo,
    consequence="The money is taken back and the points return, all of both.",
    is_grave=True,
)


@bp.get("/refund")
@requires("points:move")
def new_refund(player_id: int, sequence: int) -> ResponseReturnValue:
    """The form that gives points of a redemption back."""
    return member_flow.ask(REFUND, Place(player_id, sequence))


@bp.post("/refund/preview")
@requires("points:move")
def preview_refund(player_id: int, sequence: int) -> ResponseReturnValue:
    """To which batches they return, and what of the money."""
    return member_flow.preview(REFUND, Place(player_id, sequence))


@bp.post("/refund")
@requires("points:move")
def create_refund(player_id: int, sequence: int) -> ResponseReturnValue:
    """Give them back."""
    return member_flow.post(REFUND, Place(player_id, sequence))


@bp.get("/reversal")
@requires("points:move")
def new_reversal(player_id: int, sequence: int) -> ResponseReturnValue:
    """The form that takes a load back."""
    return member_flow.ask(REVERSAL, Place(player_id, sequence))


@bp.post("/reversal/preview")
@requires("points:move")
def preview_reversal(player_id: int, sequence: int) -> ResponseReturnValue:
    """What is taken, and what will be owed."""
    return member_flow.preview(REVERSAL, Place(player_id, sequence))


@bp.post("/reversal")
@requires("points:move")
def create_reversal(player_id: int, sequence: int) -> ResponseReturnValue:
    """Take it back."""
    return member_flow.post(REVERSAL, Place(player_id, sequence))


@bp.get("/undoing")
@requires("points:move")
def new_undoing(player_id: int, sequence: int) -> ResponseReturnValue:
    """What undoing a conversion does, and the form that does it."""
    return member_flow.ask(UNDOING, Place(player_id, sequence))


@bp.post("/undoing/preview")
@requires("points:move")
def preview_undoing(player_id: int, sequence: int) -> ResponseReturnValue:
    """The same while one types."""
    return member_flow.preview(UNDOING, Place(player_id, sequence))


@bp.post("/undoing")
@requires("points:move")
def create_undoing(player_id: int, sequence: int) -> ResponseReturnValue:
    """Take the money back and give the points back."""
    return member_flow.post(UNDOING, Place(player_id, sequence))
