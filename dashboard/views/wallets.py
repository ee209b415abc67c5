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
from dashboard.forms.filters import spoken
from dashboard.forms.wallets import AdjustmentForm, StatusForm
from dashboard.models.change_request import RequestState
from dashboard.models.wallet import ChangeType
from dashboard.queries import journal, players
from dashboard.services import balances, refusals, submissions, vip, wallets
from dashboard.services.actors import Actor
from dashboard.services.balances import ChangeRefused, Judgement, KeyReused, StaleBalance
from dashboard.services.journal import Entry
from dashboard.services.submissions import Submitted
from dashboard.services.vip import LimitUse
from dashboard.views import access, htmx, past, player_page
from dashboard.views.access import requires
from dashboard.views.player_page import Outlook

bp = Blueprint("wallets", __name__, url_prefix="/players/<int:player_id>")

PREVIEW_LOCK_TIMEOUT_MS = 200
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
    "This is for good: a closed wallet cannot be opened again, and takes reversals alone. Its bonuses"
    " are taken. Journal, notes and alerts stay.",
    "Close the wallet for good",
    "The wallet is closed.",
    is_grave=True,
    needs_nothing_left=True,
)


@bp.post("/adjustments")
@requires("balances:adjust")
def create_adjustment(player_id: int) -> ResponseReturnValue:
    """Post one change typed by hand, hold it or let it wait; sent twice, that is done once."""
    form = AdjustmentForm()
    if not form.validate():
        return _form(player_id, form, 422)
    who, now = access.current_actor(), clock.now()
    wanted = _request(player_id, form)
    try:
        done = db.transact(
            lambda session: submissions.submit(
                session,
                request=wanted,
                actor=who,
                now=now,
                seen_version=form.seen_version.data,
                amount_again=form.typed_again,
            )
        )
    except ChangeRefused as refused:
        return _refused(player_id, form, refused, who, now)
    except StaleBalance as stale:
        return _stale(player_id, form, stale.seen_version)
    except KeyReused as reused:
        return _reused(player_id, form, reused.entry)
    except Rejected as rejected:
        # Nothing was attempted yet: it is to be typed again, or was never for this person to ask.
        form.show(rejected)
        return _form(player_id, form, 422, outlook=_outlook(player_id, form))
    _tell(done, who, player_id)
    return _adjusted(player_id, form, wanted, done)


@bp.post("/adjustments/preview")
@requires("balances:adjust")
def preview_adjustment(player_id: int) -> ResponseReturnValue:
    """What posting would do, by the posting code itself, in a transaction that is always rolled back."""
    form = AdjustmentForm()
    form.validate()
    with db.reading() as session:
        page = player_page.get_page(session, player_id, form.known_currency)
        allowance = player_page.allowance(session, page)
    # After the reading: a request holds one connection at a time.
    outlook = _outlook(player_id, form, page.limits)
    return render_template(
        "players/_preview.html",
        page=page,
        form=form,
        outlook=outlook,
        allowance=allowance,
        act=player_page.act_of(form, outlook, page.balance.currency),
        oob=True,
        typed="again" not in request.args,
        shows_again="amount_again" in request.form,
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
    form = StatusForm()
    if not form.validate():
        return _ask(player_id, UNFREEZE, form, 422)
    who, now = access.current_actor(), clock.now()
    try:
        done = db.transact(
            lambda session: submissions.submit_unfreeze(
                session,
                player_id=player_id,
                reason=form.reason.data or "",
                actor=who,
                idempotency_key=form.idempotency_key.data or "",
                now=now,
            )
        )
    except (Rejected, Conflict) as refused:
        return _not_moved(player_id, UNFREEZE, form, refused)
    _tell(done, who, player_id)
    if done.request_id is None:
        return _moved(player_id, UNFREEZE)
    here = htmx.current_path() if htmx.is_htmx() else player_page.player_url(player_id)
    return htmx.redirect_with_toast(
        here, "Unfreezing waits for a second person.", **_request_link(player_id, done)
    )


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
    """One entry in full."""
    with db.reading() as session:
        entry = player_page.get_entry(session, player_id, currency, sequence)
        player = players.get_header(session, player_id=player_id, operator_id=player_page.operator_id())
        template = "players/_entry.html" if htmx.wants_partial() else "players/entry.html"
        return render_template(template, entry=entry, player=player, **past.idle())


def _request(player_id: int, form: AdjustmentForm) -> balances.Request:
    return balances.Request(
        player_id=player_id,
        currency=form.currency.data or "",
        change_type=ChangeType(form.change_type.data),
        real_delta=form.real_delta,
        reason=_UNTYPED_REASON if form.reason.errors else form.reason.data or "",
        idempotency_key=form.idempotency_key.data or "",
        override=_override(form),
    )


def _override(form: AdjustmentForm) -> vip.Override | None:
    figures = form.overrides
    if not figures:
        return None
    reason = _UNTYPED_REASON if form.override_reason.errors else form.override_reason.data or ""
    return vip.Override(reason, **figures)


def _outlook(player_id: int, form: AdjustmentForm, limits: Sequence[LimitUse] = ()) -> Outlook:
    faults = [*form.form_errors, *form.change_type.errors]
    if form.amount.raw_data and form.amount.raw_data[0].strip():
        faults += form.amount.errors
    elif not faults:
        return Outlook(limits=limits)
    if faults:
        return Outlook(limits=limits, unreadable=" ".join(faults))
    return _rehearse(player_id, form, limits)


def _rehearse(player_id: int, form: AdjustmentForm, limits: Sequence[LimitUse]) -> Outlook:
    try:
        now = clock.now()
        with db.rehearsing(lock_timeout_ms=PREVIEW_LOCK_TIMEOUT_MS) as session:
            done = submissions.submit(
                session,
                request=_request(player_id, form),
                actor=access.current_actor(),
                now=now,
                amount_again=abs(form.real_delta),
            )
    except ChangeRefused as refused:
        return _judged(form, refused.judgement)
    except KeyReused as reused:
        return Outlook(limits=limits, reused=reused.entry, is_reused=True)
    except Rejected as rejected:
        return Outlook(limits=limits, unreadable=rejected.message)
    except OperationalError as error:
        if not db.is_lock_held(error):
            raise
        return Outlook(limits=limits, busy=True)
    if done.judgement is None:
        return Outlook(limits=limits, known=done.change.entry if done.change else None, kept=done.state)
    held_for = round((done.post_at - now).total_seconds()) if done.post_at else 0
    return _judged(form, done.judgement, weighed=done.weighed, undo_seconds=held_for)


def _judged(form: AdjustmentForm, judgement: Judgement, **more: Any) -> Outlook:
    return Outlook(
        limits=judgement.validation.limits,
        judgement=judgement,
        has_moved=judgement.version != form.seen_version.data,
        **more,
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
    return _form(player_id, form, 409, reused=posted, was_reused=True, outlook=_outlook(player_id, form))


def _form(player_id: int, form: AdjustmentForm, status: int, **given: Any) -> Response:
    """The same form with what was typed and what was said against it; plainly, in its page."""
    currency = form.known_currency
    if not htmx.wants_partial():
        return make_response(player_page.whole(player_id, currency=currency, form=form, **given), status)
    with db.reading() as session:
        page = player_page.get_page(session, player_id, currency)
        context = player_page.form_context(session, page, form, **given)
        return make_response(render_template("players/_refused.html", **context), status)


def _adjusted(player_id: int, form: AdjustmentForm, wanted: balances.Request, done: Submitted) -> Response:
    with db.reading() as session:
        page = player_page.get_page(session, player_id, wanted.currency)
        fresh = player_page.fresh_form(page, form.change_type.data)
        context = player_page.form_context(session, page, fresh)
    said, link = _said(wanted, page.player.name, done), {}
    if done.change is not None:
        entry = done.change.entry
        link = {"href": player_page.entry_url(entry), "link": f"Entry {entry.sequence}"}
    elif done.state != RequestState.HELD:
        link = _request_link(player_id, done)
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(player_page.url(page), said, **link)
    # What is held takes the focus, so that Enter posts it at once.
    answer = render_template("players/_adjusted.html", fresh=done.state != RequestState.HELD, **context)
    # The journal fetches what is new by itself, in the order of its filters.
    return htmx.trigger(htmx.with_toast(answer, said, **link), "journal:grown")


def _said(wanted: balances.Request, name: str, done: Submitted) -> str:
    amount = f"{money.show(wanted.amount, wanted.currency)} {wanted.currency}"
    is_credit = wanted.real_delta > 0
    if done.change is not None:
        words = "Credited" if is_credit else "Debited"
        once = " once: this form had been posted already." if done.repeated else f" · {name}."
        return f"{words} {amount}{once}"
    what = f"{'credit' if is_credit else 'debit'} {amount} · {name}."
    match done.state:
        case RequestState.HELD:
            return f"Held, and not posted yet: {what}"
        case RequestState.WAITING:
            return f"Waits for a second person: {what}"
        case ended:
            return f"This form had been sent already, and its change was {spoken(str(ended)).lower()}: {what}"


def _tell(done: Submitted, who: Actor, player_id: int) -> None:
    tell = live.tell_request if done.state == RequestState.WAITING else live.tell_player
    tell(operator_id=who.operator_id, player_id=player_id)


def _request_link(player_id: int, done: Submitted) -> dict[str, str]:
    """The way to a request that was made."""
    href = url_for("approvals.show", player_id=player_id, request_id=done.request_id)
    return {"href": href, "link": "Request"}


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
        return _not_moved(player_id, move, form, refused)
    live.tell_player(operator_id=who.operator_id, player_id=player_id)
    return _moved(player_id, move)


def _not_moved(player_id: int, move: Move, form: StatusForm, refused: PurserError) -> Response:
    form.show(PurserError(refused.message))
    return _ask(player_id, move, form, 409 if isinstance(refused, Conflict) else 422)


def _moved(player_id: int, move: Move) -> Response:
    here = htmx.current_path() if htmx.is_htmx() else player_page.player_url(player_id)
    return htmx.redirect_with_toast(here, move.done)
