"""Changing one wallet: its balances through the one door, and its status."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dashboard import clock, db, live, money
from dashboard.errors import Conflict, PurserError, Rejected
from dashboard.forms.wallets import AdjustmentForm, ReversalForm, StatusForm
from dashboard.models.wallet import ChangeType
from dashboard.queries import journal, players
from dashboard.services import balances, refusals, wallets
from dashboard.services.actors import Actor
from dashboard.services.balances import BalanceChange, ChangeRefused, KeyReused, StaleBalance
from dashboard.services.journal import Entry
from dashboard.services.vip import LimitUse
from dashboard.views import access, htmx, past, player_page
from dashboard.views.access import requires
from dashboard.views.player_page import Outlook

bp = Blueprint("wallets", __name__, url_prefix="/players/<int:player_id>")

PREVIEW_LOCK_TIMEOUT_MS = 200
_LOCK_NOT_AVAILABLE = "55P03"
_UNTYPED_REASON = (
    "Preview"  # while the amount is typed, the reason may be empty or too long; it changes no figure
)


@dataclass(frozen=True)
class Move:
    """How the status of a wallet is moved, in the words of the question that comes before it."""

    noun: str
    """Of the URL."""
    title: str
    consequence: str
    button: str
    done: str
    is_grave: bool = False
    needs_nothing_left: bool = False


FREEZE = Move(
    "freeze",
    "Freeze the wallet",
    "Deposits, withdrawals, adjustments, fees and bets are refused until it is unfrozen. Settlements of"
    " open bets, refunds and reversals still go through.",
    "Freeze the wallet",
    "The wallet is frozen.",
    is_grave=True,
)
UNFREEZE = Move(
    "unfreeze",
    "Unfreeze the wallet",
    "The wallet takes every change again.",
    "Unfreeze the wallet",
    "The wallet is active again.",
)
CLOSURE = Move(
    "closure",
    "Close the wallet",
    "This is for good: a closed wallet cannot be opened again, and takes reversals alone. Journal, notes"
    " and alerts stay.",
    "Close the wallet for good",
    "The wallet is closed.",
    is_grave=True,
    needs_nothing_left=True,
)


@bp.post("/adjustments")
@requires("balances:adjust")
def create_adjustment(player_id: int) -> ResponseReturnValue:
    """Post one change typed by hand; sent twice, it is posted once and answered with the first entry."""
    form = AdjustmentForm()
    if not form.validate():
        return _form(player_id, form, 422)
    who, now = access.current_actor(), clock.now()
    wanted = _request(player_id, form)
    try:
        change = db.transact(
            lambda session: balances.change(
                session, request=wanted, actor=who, now=now, seen_version=form.seen_version.data
            )
        )
    except ChangeRefused as refused:
        return _refused(player_id, form, refused, who, now)
    except StaleBalance as stale:
        return _stale(player_id, form, stale.seen_version)
    except KeyReused as reused:
        return _reused(player_id, form, reused.entry)
    live.tell_player(operator_id=who.operator_id, player_id=player_id)
    return _adjusted(player_id, form, change)


@bp.post("/adjustments/preview")
@requires("balances:adjust")
def preview_adjustment(player_id: int) -> ResponseReturnValue:
    """What posting would do, by the posting code itself, in a transaction that is always rolled back."""
    form = AdjustmentForm()
    form.validate()
    with db.reading() as session:
        page = player_page.get_page(session, player_id, form.known_currency)
    # After the reading: a request holds one connection at a time.
    outlook = _outlook(player_id, form, page.limits)
    return render_template(
        "players/_preview.html",
        page=page,
        outlook=outlook,
        act=player_page.act(form.real_delta if outlook.judgement else 0, page.balance.currency),
        oob=True,
        typed="again" not in request.args,
    )


@bp.get("/freeze")
@requires("wallets:freeze")
def new_freeze(player_id: int) -> ResponseReturnValue:
    """The question before a wallet is frozen."""
    return _ask(player_id, FREEZE)


@bp.post("/freeze")
@requires("wallets:freeze")
def create_freeze(player_id: int) -> ResponseReturnValue:
    """Freeze the wallet."""
    return _move(player_id, FREEZE, wallets.freeze)


@bp.get("/unfreeze")
@requires("wallets:freeze")
def new_unfreeze(player_id: int) -> ResponseReturnValue:
    """The question before a wallet is let go."""
    return _ask(player_id, UNFREEZE)


@bp.post("/unfreeze")
@requires("wallets:freeze")
def create_unfreeze(player_id: int) -> ResponseReturnValue:
    """Let the wallet take everything again."""
    return _move(player_id, UNFREEZE, wallets.unfreeze)


@bp.get("/closure")
@requires("wallets:close")
def new_closure(player_id: int) -> ResponseReturnValue:
    """The question before a wallet is closed."""
    return _ask(player_id, CLOSURE)


@bp.post("/closure")
@requires("wallets:close")
def create_closure(player_id: int) -> ResponseReturnValue:
    """Close the wallet for good."""
    return _move(player_id, CLOSURE, wallets.close)


@bp.get("/entries/<string(length=3):currency>/<int:sequence>")
@requires("players:view")
def show_entry(player_id: int, currency: str, sequence: int) -> ResponseReturnValue:
    """One entry in full, with the form that undoes it."""
    return _entry(player_id, currency, sequence, ReversalForm(formdata=None))


@bp.post("/entries/<string(length=3):currency>/<int:sequence>/reversal")
@requires("balances:reverse")
def create_reversal(player_id: int, currency: str, sequence: int) -> ResponseReturnValue:
    """Undo one entry by another."""
    form = ReversalForm()
    if not form.validate():
        return _entry(player_id, currency, sequence, form, 422)
    who, now = access.current_actor(), clock.now()
    try:
        change = db.transact(
            lambda session: balances.reverse(
                session,
                player_id=player_id,
                currency=currency,
                sequence=sequence,
                reason=form.reason.data or "",
                actor=who,
                idempotency_key=form.idempotency_key.data or "",
                now=now,
            )
        )
    except Rejected as refused:
        form.show(Rejected(refused.message))
        return _entry(player_id, currency, sequence, form, 422)
    live.tell_player(operator_id=who.operator_id, player_id=player_id)
    entry = change.entry
    said = f"Entry {sequence} is reversed: {money.show(entry.real_delta, currency, signed=True)} {currency}."
    link = {"href": _entry_url(entry), "link": f"Entry {entry.sequence}"}
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(player_page.player_url(player_id, currency), said, **link)
    # An answer without content: what stands open fetches itself anew.
    answer = htmx.with_toast(Response(status=204), said, **link)
    return htmx.trigger(htmx.trigger(answer, "dialog:close"), "live:player")


def _request(player_id: int, form: AdjustmentForm) -> balances.Request:
    return balances.Request(
        player_id=player_id,
        currency=form.currency.data or "",
        change_type=ChangeType(form.change_type.data),
        real_delta=form.real_delta,
        reason=_UNTYPED_REASON if form.reason.errors else form.reason.data or "",
        idempotency_key=form.idempotency_key.data or "",
    )


def _outlook(player_id: int, form: AdjustmentForm, limits: Sequence[LimitUse] = ()) -> Outlook:
    faults = [*form.form_errors, *form.change_type.errors]
    if form.amount.raw_data and form.amount.raw_data[0].strip():
        faults += form.amount.errors
    elif not faults:
        return Outlook(limits=limits)
    if faults:
        return Outlook(limits=limits, unreadable=" ".join(faults))
    try:
        with db.rehearsing(lock_timeout_ms=PREVIEW_LOCK_TIMEOUT_MS) as session:
            change = balances.change(
                session,
                request=_request(player_id, form),
                actor=access.current_actor(),
                now=clock.now(),
            )
        judgement = change.judgement
    except ChangeRefused as refused:
        judgement = refused.judgement
    except KeyReused as reused:
        return Outlook(limits=limits, reused=reused.entry)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        return Outlook(limits=limits, busy=True)
    if judgement is None:
        return Outlook(limits=limits, known=change.entry)
    return Outlook(
        limits=judgement.validation.limits,
        judgement=judgement,
        has_moved=judgement.version != form.seen_version.data,
    )


def _refused(
    player_id: int, form: AdjustmentForm, refused: ChangeRefused, who: Actor, now: dt.datetime
) -> Response:
    db.transact(lambda session: refusals.record(session, refused=refused, actor=who, now=now))
    live.tell_player(operator_id=who.operator_id, player_id=player_id)
    for problem in refused.judgement.validation.errors:
        form.show(Rejected(problem.message, field="amount"))
    # The attempt is on record under its key: the next one is another attempt.
    form.renew(seen_version=refused.judgement.version, key=True)
    outlook = Outlook(limits=refused.judgement.validation.limits, judgement=refused.judgement)
    return _form(player_id, form, 422, outlook=outlook)


def _stale(player_id: int, form: AdjustmentForm, seen_version: int) -> Response:
    currency = form.currency.data or ""
    with db.reading() as session:
        between = journal.changes_since(session, player_id=player_id, currency=currency, version=seen_version)
    # The same key: if the first attempt did arrive after all, it is not posted twice.
    form.renew(seen_version=between[-1].sequence if between else seen_version, key=False)
    return _form(player_id, form, 409, stale=between, outlook=_outlook(player_id, form))


def _reused(player_id: int, form: AdjustmentForm, posted: Entry | None) -> Response:
    with db.reading() as session:
        version = player_page.get_page(session, player_id, form.currency.data).balance.version
    form.renew(seen_version=version, key=True)
    return _form(player_id, form, 409, reused=posted, outlook=_outlook(player_id, form))


def _form(player_id: int, form: AdjustmentForm, status: int, **given: Any) -> Response:
    """The same form with what was typed and what was said against it; plainly, in its page."""
    currency = form.known_currency
    if not htmx.wants_partial():
        return make_response(player_page.whole(player_id, currency=currency, form=form, **given), status)
    with db.reading() as session:
        page = player_page.get_page(session, player_id, currency)
        context = player_page.form_context(page, form, **given)
        return make_response(render_template("players/_refused.html", **context), status)


def _adjusted(player_id: int, form: AdjustmentForm, change: BalanceChange) -> Response:
    entry = change.entry
    with db.reading() as session:
        page = player_page.get_page(session, player_id, entry.currency)
    said = _said(entry, page.player.name, repeated=change.repeated)
    link = {"href": _entry_url(entry), "link": f"Entry {entry.sequence}"}
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(player_page.url(page), said, **link)
    fresh = player_page.fresh_form(page, form.change_type.data)
    answer = render_template("players/_adjusted.html", **player_page.form_context(page, fresh))
    # The journal fetches what is new by itself, in the order of its filters.
    return htmx.trigger(htmx.with_toast(answer, said, **link), "journal:grown")


def _said(entry: Entry, name: str, *, repeated: bool) -> str:
    amount = f"{money.show(abs(entry.real_delta), entry.currency)} {entry.currency}"
    done = "Credited" if entry.real_delta > 0 else "Debited"
    if repeated:
        return f"{done} {amount} once: this form had been posted already."
    return f"{done} {amount} · {name}."


def _entry_url(entry: Entry) -> str:
    return url_for(
        "wallets.show_entry",
        player_id=entry.player_id,
        currency=entry.currency,
        sequence=entry.sequence,
    )


def _ask(player_id: int, move: Move, form: StatusForm | None = None, status: int = 200) -> Response:
    with db.reading() as session:
        page = player_page.get_page(session, player_id)
    template = "players/_move.html" if htmx.wants_partial() else "players/move.html"
    answer = render_template(template, page=page, move=move, form=form or StatusForm(formdata=None))
    return make_response(answer, status)


def _move(player_id: int, move: Move, service: Callable[..., None]) -> ResponseReturnValue:
    form = StatusForm()
    if not form.validate():
        return _ask(player_id, move, form, 422)
    who, now = access.current_actor(), clock.now()

    def work(session: Session) -> None:
        service(session, player_id=player_id, reason=form.reason.data, actor=who, now=now)

    try:
        db.transact(work)
    except (Rejected, Conflict) as refused:
        form.show(PurserError(refused.message))
        return _ask(player_id, move, form, 409 if isinstance(refused, Conflict) else 422)
    live.tell_player(operator_id=who.operator_id, player_id=player_id)
    here = htmx.current_path() if htmx.is_htmx() else player_page.player_url(player_id)
    return htmx.redirect_with_toast(here, move.done)


def _entry(player_id: int, currency: str, sequence: int, form: ReversalForm, status: int = 200) -> Response:
    with db.reading() as session:
        entry = player_page.get_entry(session, player_id, currency, sequence)
        player = players.get_header(session, player_id=player_id, operator_id=player_page.operator_id())
    template = "players/_entry.html" if htmx.wants_partial() else "players/entry.html"
    given = past.idle()
    return make_response(render_template(template, entry=entry, player=player, form=form, **given), status)
