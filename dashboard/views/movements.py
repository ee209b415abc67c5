"""Money that leaves a wallet by hand: withdrawals in two steps, and transfers to another player."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dashboard import clock, db, live, money
from dashboard.errors import Conflict, NotFound, PurserError, Rejected
from dashboard.forms.movements import (
    CancellationForm,
    MovementForm,
    PaymentForm,
    TransferForm,
    WithdrawalFilterForm,
    WithdrawalForm,
)
from dashboard.models.change_request import WithdrawalState
from dashboard.models.wallet import ChangeType
from dashboard.queries import staff
from dashboard.queries import withdrawals as queries
from dashboard.services import refusals, submissions, withdrawals
from dashboard.services.changes import ChangeRefused, Judgement, KeyReused, Request, StaleBalance
from dashboard.services.submissions import Submitted, Weighed
from dashboard.views import access, htmx, lists, player_page
from dashboard.views.access import requires

bp = Blueprint("movements", __name__)

PREVIEW_LOCK_TIMEOUT_MS = 200


@dataclass(frozen=True)
class Outcome:
    """What sending the form would do, as far as it can be said."""

    judgement: Judgement | None = None
    weighed: Weighed | None = None
    problem: str = ""
    """Why nothing can be said yet."""


@dataclass(frozen=True)
class Movement:
    """One of the two ways out, in the words of its form."""

    noun: str
    """Of the endpoints and templates."""
    title: str
    form: type[MovementForm]
    change_type: ChangeType
    verb: str


WITHDRAWAL = Movement("withdrawal", "Request a withdrawal", WithdrawalForm, ChangeType.WITHDRAWAL, "Request")
TRANSFER = Movement("transfer", "Transfer to another player", TransferForm, ChangeType.TRANSFER, "Transfer")


@bp.get("/withdrawals")
@requires("withdrawals:view")
def index() -> ResponseReturnValue:
    """What waits to be paid, and what was."""
    operator = access.current_operator()
    form = WithdrawalFilterForm(request.args)
    form.validate()
    state = {"all": None, "": WithdrawalState.REQUESTED}.get(form.good("state") or "", form.good("state"))
    with db.reading() as session:
        context = {
            "form": form,
            "names": staff.names_by_id(session, operator_id=operator.id),
            "page": queries.page_of_withdrawals(
                session,
                operator_id=operator.id,
                state=WithdrawalState(state) if state in set(WithdrawalState) else None,
                after=request.args.get("after", ""),
                through=lists.through(),
            ),
        }
        if not htmx.wants_partial():
            return render_template("movements/index.html", **context)
        if "after" in request.args:
            return render_template("movements/_withdrawal_rows.html", **context)
        answer = make_response(render_template("movements/_withdrawals.html", **context))
    return lists.with_address(answer, "movements.index", form)


@bp.get("/players/<int:player_id>/withdrawals/new")
@requires("withdrawals:request")
def new_withdrawal(player_id: int) -> ResponseReturnValue:
    """The form of a withdrawal."""
    return _ask(player_id, WITHDRAWAL)


@bp.post("/players/<int:player_id>/withdrawals")
@requires("withdrawals:request")
def create_withdrawal(player_id: int) -> ResponseReturnValue:
    """Lock the amount as pending; sent twice, it is requested once."""
    who, now = access.current_actor(), clock.now()

    def work(session: Session, form: MovementForm) -> str:
        withdrawals.request(
            session,
            request=_request(player_id, WITHDRAWAL, form),
            actor=who,
            now=now,
            seen_version=form.seen_version.data,
        )
        return f"{_amount(form)} is pending until it is paid."

    return _send(player_id, WITHDRAWAL, work)


@bp.post("/players/<int:player_id>/withdrawals/preview")
@requires("withdrawals:request")
def preview_withdrawal(player_id: int) -> ResponseReturnValue:
    """What requesting it would do."""
    return _preview(player_id, WITHDRAWAL)


@bp.get("/players/<int:player_id>/withdrawals")
@requires("withdrawals:view")
def list_of_player(player_id: int) -> ResponseReturnValue:
    """What one player waits for: a part of their page."""
    if not htmx.wants_partial():
        return player_page.redirect_to_page(player_id)
    with db.reading() as session:
        page = player_page.get_page(session, player_id)
        return render_template("movements/_of_player.html", page=page, waiting=_waiting(session, player_id))


@bp.get("/players/<int:player_id>/withdrawals/<int:withdrawal_id>")
@requires("withdrawals:view")
def show_withdrawal(player_id: int, withdrawal_id: int) -> ResponseReturnValue:
    """One withdrawal, with the forms that end it."""
    return _show(player_id, withdrawal_id)


@bp.post("/players/<int:player_id>/withdrawals/<int:withdrawal_id>/payment")
@requires("withdrawals:pay")
def pay_withdrawal(player_id: int, withdrawal_id: int) -> ResponseReturnValue:
    """Pay it, or ask a second person to."""
    who, now = access.current_actor(), clock.now()
    form = PaymentForm()
    if not form.validate():
        return _show(player_id, withdrawal_id, payment=form, status=422)
    try:
        done = db.transact(
            lambda session: submissions.submit_payment(
                session, player_id=player_id, withdrawal_id=withdrawal_id, actor=who, now=now
            )
        )
    except (Rejected, Conflict) as refused:
        if isinstance(refused, ChangeRefused):
            _record(refused, now)
        form.show(PurserError(refused.message))
        status = 409 if isinstance(refused, Conflict) else 422
        return _show(player_id, withdrawal_id, payment=form, status=status)
    said = "The withdrawal is paid." if done.change else "The payment waits for a second person."
    return _done(player_id, said, done)


@bp.post("/players/<int:player_id>/withdrawals/<int:withdrawal_id>/cancellation")
@requires("withdrawals:request")
def cancel_withdrawal(player_id: int, withdrawal_id: int) -> ResponseReturnValue:
    """Give the amount back to what is withdrawable."""
    who, now = access.current_actor(), clock.now()
    form = CancellationForm()
    if not form.validate():
        return _show(player_id, withdrawal_id, cancellation=form, status=422)
    try:
        db.transact(
            lambda session: withdrawals.cancel(
                session,
                player_id=player_id,
                withdrawal_id=withdrawal_id,
                reason=form.reason.data or "",
                actor=who,
                now=now,
            )
        )
    except Conflict as conflict:
        form.show(PurserError(conflict.message))
        return _show(player_id, withdrawal_id, cancellation=form, status=409)
    return _done(player_id, "The withdrawal is cancelled.")


@bp.get("/players/<int:player_id>/transfers/new")
@requires("balances:transfer")
def new_transfer(player_id: int) -> ResponseReturnValue:
    """The form of a transfer."""
    return _ask(player_id, TRANSFER)


@bp.post("/players/<int:player_id>/transfers")
@requires("balances:transfer")
def create_transfer(player_id: int) -> ResponseReturnValue:
    """Move money to another player, or ask a second person to."""
    who, now = access.current_actor(), clock.now()

    def work(session: Session, form: MovementForm) -> str:
        done = submissions.submit_transfer(
            session,
            request=_request(player_id, TRANSFER, form, session),
            actor=who,
            now=now,
            seen_version=form.seen_version.data,
            amount_again=form["amount_again"].data,
        )
        if done.change is None:
            return f"The transfer of {_amount(form)} waits for a second person."
        return f"Transferred {_amount(form)}."

    return _send(player_id, TRANSFER, work)


@bp.post("/players/<int:player_id>/transfers/preview")
@requires("balances:transfer")
def preview_transfer(player_id: int) -> ResponseReturnValue:
    """What transferring would do."""
    return _preview(player_id, TRANSFER)


def _ask(
    player_id: int,
    movement: Movement,
    form: MovementForm | None = None,
    outcome: Outcome | None = None,
    status: int = 200,
) -> Response:
    with db.reading() as session:
        page = player_page.get_page(session, player_id, form.known_currency if form else None)
    if form is None:
        given = {"currency": page.balance.currency, "seen_version": page.balance.version}
        form = movement.form(formdata=None, data=given)
    template = "movements/_new.html" if htmx.wants_partial() else "movements/new.html"
    context = {"page": page, "movement": movement, "form": form, "outcome": outcome or Outcome()}
    return make_response(
        render_template(template, **context, blocked=player_page.blocked(page), act=_act(movement, form)),
        status,
    )


def _send(
    player_id: int, movement: Movement, work: Callable[[Session, MovementForm], str]
) -> ResponseReturnValue:
    form, now = movement.form(), clock.now()
    if not form.validate():
        return _ask(player_id, movement, form, status=422)
    try:
        said = db.transact(lambda session: work(session, form))
    except ChangeRefused as refused:
        _record(refused, now)
        for problem in refused.judgement.validation.errors:
            form.show(Rejected(problem.message, field="amount"))
        return _ask(player_id, movement, form, Outcome(refused.judgement), 422)
    except StaleBalance as stale:
        form.renew(seen_version=stale.version)
        form.form_errors.append("The balance has changed since you looked: look again, then confirm.")
        return _ask(player_id, movement, form, _rehearse(player_id, movement, form), 409)
    except KeyReused as reused:
        form.show(PurserError(reused.message))
        return _ask(player_id, movement, form, status=409)
    except (NotFound, Rejected) as refused:
        form.show(Rejected(refused.message, field=refused.field or "to"))
        return _ask(player_id, movement, form, _rehearse(player_id, movement, form), 422)
    return _done(player_id, said, currency=form.known_currency)


def _preview(player_id: int, movement: Movement) -> str:
    form = movement.form()
    form.validate()
    with db.reading() as session:
        page = player_page.get_page(session, player_id, form.known_currency)
    return render_template(
        "movements/_outcome.html",
        page=page,
        movement=movement,
        form=form,
        outcome=_rehearse(player_id, movement, form),
        act=_act(movement, form),
        oob=True,
    )


def _rehearse(player_id: int, movement: Movement, form: MovementForm) -> Outcome:
    """What would happen, by the posting code itself, in a transaction that is always rolled back."""
    if not form.minor:
        return Outcome(problem=" ".join(form.amount.errors) if form.amount.raw_data != [""] else "")
    who, now = access.current_actor(), clock.now()
    try:
        with db.rehearsing(lock_timeout_ms=PREVIEW_LOCK_TIMEOUT_MS) as session:
            wanted = _request(player_id, movement, form, session, rehearsing=True)
            if movement is WITHDRAWAL:
                return Outcome(withdrawals.request(session, request=wanted, actor=who, now=now).judgement)
            done = submissions.submit_transfer(
                session, request=wanted, actor=who, now=now, amount_again=form.minor
            )
            return Outcome(done.judgement, done.weighed)
    except ChangeRefused as refused:
        return Outcome(refused.judgement)
    except OperationalError as error:
        if not db.is_lock_held(error):
            raise
        return Outcome(problem="Somebody is changing this balance: type on, or wait a moment.")
    except PurserError as refused:
        return Outcome(problem=refused.message)


def _request(
    player_id: int,
    movement: Movement,
    form: MovementForm,
    session: Session | None = None,
    *,
    rehearsing: bool = False,
) -> Request:
    other = None
    if isinstance(form, TransferForm) and session is not None:
        operator_id = access.current_operator().id
        other = queries.find_player(session, operator_id=operator_id, typed=form.to.data or "")
        if other is None:
            raise Rejected("No player has this external id or e-mail address.", field="to")
    # While the amount is typed the reason may be empty or too long; it changes no figure.
    reason = form.reason.data or ""
    if rehearsing and (form.reason.errors or not reason):
        reason = "Preview"
    return Request(
        player_id=player_id,
        currency=form.currency.data or "",
        change_type=movement.change_type,
        real_delta=-form.minor,
        reason=reason,
        idempotency_key=form.idempotency_key.data or "",
        reference=None if form.reference.errors else form.reference.data or None,
        other_player=other,
    )


def _show(
    player_id: int,
    withdrawal_id: int,
    *,
    payment: PaymentForm | None = None,
    cancellation: CancellationForm | None = None,
    status: int = 200,
) -> Response:
    operator = access.current_operator()
    with db.reading() as session:
        row = queries.get_withdrawal(
            session, player_id=player_id, withdrawal_id=withdrawal_id, operator_id=operator.id
        )
        context: dict[str, Any] = {
            "row": row,
            "names": staff.names_by_id(session, operator_id=operator.id),
            "page": player_page.get_page(session, player_id, row.currency),
            "payment": payment or PaymentForm(formdata=None),
            "cancellation": cancellation or CancellationForm(formdata=None),
        }
    template = "movements/_show.html" if htmx.wants_partial() else "movements/show.html"
    return make_response(render_template(template, **context), status)


def _done(
    player_id: int, said: str, done: Submitted | None = None, currency: str | None = None
) -> ResponseReturnValue:
    who = access.current_actor()
    live.tell_player(operator_id=who.operator_id, player_id=player_id)
    live.tell(live.approvals_of(who.operator_id))
    link: dict[str, str] = {}
    if done is not None and done.change is not None:
        entry = done.change.entry
        link = {"href": player_page.entry_url(entry), "link": f"Entry {entry.sequence}"}
    elif done is not None and done.request_id is not None:
        link = {"href": url_for("approvals.index"), "link": "Approvals"}
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(player_page.player_url(player_id, currency), said, **link)
    answer = htmx.with_toast(Response(status=204), said, **link)
    return htmx.trigger(htmx.trigger(answer, "dialog:close"), "live:player")


def _record(refused: ChangeRefused, now: dt.datetime) -> None:
    who = access.current_actor()
    db.transact(lambda session: refusals.record(session, refused=refused, actor=who, now=now))


def _waiting(session: Session, player_id: int) -> list[queries.WithdrawalRow]:
    return queries.list_requested(session, player_id=player_id, operator_id=access.current_operator().id)


def _amount(form: MovementForm) -> str:
    currency = form.known_currency or ""
    return f"{money.show(form.minor, currency)} {currency}"


def _act(movement: Movement, form: MovementForm) -> str:
    """What the button does: `Request 250.00 USD`."""
    return f"{movement.verb} {_amount(form)}" if form.minor and form.known_currency else movement.verb
