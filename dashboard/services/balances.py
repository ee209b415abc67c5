"""The one door through which a balance changes, whoever asks: a form, an import, a job, the API.

`change` judges and posts one change, `reverse` undoes an entry by another, `post_many` posts a set
of changes that were judged elsewhere. Nothing else in the project writes balances or entries.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.alert import AlertType, Severity
from dashboard.models.wallet import ChangeType, WalletStatus
from dashboard.services import alerts, journal, risk, standings, vip
from dashboard.services.actors import Actor
from dashboard.services.change_types import TRAITS, UNDONE_BY_ROUND
from dashboard.services.journal import Entry
from dashboard.services.standings import Located, Past

HAND_ENTERED = (ChangeType.DEPOSIT, ChangeType.WITHDRAWAL, ChangeType.ADJUSTMENT, ChangeType.FEE)
"""What a member of staff may type in."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants done to one balance. Amounts in minor units, credits positive."""

    player_id: int
    currency: str
    change_type: ChangeType
    real_delta: int
    reason: str
    idempotency_key: str
    bonus_delta: int = 0
    reference: str | None = None
    reverses: int | None = None
    metadata: Mapping[str, int | str] | None = None

    def fingerprint(self) -> bytes:
        """SHA-256 over all that was asked for; the same key must come with the same one."""
        asked = [
            self.player_id,
            self.currency,
            self.change_type,
            self.real_delta,
            self.bonus_delta,
            self.reason,
            self.reference,
            self.reverses,
        ]
        return hashlib.sha256(json.dumps(asked).encode()).digest()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The whole consequence of a change, whether it may be made or not. Amounts in minor units."""

    request: Request
    standing: vip.Standing
    rule: vip.Rule | None
    validation: vip.Validation
    risk: risk.Score
    alerts: alerts.Outcome
    version: int
    """Of the balance before the change."""
    open_alerts: tuple[str, ...]
    """Types of the alerts on this balance that were not resolved before the change."""

    @property
    def real_after(self) -> int:
        """The real balance once the change is made."""
        return self.standing.real + self.request.real_delta

    @property
    def bonus_after(self) -> int:
        """The bonus balance once the change is made."""
        return self.standing.bonus + self.request.bonus_delta

    @property
    def withdrawable_after(self) -> int:
        """What is withdrawable once the change is made."""
        return vip.withdrawable(self.real_after, self.standing.pending)


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """A change that stands. `judgement` is None where an earlier one with the same key is returned."""

    entry: Entry
    judgement: Judgement | None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Dated:
    """A change that was judged elsewhere: who made it, when, and its risk score if it has one."""

    request: Request
    actor: Actor
    at: dt.datetime
    score: risk.Score | None = None


class ChangeRefused(Rejected):
    """The rules say no; nothing was changed. Carries every reason with its figures."""

    def __init__(self, judgement: Judgement) -> None:
        errors = judgement.validation.errors
        super().__init__(" ".join(problem.message for problem in errors), field="amount")
        self.judgement = judgement


class StaleBalance(Conflict):
    """The balance has moved on since it was looked at."""

    def __init__(self, *, seen_version: int, version: int) -> None:
        super().__init__("The balance has changed since this page showed it.")
        self.seen_version = seen_version
        self.version = version


class KeyReused(Conflict):
    """The idempotency key stands on another change, which is `entry`."""

    def __init__(self, entry: Entry) -> None:
        super().__init__("This form has already been used for another change.")
        self.entry = entry


def change(
    session: Session,
    *,
    request: Request,
    actor: Actor,
    now: dt.datetime,
    seen_version: int | None = None,
) -> BalanceChange:
    """Judge and post one change of one balance, and append the entry that says why.

    The same idempotency key always returns the change first made with it. The balance stays
    locked, and the wallet share-locked, until the caller's transaction ends.

    Raises NotFound, ChangeRefused (all reasons at once), StaleBalance when `seen_version` is not
    the balance's version any more, KeyReused when the key stands on a change with other content.
    """
    locked = standings.lock(
        session, player_id=request.player_id, currency=request.currency, actor=actor, now=now
    )
    past = _recall(session, request, locked, now)
    if past.known is not None:
        return _repeat(request, past.known, past.known_fingerprint)
    if seen_version is not None and seen_version != locked.version:
        raise StaleBalance(seen_version=seen_version, version=locked.version)
    judgement = _judge(request, locked, past, now)
    if not judgement.validation.is_valid:
        raise ChangeRefused(judgement)
    return _post(session, judgement, locked, actor=actor, now=now)


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
) -> BalanceChange:
    """Undo one entry by another that names it: opposite amounts, same house account.

    Never refused by a VIP rule, and used limits are not given back. On a closed wallet it raises
    an alert. Raises NotFound; Rejected for an entry that cannot be reversed.
    """
    locked = standings.lock(session, player_id=player_id, currency=currency, actor=actor, now=now)
    original = session.execute(_ORIGINAL, {"p": player_id, "c": currency, "s": sequence}).one_or_none()
    if original is None:
        raise NotFound("There is no such entry.")
    request = Request(
        player_id=player_id,
        currency=currency,
        change_type=ChangeType.REVERSAL,
        real_delta=-original.real_delta,
        bonus_delta=-original.bonus_delta,
        reason=reason,
        idempotency_key=idempotency_key,
        reference=original.reference,
        reverses=sequence,
    )
    past = _recall(session, request, locked, now)
    if past.known is not None:
        return _repeat(request, past.known, past.known_fingerprint)
    _refuse_irreversible(original)
    judgement = _judge(request, locked, past, now)
    if not judgement.validation.is_valid:
        raise ChangeRefused(judgement)
    return _post(session, judgement, locked, actor=actor, now=now, original=original)


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


def record_refusal(session: Session, *, refused: ChangeRefused, actor: Actor, now: dt.datetime) -> None:
    """Keep who wanted what and why it was refused; raise an alert where a limit was the reason.

    For the edge, in a transaction of its own: the refusal has rolled back the first. Recording the
    same key twice keeps one row and one hit.
    """
    judgement = refused.judgement
    request, errors = judgement.request, judgement.validation.errors
    operator_id = session.scalar(
        _RECORD_REFUSAL,
        {
            "player_id": request.player_id,
            "currency": request.currency,
            "change_type": request.change_type,
            "real_delta": request.real_delta,
            "bonus_delta": request.bonus_delta,
            "reason": request.reason,
            "performed_by": actor.reference,
            "key": request.idempotency_key,
            "errors": json.dumps([[problem.code, problem.message] for problem in errors]),
            "now": now,
        },
    )
    exceeded = [use for use in judgement.validation.limits if use.is_exceeded]
    if operator_id is None or not exceeded:
        return
    standings.ensure(session, player_id=request.player_id, currency=request.currency, now=now)
    limit = min(use.limit for use in exceeded)
    hit = alerts.Hit(AlertType.LIMIT_EXCEEDED, Severity.WARNING, abs(request.real_delta), limit)
    outcome = alerts.Outcome((hit,), ())
    placed = alerts.Placed(request.player_id, request.currency, operator_id, None, outcome, now)
    alerts.apply(session, [placed])


def canonical(metadata: Mapping[str, int | str]) -> str:
    """JSON text that is always the same for the same content: sorted keys, no spaces, not escaped."""
    return json.dumps(metadata, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


_ORIGINAL = text("""
SELECT e.change_type, e.contra_account, e.real_delta, e.bonus_delta, e.reference,
       EXISTS (
         SELECT FROM wallet_entries r
         WHERE r.player_id = e.player_id AND r.currency = e.currency AND r.reverses = e.sequence) AS reversed
FROM wallet_entries e WHERE e.player_id = :p AND e.currency = :c AND e.sequence = :s
""")

_RECORD_REFUSAL = text("""
INSERT INTO refusals (player_id, operator_id, currency, change_type, real_delta, bonus_delta, reason,
                      performed_by, idempotency_key, errors, refused_at)
SELECT w.player_id, w.operator_id, :currency, :change_type, :real_delta, :bonus_delta, :reason,
       :performed_by, :key, :errors, :now
FROM wallets w WHERE w.player_id = :player_id
ON CONFLICT (player_id, idempotency_key) DO NOTHING
RETURNING operator_id
""")

_KNOWN_MANY = text("""
SELECT e.player_id, e.idempotency_key
FROM unnest(CAST(:players AS bigint[]), CAST(:keys AS text[])) AS n(player_id, key)
JOIN wallet_entries e ON e.player_id = n.player_id AND e.idempotency_key = n.key
""")


def _recall(session: Session, request: Request, locked: Located, now: dt.datetime) -> Past:
    return standings.recall(
        session,
        player_id=request.player_id,
        change_type=request.change_type,
        idempotency_key=request.idempotency_key,
        located=locked,
        now=now,
    )


def _known_keys(session: Session, requests: Sequence[Request]) -> set[tuple[int, str]]:
    parameters = {
        "players": [request.player_id for request in requests],
        "keys": [request.idempotency_key for request in requests],
    }
    return {(row.player_id, row.idempotency_key) for row in session.execute(_KNOWN_MANY, parameters)}


def _repeat(request: Request, known: Entry, fingerprint: bytes | None) -> BalanceChange:
    if fingerprint != request.fingerprint():
        raise KeyReused(known)
    return BalanceChange(known, None, repeated=True)


def _judge(request: Request, locked: Located, past: Past, now: dt.datetime) -> Judgement:
    standing = locked.standing(used_today=past.used_today, used_this_week=past.used_this_week, now=now)
    validation = vip.judge(
        standing,
        locked.rule,
        change_type=request.change_type,
        real_delta=request.real_delta,
        bonus_delta=request.bonus_delta,
    )
    score = _score(request, locked, past, validation, now)
    outcome = _outcome(locked, request.real_delta, score, is_reversal=request.reverses is not None)
    closes = tuple(alert_type for alert_type in outcome.closes if alert_type in past.open_alerts)
    outcome = alerts.Outcome(outcome.hits, closes)
    return Judgement(
        request, standing, locked.rule, validation, score, outcome, locked.version, tuple(past.open_alerts)
    )


def _score(
    request: Request, locked: Located, past: Past, validation: vip.Validation, now: dt.datetime
) -> risk.Score:
    day = next((use for use in validation.limits if use.period == "day"), None)
    return risk.score(
        risk.Circumstances(
            amount=abs(request.real_delta),
            earlier=past.earlier,
            type_name=request.change_type,
            limit_used=day.would_use if day and day.amount else 0,
            limit=day.limit if day else 0,
            drop_percent=min(100, vip.drop_percent(locked.real, request.real_delta)),
            changes_last_hour=past.changes_last_hour,
            hour=clock.local(now, locked.timezone).hour,
            active_hours=locked.active_hours,
        )
    )


def _outcome(
    located: Located, real_delta: int, score: risk.Score | None, *, is_reversal: bool = False
) -> alerts.Outcome:
    points = score.points if score else None
    outcome = alerts.Outcome((), ())
    if located.rule is not None:
        outcome = alerts.judge(
            located.rule,
            real_before=located.real,
            real_after=located.real + real_delta,
            risk_score=points,
        )
    if is_reversal and located.status == WalletStatus.CLOSED:
        # A closed wallet should rest; whoever moves it, somebody looks.
        others = tuple(hit for hit in outcome.hits if hit.type != AlertType.UNUSUAL)
        moved = alerts.Hit(AlertType.UNUSUAL, Severity.CRITICAL, points or 0, 0)
        outcome = alerts.Outcome((*others, moved), outcome.closes)
    return outcome


def _placed(entry: Entry, located: Located, score: risk.Score | None) -> alerts.Placed:
    outcome = _outcome(located, entry.real_delta, score)
    return alerts.Placed(
        entry.player_id, entry.currency, located.operator_id, entry.sequence, outcome, entry.created_at
    )


def _post(
    session: Session,
    judgement: Judgement,
    locked: Located,
    *,
    actor: Actor,
    now: dt.datetime,
    original: Any | None = None,
) -> BalanceChange:
    request = judgement.request
    posting = _posting(request, locked, actor=actor, now=now, score=judgement.risk, original=original)
    (entry,) = journal.append(session, [posting])
    placed = alerts.Placed(
        request.player_id, request.currency, locked.operator_id, entry.sequence, judgement.alerts, now
    )
    alerts.apply(session, [placed])
    return BalanceChange(entry, judgement)


def _posting(
    request: Request,
    located: Located,
    *,
    actor: Actor,
    now: dt.datetime,
    score: risk.Score | None,
    original: Any | None = None,
) -> journal.Posting:
    metadata = {**(request.metadata or {}), **(score.as_metadata() if score else {})}
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


def _refuse_irreversible(original: Any) -> None:
    if original.reversed:
        raise Rejected("This entry has already been reversed.")
    if original.change_type == ChangeType.REVERSAL:
        raise Rejected("A reversal cannot be reversed: post a new adjustment instead.")
    if original.change_type in UNDONE_BY_ROUND:
        raise Rejected(f"A {original.change_type} is undone by voiding its round.")
