"""The one door through which a balance changes, whoever asks: a form, an import, a job, the API.

`change` judges and posts one change, `transfer` moves money between two players, `reverse` undoes an
entry by another, `post_many` posts a set of changes that were judged elsewhere. Nothing else in the
project writes balances or entries. What is typed by hand comes here through `change_requests`.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import NotFound, Rejected
from dashboard.models.wallet import ChangeType
from dashboard.services import alerts, journal, judging, risk, standings, vip
from dashboard.services.actors import Actor
from dashboard.services.change_types import TRAITS, UNDONE_BY_ROUND, UNDONE_WITH_POINTS
from dashboard.services.changes import (
    BalanceChange,
    ChangeRefused,
    Dated,
    Judgement,
    KeyReused,
    Request,
    Reserved,
    StaleBalance,
    canonical,
)
from dashboard.services.journal import Entry
from dashboard.services.standings import Located, Past

__all__ = [
    "BalanceChange",
    "ChangeRefused",
    "Dated",
    "Examined",
    "Judgement",
    "KeyReused",
    "Request",
    "Reserved",
    "StaleBalance",
    "canonical",
    "change",
    "examine",
    "examine_reversal",
    "examine_transfer",
    "fingerprint_of",
    "post",
    "post_corrections",
    "post_many",
    "post_selected",
    "reverse",
    "transfer",
]


@dataclass(frozen=True, slots=True)
class Leg:
    """One balance of a change, located under its lock, with what its journal says."""

    request: Request
    located: Located
    past: Past
    judgement: Judgement
    original: Any | None = None
    """The entry that it reverses."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A change that is judged and not posted yet: one leg, or two where money goes between players.

    The balances are locked until the caller's transaction ends, so that the judgement holds.
    """

    legs: tuple[Leg, ...]
    repeated: BalanceChange | None = None
    """What was posted with this key before; there is nothing to be posted then."""

    @property
    def judgement(self) -> Judgement:
        """Of the first leg, with every reason against any of them."""
        return self.legs[0].judgement

    @property
    def located(self) -> Located:
        """The balance of the first leg."""
        return self.legs[0].located

    @property
    def waits_as(self) -> standings.Waiting | None:
        """The change request that stands with this key."""
        return self.legs[0].past.waiting


def change(
    session: Session,
    *,
    request: Request,
    actor: Actor,
    now: dt.datetime,
    seen_version: int | None = None,
    reserved: Reserved | None = None,
) -> BalanceChange:
    """Judge and post one change of one balance, and append the entry that says why.

    The same idempotency key always returns the change first made with it. `reserved` is what was set
    aside for it. The balance stays locked, and the wallet share-locked, until the caller's transaction
    ends.

    Raises NotFound, ChangeRefused (all reasons at once), StaleBalance when `seen_version` is not
    the balance's version any more, KeyReused when the key stands on a change with other content.
    """
    examined = examine(
        session, request=request, actor=actor, now=now, seen_version=seen_version, reserved=reserved
    )
    return post(session, examined, actor=actor, now=now)


def transfer(
    session: Session, *, request: Request, actor: Actor, now: dt.datetime, own_request: int | None = None
) -> BalanceChange:
    """Move money from the player of the request, a debit, to its `other_player`: two entries, one reference.

    Both are posted or neither; returns the debit. `own_request` is the change request that it comes
    from. Raises as `change` does, with the reasons against either side at once.
    """
    examined = examine_transfer(session, request=request, actor=actor, now=now, own_request=own_request)
    return post(session, examined, actor=actor, now=now)


def reverse(
    session: Session,
    *,
    player_id: int,
    currency: str,
    sequence: int,
    reason: str,
    actor: Actor,
    idempotency_key: str,
    now: dt.datetime,
    own_request: int | None = None,
    metadata: Mapping[str, int | str] | None = None,
    with_points: bool = False,
) -> BalanceChange:
    """Undo one entry by another that names it: opposite amounts, same house account.

    One leg of a transfer reverses both. Never refused by a VIP rule, and used limits are not given
    back. On a closed wallet it raises an alert. `with_points`: of a conversion, whose points come back in
    the same transaction (`points_conversion`). Raises NotFound; Rejected for an entry that cannot be
    reversed.
    """
    examined = examine_reversal(
        session,
        player_id=player_id,
        currency=currency,
        sequence=sequence,
        reason=reason,
        actor=actor,
        idempotency_key=idempotency_key,
        now=now,
        own_request=own_request,
        metadata=metadata,
        with_points=with_points,
    )
    return post(session, examined, actor=actor, now=now)


def examine(
    session: Session,
    *,
    request: Request,
    actor: Actor,
    now: dt.datetime,
    seen_version: int | None = None,
    reserved: Reserved | None = None,
    locked: Located | None = None,
) -> Examined:
    """Lock and judge one change without posting it. Raises NotFound, StaleBalance, KeyReused.

    `locked` is the balance, where the caller has locked it already.
    """
    if locked is None:
        locked = standings.lock(
            session, player_id=request.player_id, currency=request.currency, actor=actor, now=now
        )
    if reserved is not None and reserved.amount:
        locked = standings.reserve(session, request.player_id, locked, -reserved.amount)
    past = _recall(session, request, locked, now, reserved)
    leg = Leg(request, locked, past, judging.judge(request, locked, past, now, reserved=reserved))
    if past.known is not None:
        return _known([leg], past.known)
    if seen_version is not None and seen_version != locked.version:
        raise StaleBalance(seen_version=seen_version, version=locked.version)
    return Examined((leg,))


def examine_transfer(
    session: Session,
    *,
    request: Request,
    actor: Actor,
    now: dt.datetime,
    seen_version: int | None = None,
    own_request: int | None = None,
) -> Examined:
    """Lock and judge both legs of a transfer. Raises NotFound, Rejected, StaleBalance, KeyReused."""
    if request.other_player is None or request.other_player == request.player_id:
        raise Rejected("Name another player to transfer to.", field="to")
    debit = replace(request, reference=request.reference or f"transfer {request.idempotency_key[:13]}")
    credit = replace(
        debit,
        player_id=request.other_player,
        real_delta=-debit.real_delta,
        other_player=request.player_id,
        override=None,
    )
    examined = _examine_together(session, [(debit, None), (credit, None)], actor, now, own_request)
    version = examined.located.version
    if examined.repeated is None and seen_version is not None and seen_version != version:
        raise StaleBalance(seen_version=seen_version, version=version)
    return examined


def examine_reversal(
    session: Session,
    *,
    player_id: int,
    currency: str,
    sequence: int,
    reason: str,
    actor: Actor,
    idempotency_key: str,
    now: dt.datetime,
    own_request: int | None = None,
    metadata: Mapping[str, int | str] | None = None,
    with_points: bool = False,
) -> Examined:
    """Lock and judge the reversal of an entry, and of the other leg where it is of a transfer."""
    original = _original(session, player_id, currency, sequence)
    originals = [original]
    if original.other_player is not None:
        originals.append(_original(session, original.other_player, currency, original.other_sequence))
    wanted = [
        (
            Request(
                player_id=entry.player_id,
                currency=currency,
                change_type=ChangeType.REVERSAL,
                real_delta=-entry.real_delta,
                bonus_delta=-entry.bonus_delta,
                reason=reason,
                idempotency_key=idempotency_key,
                reference=entry.reference,
                reverses=entry.sequence,
                metadata=metadata,
            ),
            entry,
        )
        for entry in originals
    ]
    examined = _examine_together(session, wanted, actor, now, own_request)
    if examined.repeated is None:
        # Under the lock: of two people who reverse at once, one waited here.
        _refuse_irreversible(_original(session, player_id, currency, sequence), with_points=with_points)
    return examined


def post(
    session: Session,
    examined: Examined,
    *,
    actor: Actor,
    now: dt.datetime,
) -> BalanceChange:
    """Post what was examined in this transaction, all legs in one statement; returns the first leg.

    Raises ChangeRefused with every reason.
    """
    if examined.repeated is not None:
        return examined.repeated
    if examined.waits_as is not None:
        raise KeyReused(None)
    if not examined.judgement.validation.is_valid:
        raise ChangeRefused(examined.judgement)
    legs = examined.legs
    postings = [
        _posting(
            leg.request,
            leg.located,
            actor=actor,
            now=now,
            score=leg.judgement.risk,
            original=leg.original,
            other=legs[1 - at].located if len(legs) > 1 else None,
        )
        for at, leg in enumerate(legs)
    ]
    entries = {entry.player_id: entry for entry in journal.append(session, postings)}
    placed = [
        alerts.Placed(
            leg.request.player_id,
            leg.request.currency,
            leg.located.operator_id,
            entries[leg.request.player_id].sequence,
            leg.judgement.alerts,
            now,
        )
        for leg in legs
    ]
    alerts.apply(session, placed)
    return BalanceChange(entries[legs[0].request.player_id], examined.judgement)


def post_many(session: Session, changes: Sequence[Dated], *, with_alerts: bool) -> list[Entry]:
    """Post a set of changes that were judged elsewhere, at most one per balance.

    For moving in and for whatever the rules never refuse. Changes whose key is known are passed
    over; balances that do not exist yet are made. Locks the balances in order and share-locks the
    wallets. `with_alerts` raises and closes alerts as single changes do, each at the time of its
    change. Returns the entries written, in no particular order.
    """
    if not changes:
        return []
    wanted = sorted(changes, key=lambda dated: (dated.request.player_id, dated.request.currency))
    requests = [dated.request for dated in wanted]
    located = standings.lock_many(
        session, [(request.player_id, request.currency) for request in requests], now=wanted[0].at
    )
    known = _known_keys(session, requests)
    new = [dated for dated in wanted if (dated.request.player_id, dated.request.idempotency_key) not in known]
    if not new:
        return []
    places = [located[dated.request.player_id, dated.request.currency] for dated in new]
    postings = [
        _posting(dated.request, place, actor=dated.actor, now=dated.at, score=dated.score)
        for dated, place in zip(new, places, strict=True)
    ]
    entries = journal.append(session, postings)
    if with_alerts:
        scores = {(dated.request.player_id, dated.request.currency): dated.score for dated in new}
        placed = [
            _placed(entry, located[entry.player_id, entry.currency], scores[entry.player_id, entry.currency])
            for entry in entries
        ]
        alerts.apply(session, placed)
    return entries


def post_selected(
    session: Session, selected: str, parameters: Mapping[str, object], *, change_type: ChangeType
) -> int:
    """Post what a SELECT of ours says, judged elsewhere; how many entries that made.

    For settlement, which moves by the hundred thousand what the rules never refuse. The SELECT returns
    the columns of a Posting, at most one row per balance; the balances must be locked in their order.
    """
    return journal.append_selected(session, selected, parameters, change_type=change_type)


def post_corrections(
    session: Session,
    corrections: Sequence[tuple[Request, Located, Any | None]],
    *,
    actor: Actor,
    now: dt.datetime,
) -> list[Entry]:
    """Post what puts earlier entries right, which no rule refuses: at most one per locked balance.

    Each comes with where its balance stands and, for a reversal, with the entry that it reverses.
    """
    postings = [
        _posting(request, located, actor=actor, now=now, score=None, original=original)
        for request, located, original in corrections
    ]
    return journal.append(session, postings)


def fingerprint_of(key: str) -> bytes:
    """The fingerprint of entries that are posted in sets: their key says all that was asked for."""
    return hashlib.sha256(key.encode()).digest()


_ORIGINAL = text("""
SELECT e.player_id, e.sequence, e.change_type, e.contra_account, e.real_delta, e.bonus_delta, e.reference,
       CAST(e.metadata::jsonb ->> 'other_player' AS bigint) AS other_player,
       CAST(e.metadata::jsonb ->> 'other_sequence' AS bigint) AS other_sequence,
       EXISTS (
         SELECT FROM wallet_entries r
         WHERE r.player_id = e.player_id AND r.currency = e.currency AND r.reverses = e.sequence) AS reversed,
       EXISTS (
         SELECT FROM bonuses g
         WHERE g.player_id = e.player_id AND g.currency = e.currency AND g.deposit_sequence = e.sequence
           AND g.state IN ('queued', 'active')) AS has_bonus
FROM wallet_entries e WHERE e.player_id = :p AND e.currency = :c AND e.sequence = :s
""")

_KNOWN_MANY = text("""
SELECT e.player_id, e.idempotency_key
FROM unnest(CAST(:players AS bigint[]), CAST(:keys AS text[])) AS n(player_id, key)
JOIN wallet_entries e ON e.player_id = n.player_id AND e.idempotency_key = n.key
""")


def _examine_together(
    session: Session,
    wanted: Sequence[tuple[Request, Any | None]],
    actor: Actor,
    now: dt.datetime,
    own_request: int | None,
) -> Examined:
    """Lock the balances of one or two requests in their order, and judge each; reasons stand on the first."""
    requests = [request for request, _ in wanted]
    keys = [(request.player_id, request.currency) for request in requests]
    located = standings.lock_many(session, keys, now=now)
    operators = {place.operator_id for place in located.values()}
    if len(operators) > 1 or not all(actor.serves(operator_id) for operator_id in operators):
        raise NotFound("There is no such player.")
    own = Reserved(0, own_request)
    legs = []
    for (request, original), key in zip(wanted, keys, strict=True):
        past = _recall(session, request, located[key], now, own)
        judgement = judging.judge(request, located[key], past, now)
        legs.append(Leg(request, located[key], past, judgement, original))
    if legs[0].past.known is not None:
        return _known(legs, legs[0].past.known)
    for other in legs[1:]:
        legs[0].judgement.validation.errors.extend(
            vip.Problem(problem.code, f"The other player: {problem.message}")
            for problem in other.judgement.validation.errors
        )
    return Examined(tuple(legs))


def _original(session: Session, player_id: int, currency: str, sequence: int) -> Any:
    original = session.execute(_ORIGINAL, {"p": player_id, "c": currency, "s": sequence}).one_or_none()
    if original is None:
        raise NotFound("There is no such entry.")
    return original


def _known(legs: Sequence[Leg], known: Entry) -> Examined:
    """What the key stands on already, if that is the same."""
    if legs[0].past.known_fingerprint != legs[0].request.fingerprint():
        raise KeyReused(known)
    return Examined(tuple(legs), repeated=BalanceChange(known, None, repeated=True))


def _recall(
    session: Session, request: Request, locked: Located, now: dt.datetime, reserved: Reserved | None = None
) -> Past:
    return standings.recall(
        session,
        player_id=request.player_id,
        change_type=request.change_type,
        idempotency_key=request.idempotency_key,
        located=locked,
        now=now,
        own_request=reserved.request_id if reserved else None,
        own_withdrawal=reserved.withdrawal_id if reserved else None,
    )


def _known_keys(session: Session, requests: Sequence[Request]) -> set[tuple[int, str]]:
    parameters = {
        "players": [request.player_id for request in requests],
        "keys": [request.idempotency_key for request in requests],
    }
    return {(row.player_id, row.idempotency_key) for row in session.execute(_KNOWN_MANY, parameters)}


def _placed(entry: Entry, located: Located, score: risk.Score | None) -> alerts.Placed:
    outcome = judging.outcome_of(located, entry.real_delta, score)
    return alerts.Placed(
        entry.player_id, entry.currency, located.operator_id, entry.sequence, outcome, entry.created_at
    )


def _posting(
    request: Request,
    located: Located,
    *,
    actor: Actor,
    now: dt.datetime,
    score: risk.Score | None,
    original: Any | None = None,
    other: Located | None = None,
) -> journal.Posting:
    metadata = {**(request.metadata or {}), **(score.as_metadata() if score else {})}
    if request.override is not None:
        metadata |= request.override.as_metadata()
    if request.other_player is not None and other is not None:
        metadata |= {"other_player": request.other_player, "other_sequence": other.version + 1}
    return journal.Posting(
        player_id=request.player_id,
        currency=request.currency,
        change_type=request.change_type,
        contra_account=original.contra_account if original else str(TRAITS[request.change_type].contra),
        real_delta=request.real_delta,
        bonus_delta=request.bonus_delta,
        reason=request.reason,
        performed_by=actor.reference,
        agent_id=located.agent_id,
        reference=request.reference,
        idempotency_key=request.idempotency_key,
        fingerprint=request.fingerprint(),
        reverses=request.reverses,
        metadata=canonical(metadata),
        risk_score=score.points if score else None,
        created_at=now,
        counts_as=original.change_type if original else request.change_type,
        hour=clock.local(now, located.timezone).hour,
    )


def _refuse_irreversible(original: Any, *, with_points: bool) -> None:
    if original.reversed:
        raise Rejected("This entry has already been reversed.")
    if original.change_type == ChangeType.REVERSAL:
        raise Rejected("A reversal cannot be reversed: post a new adjustment instead.")
    if original.change_type in UNDONE_BY_ROUND:
        raise Rejected(f"A {original.change_type} is undone by voiding its round.")
    if original.change_type == ChangeType.POINTS_CONVERSION and not with_points:
        raise Rejected(UNDONE_WITH_POINTS)
    if original.bonus_delta:
        raise Rejected("Bonus money moves with its grants: cancel the bonus, or grant another one.")
    if original.has_bonus:
        raise Rejected("A bonus that is still open was granted for this deposit: cancel the bonus first.")
