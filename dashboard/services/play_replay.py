"""The proof of bets, rounds and bonuses a second way: plain columns, added up in Python."""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.services import play_wording
from dashboard.services.findings import Found

_BALANCES = text("SELECT player_id, currency, bonus FROM balances")
_GRANTS = text("SELECT player_id, currency, remaining FROM bonuses")
_STAKES = text("SELECT player_id, bet_id, amount, returned FROM bonus_stakes")
_ENTRIES = text("""
SELECT player_id, currency, sequence, change_type, real_delta, bonus_delta, idempotency_key
FROM wallet_entries
WHERE change_type IN ('wager', 'settlement', 'refund')
""")
_BETS = text("""
SELECT player_id, id, currency, round_id, version, state, amount, real_part, bonus_part, pays_numerator,
       pays_denominator, payout, payout_bonus, wager_sequence, settlement_sequence
FROM bets ORDER BY player_id, id
""")
_ROUNDS = text("SELECT id, operator_id, game_id, number, version, bets, staked, paid FROM rounds ORDER BY id")
_AMENDED = text("""
SELECT round_id, version, made_by, approved_by, reason, winner, joker, cards FROM round_settlements
WHERE approved_by IS NOT NULL
""")
_APPROVED = text("""
SELECT round_id, version, kind, joker, cards, reason, requested_by, decided_by FROM round_requests
WHERE state = 'approved'
""")
_UNFINISHED = text("SELECT round_id FROM round_settlements WHERE done_at IS NULL")


@dataclass(slots=True)
class _Played:
    """What the bets of a round come to."""

    bets: int = 0
    staked: int = 0
    paid: int = 0
    versions: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Payout:
    """What one player's bets of a round and version were due, and the entries that they name."""

    currency: str
    due: int = 0
    named: set[int] = field(default_factory=set)


def check(session: Session, found: Found) -> None:
    """Everything that concerns play."""
    _check_bonuses(session, found)
    stakes: dict[tuple[int, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row in session.execute(_STAKES):
        amount, returned = stakes[row.player_id, row.bet_id]
        stakes[row.player_id, row.bet_id] = amount + row.amount, returned + row.returned
    entries = {(row.player_id, row.currency, row.sequence): row for row in session.execute(_ENTRIES)}
    played: dict[int, _Played] = defaultdict(_Played)
    payouts: dict[tuple[int, int, int], _Payout] = {}
    for bet in session.execute(_BETS):
        entry = entries.get((bet.player_id, bet.currency, bet.wager_sequence))
        if not (_is_staked(bet, entry, stakes[bet.player_id, bet.id]) and _is_paid_by_its_odds(bet)):
            found.add(play_wording.bet(bet.player_id, bet.currency, bet.id, bet.wager_sequence))
        _add(bet, played[bet.round_id], payouts)
    _check_payouts(payouts, {(row.player_id, row.idempotency_key): row for row in entries.values()}, found)
    unfinished = set(session.scalars(_UNFINISHED))
    rounds = session.execute(_ROUNDS).all()
    for row in rounds:
        of_bets = played[row.id]
        fits = (row.bets, row.staked, row.paid) == (of_bets.bets, of_bets.staked, of_bets.paid)
        if row.version and row.id not in unfinished and not (fits and of_bets.versions <= {row.version}):
            found.add(play_wording.round_totals(row.operator_id, row.game_id, row.number))
    _check_amendments(session, {row.id: row for row in rounds}, found)


def _check_amendments(session: Session, rounds: dict[int, Row[Any]], found: Found) -> None:
    settled = {
        (row.round_id, row.version): (
            *(row.made_by, row.approved_by, row.reason),
            None if row.winner is None else (row.joker, row.cards),
        )
        for row in session.execute(_AMENDED)
    }
    agreed = {
        (row.round_id, row.version + 1): (
            *(f"staff:{row.requested_by}", f"staff:{row.decided_by}", row.reason),
            None if row.kind == "void" else (row.joker, row.cards),
        )
        for row in session.execute(_APPROVED)
    }
    for place in sorted(settled.keys() | agreed.keys()):
        if settled.get(place) != agreed.get(place):
            row = rounds[place[0]]
            found.add(play_wording.amendment(row.operator_id, row.game_id, row.number, place[1]))


def _check_bonuses(session: Session, found: Found) -> None:
    held: dict[tuple[int, str], int] = defaultdict(int)
    for row in session.execute(_GRANTS):
        held[row.player_id, row.currency] += row.remaining
    stored = {(row.player_id, row.currency): row.bonus for row in session.execute(_BALANCES)}
    for player_id, currency in sorted(stored.keys() | held.keys()):
        bonus, due = stored.get((player_id, currency), 0), held[player_id, currency]
        if bonus != due:
            found.add(play_wording.bonus(player_id, currency, bonus, due))


def _is_staked(bet: Row[Any], entry: Row[Any] | None, stake: tuple[int, int]) -> bool:
    if entry is None or stake != (bet.bonus_part, bet.payout_bonus):
        return False
    wanted = "wager", -bet.real_part, -bet.bonus_part
    return (entry.change_type, entry.real_delta, entry.bonus_delta) == wanted


def _is_paid_by_its_odds(bet: Row[Any]) -> bool:
    if bet.state != "won":
        return True
    odds = Fraction(bet.pays_numerator, bet.pays_denominator)
    return bool(bet.payout == bet.amount + money.rounded(bet.amount * odds))


def _add(bet: Row[Any], played: _Played, payouts: dict[tuple[int, int, int], _Payout]) -> None:
    played.bets += 1
    played.staked += bet.amount
    played.paid += bet.payout
    played.versions.add(bet.version)
    if bet.version:
        payout = payouts.setdefault((bet.player_id, bet.round_id, bet.version), _Payout(bet.currency))
        payout.due += bet.payout
        if bet.settlement_sequence is not None:
            payout.named.add(bet.settlement_sequence)


def _check_payouts(
    payouts: dict[tuple[int, int, int], _Payout], by_key: dict[tuple[int, str], Row[Any]], found: Found
) -> None:
    for (player_id, round_id, version), payout in sorted(payouts.items()):
        entry = by_key.get((player_id, f"settle:{round_id}:{version}"))
        posted = 0 if entry is None else entry.real_delta + entry.bonus_delta
        named = set() if entry is None else {entry.sequence}
        if posted != payout.due or payout.named != named:
            found.add(play_wording.payout(player_id, payout.currency, round_id, payout.due, posted))
