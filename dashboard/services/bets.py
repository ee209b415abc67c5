"""Bets: one stake of one player on one selection, taken while the betting of its stage is open.

A bet locks the balance, then share-locks wallet and round, in one statement that also asks the
database's clock: nothing is staked after the close, and the close waits only for what is in flight. No
row is shared by the bets of a round; their totals are summed.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, exposure, funding, rule_sets, standings, vip
from dashboard.services.actors import Actor
from dashboard.services.changes import KeyReused, Request
from dashboard.services.standings import Located

IN_FLIGHT_MAX = 100
"""More bets are never in flight at once: PostgreSQL has that many connections."""


@dataclass(frozen=True, slots=True)
class Wager:
    """What a player wants to stake, in minor units of the round's currency."""

    player_id: int
    round_id: int
    selection: str
    amount: int
    idempotency_key: str
    """At most 90 characters."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A bet that stands, with the entry that took its stake."""

    bet_id: int
    sequence: int
    real_part: int
    bonus_part: int
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class _Table:
    """The round that is bet on, and the limits of its game. Minor units."""

    currency: str
    stage: int
    game_id: int
    number: int
    game: str
    min_bet: int
    max_bet: int
    exposure_max: int | None
    definition: str
    stake_order: str

    @property
    def rules(self) -> rule_sets.Rules:
        return rule_sets.read(self.definition)


def place(session: Session, *, wager: Wager, actor: Actor, now: dt.datetime) -> Placed:
    """Take a stake: real money first, then grants from the oldest on (or the other way round).

    The same key returns the bet first placed with it, also after the close. Raises NotFound; Conflict
    when betting is not open; ChangeRefused with every reason against it; KeyReused.
    """
    row = _lock(session, wager)
    if row is None:
        return _closed_or_known(session, wager, actor)
    if not actor.serves(row.operator_id):
        raise NotFound("There is no such round.")
    table, located = _table(row), standings.located_from(row)
    # After the lock, in a statement of its own: of two with the same key at once, one waited here.
    known = _known(session, wager)
    if known is not None:
        return known
    if wager.selection not in table.rules.selections(table.stage):
        raise Rejected("Nobody can bet on that now.", field="selection")
    funded = _fund(session, wager, table, located, now)
    request = Request(
        player_id=wager.player_id,
        currency=table.currency,
        change_type=ChangeType.WAGER,
        real_delta=-(wager.amount - funded.bonus),
        bonus_delta=-funded.bonus,
        reason=f"{wager.selection.capitalize()}, {table.game} round {table.number}",
        idempotency_key=f"bet:{wager.idempotency_key}",
        metadata={"round": wager.round_id, "selection": wager.selection, "stage": table.stage},
    )
    examined = balances.examine(session, request=request, actor=actor, now=now, locked=located)
    errors = examined.judgement.validation.errors
    if funded.problems:
        # It says what can be staked at all; what is withdrawable is only a part of that.
        errors[:] = [error for error in errors if error.code != "not_withdrawable"]
    errors.extend([*_against(session, wager, table), *funded.problems])
    change = balances.post(session, examined, actor=actor, now=now)
    shares = funded.shares
    bet_id = session.execute(
        _INSERT,
        {
            "p": wager.player_id,
            "operator": located.operator_id,
            "c": table.currency,
            "r": wager.round_id,
            "selection": wager.selection,
            "stage": table.stage,
            "amount": wager.amount,
            "real": wager.amount - funded.bonus,
            "bonus": funded.bonus,
            "sequence": change.entry.sequence,
            "key": wager.idempotency_key,
            "who": actor.reference,
            "now": now,
            "grants": [share.bonus_id for share in shares],
            "shares": [share.amount for share in shares],
        },
    ).scalar_one()
    return Placed(bet_id, change.entry.sequence, wager.amount - funded.bonus, funded.bonus)


_LOCK = text(f"""
SELECT {standings.COLUMNS},
       n.stage, n.game_id, n.number, g.name, g.min_bet, g.max_bet,
       g.exposure_max, s.definition, o.stake_order
{standings.TABLES}
JOIN rounds n ON n.id = :r AND n.operator_id = b.operator_id AND n.currency = b.currency
JOIN games g ON g.id = n.game_id
JOIN rule_sets s ON s.id = n.rule_set_id
WHERE b.player_id = :p AND n.state = 'betting' AND n.betting_ends_at > clock_timestamp()
  AND NOT EXISTS (SELECT FROM round_closings c WHERE c.round_id = n.id AND c.stage = n.stage)
FOR UPDATE OF b FOR SHARE OF w, n
""")
_ROUND = text("""
SELECT r.operator_id, r.currency, r.state, r.betting_ends_at <= clock_timestamp() AS is_over,
       EXISTS (SELECT FROM round_closings c WHERE c.round_id = r.id AND c.stage = r.stage) AS is_closing,
       EXISTS (SELECT FROM wallets w WHERE w.player_id = :p AND w.operator_id = r.operator_id) AS is_ours,
       EXISTS (SELECT FROM balances b WHERE b.player_id = :p AND b.currency = r.currency) AS has_balance
FROM rounds r WHERE r.id = :r
""")
_KNOWN = text("""
SELECT id, round_id, selection, amount, wager_sequence, real_part, bonus_part
FROM bets WHERE player_id = :p AND idempotency_key = :key
""")
# One statement for the bet and what each grant pays of it.
_INSERT = text("""
WITH bet AS (
  INSERT INTO bets (player_id, operator_id, currency, round_id, selection, stage, amount, real_part,
                    bonus_part, wager_sequence, idempotency_key, placed_by, placed_at)
  VALUES (:p, :operator, :c, :r, :selection, :stage, :amount, :real, :bonus, :sequence, :key, :who, :now)
  RETURNING id
), share AS (
  SELECT * FROM unnest(CAST(:grants AS bigint[]), CAST(:shares AS bigint[])) AS s(bonus_id, amount)
), taken AS (
  UPDATE bonuses g SET remaining = g.remaining - s.amount
  FROM share s WHERE g.player_id = :p AND g.id = s.bonus_id
), kept AS (
  INSERT INTO bonus_stakes (player_id, bet_id, bonus_id, amount) SELECT :p, bet.id, s.bonus_id, s.amount
  FROM share s, bet
)
SELECT id FROM bet
""")
# Whoever comes near the limit waits for the others who do, so that the sum that they see is whole.
_ALONE = text("SELECT pg_advisory_xact_lock(:space, CAST(hashint8(:r) AS integer))")
_SPACE = int.from_bytes(hashlib.sha256(b"purser exposure").digest()[:3], "big")


def _table(row: Row[Any]) -> _Table:
    return _Table(
        currency=row.currency,
        stage=row.stage,
        game_id=row.game_id,
        number=row.number,
        game=row.name,
        min_bet=row.min_bet,
        max_bet=row.max_bet,
        exposure_max=row.exposure_max,
        definition=row.definition,
        stake_order=row.stake_order,
    )


def _lock(session: Session, wager: Wager) -> Row[Any] | None:
    return session.execute(_LOCK, {"p": wager.player_id, "r": wager.round_id}).one_or_none()


def _known(session: Session, wager: Wager) -> Placed | None:
    row = session.execute(_KNOWN, {"p": wager.player_id, "key": wager.idempotency_key}).one_or_none()
    if row is None:
        return None
    if (row.round_id, row.selection, row.amount) != (wager.round_id, wager.selection, wager.amount):
        raise KeyReused(None)
    return Placed(row.id, row.wager_sequence, row.real_part, row.bonus_part, repeated=True)


def _closed_or_known(session: Session, wager: Wager, actor: Actor) -> Placed:
    """Why there was nothing to lock; or the bet, if it was placed before the close."""
    row = session.execute(_ROUND, {"p": wager.player_id, "r": wager.round_id}).one_or_none()
    if row is None or not actor.serves(row.operator_id):
        raise NotFound("There is no such round.")
    if not row.is_ours:
        raise NotFound("There is no such player.")
    known = _known(session, wager)
    if known is not None:
        return known
    if row.state == "betting" and not row.is_over and not row.is_closing and not row.has_balance:
        raise Rejected(f"This player has no {row.currency}.", field="amount")
    raise Conflict("Betting is closed.")


def _fund(
    session: Session, wager: Wager, table: _Table, located: Located, now: dt.datetime
) -> funding.Funding:
    grants: Sequence[funding.Grant] = ()
    if located.bonus:
        grants = funding.grants(
            session, player_id=wager.player_id, currency=table.currency, game_id=table.game_id, now=now
        )
    return funding.fund(
        wager.amount,
        currency=table.currency,
        withdrawable=vip.withdrawable(located.real, located.pending),
        grants=grants,
        bonus_first=table.stake_order == "bonus_first",
    )


def _against(session: Session, wager: Wager, table: _Table) -> list[vip.Problem]:
    """What the game's limits say against it."""

    def show(minor: int) -> str:
        return f"{money.show(minor, table.currency)} {table.currency}"

    if wager.amount < table.min_bet:
        return [vip.Problem("below_min_bet", f"The smallest bet is {show(table.min_bet)}.")]
    if wager.amount > table.max_bet:
        return [vip.Problem("above_max_bet", f"The largest bet is {show(table.max_bet)}.")]
    if table.exposure_max is None or not _exceeds(session, wager, table, table.exposure_max):
        return []
    message = f"The house would risk more than {show(table.exposure_max)} on this round."
    return [vip.Problem("exposure", message)]


def _exceeds(session: Session, wager: Wager, table: _Table, exposure_max: int) -> bool:
    """Whether the round's exposure would pass the limit, counting also what others are about to stake."""
    own = exposure.Staked(wager.selection, table.stage, wager.amount)
    before = exposure.staked(session, wager.round_id)
    most = max(table.rules.most(each, table.stage) for each in table.rules.selections(table.stage))
    in_flight = money.rounded(IN_FLIGHT_MAX * table.max_bet * most)
    if exposure.largest_loss(table.rules, [*before, own]) + in_flight <= exposure_max:
        return False
    session.execute(_ALONE, {"space": _SPACE, "r": wager.round_id})
    before = exposure.staked(session, wager.round_id)
    # What lowers the exposure is always welcome, also where a limit was lowered meanwhile.
    with_own = exposure.largest_loss(table.rules, [*before, own])
    return with_own > max(exposure_max, exposure.largest_loss(table.rules, before))
