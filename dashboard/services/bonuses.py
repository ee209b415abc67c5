"""Bonuses that players are granted: how one is made, waits for its turn, and begins.

What remains of a balance's active grants is that balance's bonus, always: every act here locks the balance
first, moves it through `balances`, and moves the grants in the same transaction. A queued grant holds no
money and has no entry until it is active. What stakes take and settlements give stands in `funding` and
`settlement`; how a grant ends before it is cleared, in `bonus_endings`.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import NotFound, Rejected
from dashboard.models.bonus import BonusState, BonusTerm, WageringBase
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, bonus_offers, standings
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.bonus_terms import GameTerm, Plan, Terms
from dashboard.services.changes import ChangeRefused, Dated, KeyReused, Request
from dashboard.services.journal import Entry
from dashboard.services.standings import Located, Waiting

__all__ = [
    "Examined",
    "GameTerm",
    "Granted",
    "Plan",
    "Terms",
    "Wish",
    "activate_queued",
    "examine",
    "grant",
    "move",
    "post",
    "with_room",
]


@dataclass(frozen=True, slots=True)
class Wish:
    """A bonus that somebody wants to be granted: by an offer, or by terms and amount of its own."""

    player_id: int
    currency: str
    reason: str
    idempotency_key: str
    offer_id: int | None = None
    terms: Terms | None = None
    amount: int | None = None
    """With `terms` only; in minor units. An offer says itself how much it gives."""
    deposit_sequence: int | None = None
    """The entry of the deposit that it is a share of, or that is to be wagered with it."""

    @classmethod
    def of(cls, plan: Plan, *, player_id: int, currency: str, reason: str, idempotency_key: str) -> "Wish":
        """The wish that a plan was made of."""
        by_hand = plan.offer_id is None
        return cls(
            player_id,
            currency,
            reason,
            idempotency_key,
            plan.offer_id,
            plan.terms if by_hand else None,
            plan.amount if by_hand else None,
            plan.deposit_sequence,
        )

    def fingerprint(self) -> bytes:
        """SHA-256 over all that was asked for; the same key must come with the same one."""
        terms = self.terms.as_values() if self.terms else None
        asked = [
            *("bonus", self.player_id, self.currency, self.reason, self.offer_id),
            *(terms, self.amount, self.deposit_sequence),
        ]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant that stands: active with the entry that gave it, or queued without one."""

    player_id: int
    bonus_id: int
    state: BonusState
    sequence: int | None
    """Of the entry."""
    entry: Entry | None = None
    """None too where an earlier grant with the same key is returned."""
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Examined:
    """A grant that is judged and not made yet; the balance is locked until the transaction ends."""

    wish: Wish
    plan: Plan
    money: balances.Examined


def grant(
    session: Session,
    *,
    player_id: int,
    currency: str,
    reason: str,
    actor: Actor,
    idempotency_key: str,
    now: dt.datetime,
    offer_id: int | None = None,
    terms: Terms | None = None,
    amount: int | None = None,
    deposit_sequence: int | None = None,
) -> Granted:
    """Grant a bonus of an offer, or with terms and amount of its own; active at once, or queued.

    The same key always returns the grant first made with it. Raises NotFound, Rejected at what the terms
    or the offer do not allow, ChangeRefused, KeyReused.
    """
    wish = Wish(player_id, currency, reason, idempotency_key, offer_id, terms, amount, deposit_sequence)
    examined = examine(session, wish, actor=actor, now=now)
    if isinstance(examined, Granted):
        return examined
    if isinstance(examined, Waiting):
        raise KeyReused(None)
    return post(session, examined, actor=actor, now=now)


def examine(
    session: Session, wish: Wish, *, actor: Actor, now: dt.datetime, own_request: int | None = None
) -> Examined | Granted | Waiting:
    """Lock the balance and judge a grant without making it; `own_request` is what it comes from.

    Where the key is known, what was granted or waits with it. Raises NotFound, Rejected, KeyReused.
    """
    located = standings.lock(session, player_id=wish.player_id, currency=wish.currency, actor=actor, now=now)
    known = _known(session, wish, own_request)
    if known is not None:
        return known
    plan = _plan(session, wish, located)
    examined = balances.examine(
        session,
        request=Request(
            player_id=wish.player_id,
            currency=wish.currency,
            change_type=ChangeType.BONUS_GRANT,
            real_delta=0,
            bonus_delta=plan.amount,
            reason=wish.reason,
            idempotency_key=wish.idempotency_key,
        ),
        actor=actor,
        now=now,
        reserved=balances.Reserved(0, own_request),
        locked=located,
    )
    if examined.repeated is not None:
        raise KeyReused(examined.repeated.entry)
    return Examined(wish, plan, examined)


def post(
    session: Session,
    examined: Examined,
    *,
    actor: Actor,
    now: dt.datetime,
    marks: dict[str, int | str] | None = None,
) -> Granted:
    """Make the grant that was examined in this transaction; `marks` is what its entry says besides.

    Raises ChangeRefused with every reason.
    """
    if not examined.money.judgement.validation.is_valid:
        raise ChangeRefused(examined.money.judgement)
    located = examined.money.located
    maker = {"operator_id": located.operator_id, "granted_by": actor.reference, "now": now}
    bonus_id = _insert(session, examined.wish, examined.plan, maker)
    fresh = {bonus_id: (actor, marks or {})}
    entries = _activate(session, [(examined.wish.player_id, examined.wish.currency)], now, fresh)
    entry = entries.get(bonus_id)
    if entry is None:
        return Granted(examined.wish.player_id, bonus_id, BonusState.QUEUED, None)
    return Granted(examined.wish.player_id, bonus_id, BonusState.ACTIVE, entry.sequence, entry)


def activate_queued(
    session: Session, keys: Sequence[tuple[int, str]], now: dt.datetime
) -> list[tuple[int, int]]:
    """Give the queued grants of balances, by (player, currency), their turn as far as there is room.

    For the system, once something has ended; locks the balances in their order. A wallet that is not
    active keeps its queue. Returns (player id, bonus id) of what is active now.
    """
    waiting = session.execute(_WITH_QUEUE, _columns(keys)).all()
    if not waiting:
        return []
    named = [(row.player_id, row.currency) for row in waiting]
    standings.lock_many(session, named, now=now)
    return sorted(
        (entry.player_id, bonus_id) for bonus_id, entry in _activate(session, named, now, {}).items()
    )


def with_room(session: Session, *, limit: int) -> list[tuple[int, int, str]]:
    """Balances whose queue could move up, by (operator, player, currency).

    Their operator allows more than before, or their wallet is active again.
    """
    rows = session.execute(_WITH_ROOM, {"limit": limit})
    return [(row.operator_id, row.player_id, row.currency) for row in rows]


def move(session: Session, changes: Sequence[Dated]) -> list[Entry]:
    """Post what moves with the grants. Raises RuntimeError, which rolls back, unless all of it was posted."""
    entries = balances.post_many(session, changes, with_alerts=False)
    if len(entries) != len(changes):
        raise RuntimeError(f"{len(changes)} moves of bonuses made {len(entries)} entries")
    return entries


_BY_KEY = text("""
SELECT id, state, grant_sequence, fingerprint FROM bonuses
WHERE player_id = :p AND idempotency_key = :key
""")
_WAITING = text("""
SELECT id, fingerprint FROM change_requests
WHERE player_id = :p AND idempotency_key = :key AND id IS DISTINCT FROM CAST(:own AS bigint)
""")
_DEPOSIT = text("""
SELECT e.change_type, e.real_delta, EXISTS (
    SELECT FROM wallet_entries r
    WHERE r.player_id = e.player_id AND r.currency = e.currency AND r.reverses = e.sequence) AS is_reversed,
  EXISTS (
    SELECT FROM bonuses b
    WHERE b.player_id = e.player_id AND b.currency = e.currency AND b.deposit_sequence = e.sequence
      AND b.offer_id = CAST(:offer AS bigint) AND b.state <> 'cancelled') AS is_used
FROM wallet_entries e WHERE e.player_id = :p AND e.currency = :c AND e.sequence = :s
""")
_GAMES = text("SELECT count(*) FROM games WHERE id = ANY(:games) AND operator_id = :operator")
_INSERT = text("""
INSERT INTO bonuses (
  player_id, operator_id, currency, offer_id, name, source, state, amount, wagering_multiplier, required,
  max_bet, max_win, validity_days, idempotency_key, fingerprint, reason, granted_by, granted_at,
  deposit_sequence)
VALUES (
  :player_id, :operator_id, :currency, :offer_id, :name, :source, 'queued', :amount, :wagering_multiplier,
  :required, :max_bet, :max_win, :validity_days, :key, :fingerprint, :reason, :granted_by, :now,
  :deposit_sequence)
RETURNING id
""")

_WITH_QUEUE = text("""
SELECT DISTINCT b.player_id, b.currency FROM bonuses b
JOIN unnest(CAST(:players AS bigint[]), CAST(:currencies AS text[])) AS n(player_id, currency)
  ON n.player_id = b.player_id AND n.currency = b.currency
WHERE b.state = 'queued'
""")

# A queued grant `b` can begin where there is room. One that is spent, with no stake under way, takes none:
# it can only be given something again by the correction of a result.
_HAS_ROOM = """
JOIN wallets w ON w.player_id = b.player_id
JOIN operators o ON o.id = b.operator_id
WHERE b.state = 'queued' AND w.status = 'active'
  AND (o.active_bonuses_max IS NULL OR o.active_bonuses_max > (
    SELECT count(*) FROM bonuses a
    WHERE a.player_id = b.player_id AND a.currency = b.currency AND a.state = 'active'
      AND (a.remaining > 0 OR EXISTS (
        SELECT FROM bonus_stakes s JOIN bets t ON t.player_id = s.player_id AND t.id = s.bet_id
        WHERE s.player_id = a.player_id AND s.bonus_id = a.id AND t.state = 'pending'))))
"""
_NEXT = text(f"""
SELECT DISTINCT ON (b.player_id, b.currency) b.player_id, b.currency, b.id, b.amount, b.reason
FROM bonuses b
JOIN unnest(CAST(:players AS bigint[]), CAST(:currencies AS text[])) AS n(player_id, currency)
  ON n.player_id = b.player_id AND n.currency = b.currency
{_HAS_ROOM}
ORDER BY b.player_id, b.currency, b.id
""")
_WITH_ROOM = text(f"""
SELECT DISTINCT b.operator_id, b.player_id, b.currency FROM bonuses b {_HAS_ROOM} LIMIT :limit
""")
_BEGIN = text("""
UPDATE bonuses b SET state = 'active', remaining = b.amount, activated_at = :now,
  expires_at = CAST(:now AS timestamptz) + b.validity_days * interval '24 hours',
  grant_sequence = n.sequence
FROM unnest(CAST(:players AS bigint[]), CAST(:ids AS bigint[]), CAST(:sequences AS bigint[]))
  AS n(player_id, id, sequence)
WHERE b.player_id = n.player_id AND b.id = n.id AND b.state = 'queued'
""")


def _known(session: Session, wish: Wish, own_request: int | None) -> Granted | Waiting | None:
    """What the key stands on already, if that is the same."""
    named = {"p": wish.player_id, "key": wish.idempotency_key, "own": own_request}
    row = session.execute(_BY_KEY, named).one_or_none()
    waiting = session.execute(_WAITING, named).one_or_none()
    found = row or waiting
    if found is None:
        return None
    if found.fingerprint != wish.fingerprint():
        raise KeyReused(None)
    if row is not None:
        return Granted(wish.player_id, row.id, BonusState(row.state), row.grant_sequence, repeated=True)
    return Waiting(found.id, found.fingerprint)


def _plan(session: Session, wish: Wish, located: Located) -> Plan:
    """Settle terms and amounts; of an offer as it is now."""
    deposit = _deposit(session, wish) if wish.deposit_sequence is not None else None
    if wish.offer_id is not None:
        offer = bonus_offers.read(session, offer_id=wish.offer_id, operator_id=located.operator_id)
        level = located.rule.level if located.rule is not None else ""
        offer.refuse(currency=wish.currency, level=level)
        if offer.asks_for_deposit and deposit is None:
            raise Rejected("Name the deposit that it is for.", field="deposit_sequence")
        terms, amount = offer.terms, offer.gift.of(deposit)
    elif wish.terms is not None:
        terms, amount = wish.terms, wish.amount or 0
        terms.check()
        if terms.wagering_base == WageringBase.DEPOSIT_AND_BONUS and deposit is None:
            raise Rejected("Name the deposit that is to be wagered with it.", field="deposit_sequence")
        _refuse_foreign_games(session, terms, located.operator_id)
    else:
        raise Rejected("Choose an offer.", field="offer_id")
    if not 0 < amount <= money.MAX_MINOR:
        raise Rejected("A bonus is more than zero.", field="amount")
    return Plan(terms, amount, terms.required(amount, deposit), wish.offer_id, wish.deposit_sequence)


def _deposit(session: Session, wish: Wish) -> int:
    """How much that deposit was, in minor units. Raises Rejected unless it can earn the bonus."""
    row = session.execute(
        _DEPOSIT,
        {"p": wish.player_id, "c": wish.currency, "s": wish.deposit_sequence, "offer": wish.offer_id},
    ).one_or_none()
    if row is None or row.change_type != ChangeType.DEPOSIT:
        raise Rejected("This entry is no deposit of this player.", field="deposit_sequence")
    if row.is_reversed:
        raise Rejected("This deposit has been reversed.", field="deposit_sequence")
    if row.is_used:
        raise Rejected("This deposit has already earned this bonus.", field="deposit_sequence")
    deposit: int = row.real_delta
    return deposit


def _refuse_foreign_games(session: Session, terms: Terms, operator_id: int) -> None:
    games = {game.game_id for game in terms.games}
    if games and session.scalar(_GAMES, {"games": list(games), "operator": operator_id}) != len(games):
        raise NotFound("There is no such game.")


def _insert(session: Session, wish: Wish, plan: Plan, maker: dict[str, Any]) -> int:
    """Write a grant with its terms, at the end of the queue; returns its id."""
    terms = plan.terms
    bonus_id: int = session.execute(
        _INSERT,
        {
            "player_id": wish.player_id,
            **maker,
            "currency": wish.currency,
            "offer_id": plan.offer_id,
            "name": terms.name.strip(),
            "source": terms.source,
            "amount": plan.amount,
            "wagering_multiplier": terms.wagering_multiplier,
            "required": plan.required,
            "max_bet": terms.max_bet,
            "max_win": terms.max_win,
            "validity_days": terms.validity_days,
            "key": wish.idempotency_key,
            "fingerprint": wish.fingerprint(),
            "reason": wish.reason,
            "deposit_sequence": plan.deposit_sequence,
        },
    ).scalar_one()
    if terms.games:
        rows = [
            {
                "player_id": wish.player_id,
                "bonus_id": bonus_id,
                "game_id": game.game_id,
                "selection": game.selection,
                "contribution_percent": game.contribution_percent,
                "is_restricted": game.is_restricted,
            }
            for game in terms.games
        ]
        session.execute(insert(BonusTerm), rows)
    return bonus_id


def _activate(
    session: Session,
    keys: Sequence[tuple[int, str]],
    now: dt.datetime,
    fresh: dict[int, tuple[Actor, dict[str, int | str]]],
) -> dict[int, Entry]:
    """Let the queues of locked balances move up while there is room; the entries by bonus id.

    `fresh` is what somebody is granting just now: who, and what the entry says besides.
    """
    begun: dict[int, Entry] = {}
    while rows := session.execute(_NEXT, _columns(keys)).all():
        # One grant per balance at a time: a statement writes at most one entry of a journal.
        changes = [_giving(row, now, *fresh.get(row.id, (SYSTEM, {}))) for row in rows]
        entries = {(entry.player_id, entry.currency): entry for entry in move(session, changes)}
        session.execute(
            _BEGIN,
            {
                "players": [row.player_id for row in rows],
                "ids": [row.id for row in rows],
                "sequences": [entries[row.player_id, row.currency].sequence for row in rows],
                "now": now,
            },
        )
        begun |= {row.id: entries[row.player_id, row.currency] for row in rows}
    return begun


def _giving(row: Row[Any], now: dt.datetime, actor: Actor, marks: dict[str, int | str]) -> Dated:
    request = Request(
        player_id=row.player_id,
        currency=row.currency,
        change_type=ChangeType.BONUS_GRANT,
        real_delta=0,
        bonus_delta=row.amount,
        reason=row.reason,
        idempotency_key=f"bonus:{row.id}:grant",
        metadata={"bonus": row.id, **marks},
    )
    return Dated(request, actor, now)


def _columns(keys: Sequence[tuple[int, str]]) -> dict[str, list[Any]]:
    return {"players": [player_id for player_id, _ in keys], "currencies": [code for _, code in keys]}
