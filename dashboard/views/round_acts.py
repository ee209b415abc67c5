"""What staff do with a round by hand: cards, bets opened and closed, dealing, voiding, putting right."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Blueprint, Response, make_response, render_template, url_for
from flask.typing import ResponseReturnValue

from dashboard import clock, db, live
from dashboard.errors import Conflict, Rejected
from dashboard.forms.base import DeskForm
from dashboard.forms.rounds import CardForm, CorrectionForm, StageForm, UndoForm, VoidForm
from dashboard.models.game import RoundState
from dashboard.queries import rounds as queries
from dashboard.queries.rounds import RoundRow
from dashboard.services import andar_bahar, rounds, settlement
from dashboard.services import round_requests as services
from dashboard.services.settlement import Amendment
from dashboard.views import access, htmx, live_round, round_requests
from dashboard.views.access import requires

bp = Blueprint("round_acts", __name__, url_prefix="/rounds/<int:round_id>")

_DAMAGED = "This form is damaged: reload the page."


@bp.post("/betting")
@requires("games:deal")
def create_betting(round_id: int) -> ResponseReturnValue:
    """Open the bets of the stage that comes next."""
    form = StageForm()
    stage = _sent(form) and form.stage.data
    work = rounds.open_betting if stage == 1 else rounds.next_stage
    return _step(round_id, partial(work, round_id=round_id))


@bp.post("/closing")
@requires("games:deal")
def create_closing(round_id: int) -> ResponseReturnValue:
    """Close the bets of a stage before their time."""
    form = StageForm()
    _sent(form)
    played = _round(round_id)
    who, now = access.current_actor(), clock.now()
    rounds.close(db.transact, round_id=round_id, stage=form.stage.data or 0, actor=who, now=now)
    return live_round.answer(played.game_id)


@bp.post("/deal")
@requires("games:deal")
def create_deal(round_id: int) -> ResponseReturnValue:
    """Deal a shuffled deck, and settle the round if the match has fallen."""
    return _step(round_id, partial(rounds.deal, round_id=round_id))


@bp.post("/cards")
@requires("games:deal")
def create_card(round_id: int) -> ResponseReturnValue:
    """Enter the joker (position 0) or the next card of a live table, and settle the round at the match."""
    form = CardForm()
    _sent(form)
    card, position = form.number(), form.position.data or 0
    if position == 0:
        return _step(round_id, partial(rounds.enter_joker, round_id=round_id, card=card))
    return _step(round_id, partial(rounds.deal_card, round_id=round_id, position=position, card=card))


@bp.post("/undone-cards")
@requires("games:deal")
def create_undone_card(round_id: int) -> ResponseReturnValue:
    """Take the last card back, before a match."""
    form = UndoForm()
    _sent(form)
    return _step(round_id, partial(rounds.undo_card, round_id=round_id, position=form.position.data or 0))


@bp.post("/settlement")
@requires("games:deal")
def create_settlement(round_id: int) -> ResponseReturnValue:
    """Pay a round out whose result stands."""
    played = _round(round_id)
    _settle(round_id)
    return live_round.answer(played.game_id)


@bp.get("/void")
@requires("games:deal")
def new_void(round_id: int) -> ResponseReturnValue:
    """What voiding means, and a form for the reason."""
    return _form("void", round_id, VoidForm(formdata=None))


@bp.post("/void")
@requires("games:deal")
def create_void(round_id: int) -> ResponseReturnValue:
    """Give every stake back; of a settled round, ask another person to agree."""
    form = VoidForm()
    if not form.validate():
        return _form("void", round_id, form, 422)
    if _round(round_id).state == RoundState.SETTLED:
        return _ask("void", round_id, form, Amendment())
    who, now, reason = access.current_actor(), clock.now(), form.reason.data or ""
    try:
        settlement.void(db.transact, round_id=round_id, reason=reason, actor=who, now=now)
    except (Rejected, Conflict) as refused:
        return _refused("void", round_id, form, refused)
    round_requests.tell_settled(round_id)
    said = f"Round {_round(round_id).number} is void: every stake was given back."
    return htmx.redirect_with_toast(url_for("rounds.show", round_id=round_id), said)


@bp.get("/correction")
@requires("games:deal")
def new_correction(round_id: int) -> ResponseReturnValue:
    """A form for the result as it really was."""
    played = _round(round_id)
    given = {
        "joker": andar_bahar.name(played.joker) if played.joker is not None else "",
        "cards": " ".join(map(andar_bahar.name, played.cards)),
    }
    return _form("correction", round_id, CorrectionForm(formdata=None, data=given))


@bp.post("/correction")
@requires("games:deal")
def create_correction(round_id: int) -> ResponseReturnValue:
    """Ask another person to agree that the round be settled anew by that result."""
    form = CorrectionForm()
    if not form.validate():
        return _form("correction", round_id, form, 422)
    try:
        joker, cards = form.result()
    except Rejected as refused:
        form.show(refused)
        return _form("correction", round_id, form, 422)
    return _ask("correction", round_id, form, Amendment(joker, cards))


def _step(round_id: int, work: Callable[..., Any]) -> ResponseReturnValue:
    """One guarded step, and the settlement if it has brought the result."""
    who, now = access.current_actor(), clock.now()
    db.transact(lambda session: work(session, actor=who, now=now))
    played = _round(round_id)
    if played.winner is not None:
        with suppress(Conflict):  # the worker was first: it plays this game, too
            _settle(round_id)
    return live_round.answer(played.game_id)


def _settle(round_id: int) -> None:
    settlement.settle(db.transact, round_id=round_id, actor=access.current_actor(), now=clock.now())
    round_requests.tell_settled(round_id)


def _ask(noun: str, round_id: int, form: DeskForm, amendment: Amendment) -> ResponseReturnValue:
    asked = partial(
        services.ask,
        round_id=round_id,
        amendment=amendment,
        reason=form["reason"].data or "",
        actor=access.current_actor(),
        now=clock.now(),
    )
    try:
        db.transact(asked)
    except (Rejected, Conflict) as refused:
        return _refused(noun, round_id, form, refused)
    live.tell(live.approvals_of(access.current_operator().id))
    location = url_for("rounds.show", round_id=round_id)
    return htmx.redirect_with_toast(location, "This waits for another person.", kind="info")


def _refused(noun: str, round_id: int, form: DeskForm, refused: Rejected | Conflict) -> Response:
    form.show(refused)
    return _form(noun, round_id, form, 409 if isinstance(refused, Conflict) else 422)


def _sent(form: DeskForm) -> bool:
    """That a form of buttons alone came whole. Raises Rejected."""
    if not form.validate():
        raise Rejected(_DAMAGED)
    return True


def _form(noun: str, round_id: int, form: DeskForm, status: int = 200) -> Response:
    template = f"rounds/_{noun}.html" if htmx.wants_partial() else f"rounds/{noun}.html"
    return make_response(render_template(template, round=_round(round_id), form=form), status)


def _round(round_id: int) -> RoundRow:
    with db.reading() as session:
        return queries.get_round(session, operator_id=access.current_operator().id, round_id=round_id)
