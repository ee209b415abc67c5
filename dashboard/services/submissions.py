"""What people type by hand: judged with their allowance, then posted, held for undo, or kept waiting.

A change above the approval threshold, alone or in sum of the day, waits for a second person; a smaller
one is held for the operator's undo seconds, so that its maker can take it back, and is then posted with
the same key. What becomes of held and waiting ones is in `change_requests`.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Rejected
from dashboard.models.change_request import RequestKind, RequestState
from dashboard.models.wallet import ChangeType
from dashboard.services import allowances, balances, bonuses, request_rows, standings, wallets, withdrawals
from dashboard.services.actors import Actor
from dashboard.services.allowances import Allowance
from dashboard.services.changes import BalanceChange, ChangeRefused, Judgement, KeyReused, Request

HELD_TYPES = (ChangeType.DEPOSIT, ChangeType.ADJUSTMENT, ChangeType.FEE)
"""What is held for undo: changes of one balance."""


class Course(StrEnum):
    """What becomes of a change that nothing is said against."""

    POST = "post"
    HOLD = "hold"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Weighed:
    """How a change by hand stands to the person who makes it. Amounts in minor units."""

    course: Course
    amount: int
    allowance: Allowance
    threshold: int
    """Above it, alone or in sum of the day on this player, a second person decides."""
    sum_on_player: int
    """With this change."""
    largest: int
    """The largest amount that this person or this player ever had."""

    @property
    def is_unusually_large(self) -> bool:
        """Whether the amount must be typed a second time."""
        return 0 < self.largest * allowances.UNUSUAL_FACTOR < self.amount


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was done with a change by hand: posted as `change`, or kept as request `request_id`."""

    judgement: Judgement | None
    weighed: Weighed | None
    """Both None where an earlier one with the same key is returned."""
    change: BalanceChange | None = None
    grant: bonuses.Granted | None = None
    """Of a bonus."""
    request_id: int | None = None
    state: RequestState | None = None
    """Of the request."""
    post_at: dt.datetime | None = None
    repeated: bool = False


class TypeAgain(Rejected):
    """The amount is so unusually large that it must be typed a second time."""

    def __init__(self, weighed: Weighed, currency: str) -> None:
        super().__init__(
            f"More than {allowances.UNUSUAL_FACTOR} times the largest amount so far"
            f" ({money.show(weighed.largest, currency)}): type it a second time.",
            field="amount_again",
        )
        self.weighed = weighed


def submit(
    session: Session,
    *,
    request: Request,
    actor: Actor,
    now: dt.datetime,
    seen_version: int | None = None,
    amount_again: int | None = None,
    holds: bool = True,
) -> Submitted:
    """Judge a change that somebody typed, and post it, hold it or keep it for a second person.

    `amount_again` is the absolute amount as it was typed the second time; `holds` False posts without
    the undo seconds. Raises as `balances.change` does (its ChangeRefused carries the allowance's reasons
    too), TypeAgain, and Rejected where the actor may not set other rules.
    """
    if request.override is not None and not actor.may("balances:override"):
        raise Rejected("You may not set other rules for a change.", field="override_reason")
    examined = balances.examine(session, request=request, actor=actor, now=now, seen_version=seen_version)
    known = _known(session, examined)
    if known is not None:
        return known
    weighed = _weigh(session, examined, actor, now, holds=holds)
    _refuse(examined, weighed, amount_again)
    if weighed.course is Course.POST:
        return _posted(session, examined, weighed, actor, now)
    return _keep(session, RequestKind.CHANGE, examined, weighed, actor=actor, now=now)


def submit_transfer(
    session: Session,
    *,
    request: Request,
    actor: Actor,
    now: dt.datetime,
    seen_version: int | None = None,
    amount_again: int | None = None,
) -> Submitted:
    """The same for money that goes from one player to another; never held."""
    examined = balances.examine_transfer(
        session, request=request, actor=actor, now=now, seen_version=seen_version
    )
    known = _known(session, examined)
    if known is not None:
        return known
    weighed = _weigh(session, examined, actor, now, holds=False)
    _refuse(examined, weighed, amount_again)
    if weighed.course is Course.POST:
        return _posted(session, examined, weighed, actor, now)
    return _keep(session, RequestKind.TRANSFER, examined, weighed, actor=actor, now=now)


def submit_reversal(
    session: Session,
    *,
    player_id: int,
    currency: str,
    sequence: int,
    reason: str,
    actor: Actor,
    idempotency_key: str,
    now: dt.datetime,
) -> Submitted:
    """The same for undoing an entry; never held. Raises as `balances.reverse` does."""
    examined = balances.examine_reversal(
        session,
        player_id=player_id,
        currency=currency,
        sequence=sequence,
        reason=reason,
        actor=actor,
        idempotency_key=idempotency_key,
        now=now,
    )
    known = _known(session, examined)
    if known is not None:
        return known
    weighed = _weigh(session, examined, actor, now, holds=False)
    _refuse(examined, weighed, weighed.amount)
    if weighed.course is Course.POST:
        return _posted(session, examined, weighed, actor, now)
    return _keep(session, RequestKind.REVERSAL, examined, weighed, actor=actor, now=now)


def submit_payment(
    session: Session, *, player_id: int, withdrawal_id: int, actor: Actor, now: dt.datetime
) -> Submitted:
    """Pay a requested withdrawal, or keep the payment for a second person. Raises as `withdrawals.pay`."""
    withdrawal = withdrawals.lock(session, player_id=player_id, withdrawal_id=withdrawal_id, actor=actor)
    waiting = session.execute(_PAYMENT_WAITING, {"p": player_id, "w": withdrawal_id}).one_or_none()
    if waiting is not None:
        return Submitted(None, None, request_id=waiting.id, state=RequestState.WAITING, repeated=True)
    examined = withdrawals.examine_payment(session, withdrawal, actor=actor, now=now)
    weighed = _weigh(session, examined, actor, now, holds=False)
    _refuse(examined, weighed, weighed.amount)
    if weighed.course is Course.POST:
        change = withdrawals.pay(session, withdrawal, examined, actor=actor, now=now)
        allowances.note_largest(session, actor=actor, currency=withdrawal.currency, amount=weighed.amount)
        return Submitted(change.judgement, weighed, change=change)
    # Judged without its own pending, which stays locked while it waits.
    standings.reserve(session, player_id, examined.located, withdrawal.amount)
    return _keep(
        session,
        RequestKind.PAYMENT,
        examined,
        weighed,
        actor=actor,
        now=now,
        withdrawal_id=withdrawal_id,
    )


def submit_grant(
    session: Session,
    *,
    wish: bonuses.Wish,
    actor: Actor,
    now: dt.datetime,
    amount_again: int | None = None,
) -> Submitted:
    """Grant a bonus, or keep it for a second person; never held.

    Raises as `bonuses.grant` does, and TypeAgain where the amount was typed.
    """
    examined = bonuses.examine(session, wish, actor=actor, now=now)
    if isinstance(examined, bonuses.Granted):
        return Submitted(None, None, grant=examined, repeated=True)
    if isinstance(examined, standings.Waiting):
        return _kept_before(session, wish.player_id, examined)
    weighed = _weigh(session, examined.money, actor, now, holds=False)
    # What an offer gives was not typed, so it cannot be mistyped.
    _refuse(examined.money, weighed, weighed.amount if wish.offer_id is not None else amount_again)
    if weighed.course is Course.POST:
        granted = bonuses.post(session, examined, actor=actor, now=now)
        allowances.note_largest(session, actor=actor, currency=wish.currency, amount=weighed.amount)
        return Submitted(examined.money.judgement, weighed, grant=granted)
    return _keep(
        session,
        RequestKind.GRANT,
        examined.money,
        weighed,
        actor=actor,
        now=now,
        bonus=examined.plan.write(),
        fingerprint=wish.fingerprint(),
    )


def submit_unfreeze(
    session: Session, *, player_id: int, reason: str, actor: Actor, idempotency_key: str, now: dt.datetime
) -> Submitted:
    """Unfreeze a wallet, or keep that for a second person where the operator has one.

    Raises as `wallets.unfreeze` does.
    """
    known = session.execute(
        _BY_KEY, {"p": player_id, "key": idempotency_key, "operator": actor.operator_id}
    ).one_or_none()
    if known is not None:
        return Submitted(None, None, request_id=known.id, state=RequestState(known.state), repeated=True)
    if not _has_second_person(session, actor):
        wallets.unfreeze(session, player_id=player_id, reason=reason, actor=actor, now=now)
        return Submitted(None, None)
    wallets.check_frozen(session, player_id=player_id, actor=actor)
    kept = request_rows.insert(
        session,
        kind=RequestKind.UNFREEZE,
        request=None,
        player_id=player_id,
        operator_id=actor.operator_id,
        reason=reason,
        key=idempotency_key,
        actor=actor,
        now=now,
    )
    return Submitted(None, None, request_id=kept, state=RequestState.WAITING)


_BY_KEY = text("""
SELECT id, state, post_at, fingerprint FROM change_requests
WHERE player_id = :p AND idempotency_key = :key AND operator_id = :operator
""")
_BY_ID = text("""
SELECT r.id, r.state, r.post_at, r.fingerprint FROM change_requests r WHERE r.player_id = :p AND r.id = :id
""")
_PAYMENT_WAITING = text("""
SELECT id FROM change_requests WHERE player_id = :p AND withdrawal_id = :w AND state = 'waiting'
""")
_SECOND_PERSON = text("""
SELECT EXISTS (SELECT FROM logins WHERE operator_id = :operator AND active AND id <> :who
               AND role IN ('manager', 'admin'))
""")


def _known(session: Session, examined: balances.Examined) -> Submitted | None:
    """What was done with this key before, if anything."""
    if examined.repeated is not None:
        return Submitted(None, None, change=examined.repeated, repeated=True)
    waiting = examined.waits_as
    if waiting is None:
        return None
    if waiting.fingerprint != examined.judgement.request.fingerprint():
        raise KeyReused(None)
    return _kept_before(session, examined.judgement.request.player_id, waiting)


def _kept_before(session: Session, player_id: int, waiting: standings.Waiting) -> Submitted:
    row = session.execute(_BY_ID, {"p": player_id, "id": waiting.id}).one()
    return Submitted(
        None, None, request_id=row.id, state=RequestState(row.state), post_at=row.post_at, repeated=True
    )


def _weigh(
    session: Session, examined: balances.Examined, actor: Actor, now: dt.datetime, *, holds: bool
) -> Weighed:
    """Against the allowance (locked) and the threshold; of several legs the first stands for all."""
    request, located = examined.judgement.request, examined.located
    allowance = allowances.look(
        session,
        actor=actor,
        currency=request.currency,
        timezone=located.timezone,
        now=now,
        player_id=request.player_id,
        lock=True,
    )
    threshold = located.rule.approval_threshold if located.rule is not None else 0
    on_player = allowance.used_on_player + request.amount
    course = Course.POST
    if on_player > threshold:
        course = Course.WAIT
    elif holds and located.undo_seconds and request.change_type in HELD_TYPES:
        course = Course.HOLD
    return Weighed(
        course, request.amount, allowance, threshold, on_player, max(allowance.largest, located.largest)
    )


def _refuse(examined: balances.Examined, weighed: Weighed, amount_again: int | None) -> None:
    """Add what the allowance says, and stop where anything is said against it."""
    judgement = examined.judgement
    judgement.validation.errors.extend(weighed.allowance.problems(weighed.amount))
    if not judgement.validation.is_valid:
        raise ChangeRefused(judgement)
    if weighed.is_unusually_large and amount_again != weighed.amount:
        raise TypeAgain(weighed, judgement.request.currency)


def _posted(
    session: Session, examined: balances.Examined, weighed: Weighed, actor: Actor, now: dt.datetime
) -> Submitted:
    change = balances.post(session, examined, actor=actor, now=now)
    currency = examined.judgement.request.currency
    allowances.note_largest(session, actor=actor, currency=currency, amount=weighed.amount)
    return Submitted(examined.judgement, weighed, change=change)


def _keep(
    session: Session,
    kind: RequestKind,
    examined: balances.Examined,
    weighed: Weighed,
    *,
    actor: Actor,
    now: dt.datetime,
    withdrawal_id: int | None = None,
    bonus: str | None = None,
    fingerprint: bytes | None = None,
) -> Submitted:
    """Hold it, or let it wait. What is held and goes out is set aside."""
    judgement, located = examined.judgement, examined.located
    held = weighed.course is Course.HOLD
    post_at = now + dt.timedelta(seconds=located.undo_seconds) if held else None
    request_id = request_rows.insert(
        session,
        kind=kind,
        request=judgement.request,
        player_id=judgement.request.player_id,
        operator_id=located.operator_id,
        reason=judgement.request.reason,
        key=judgement.request.idempotency_key,
        actor=actor,
        now=now,
        post_at=post_at,
        withdrawal_id=withdrawal_id,
        judgement=judgement,
        bonus=bonus,
        fingerprint=fingerprint,
    )
    if held and judgement.request.real_delta < 0:
        standings.reserve(session, judgement.request.player_id, located, -judgement.request.real_delta)
    state = RequestState.HELD if held else RequestState.WAITING
    return Submitted(judgement, weighed, request_id=request_id, state=state, post_at=post_at)


def _has_second_person(session: Session, actor: Actor) -> bool:
    return bool(session.scalar(_SECOND_PERSON, {"operator": actor.operator_id, "who": actor.id}))
