"""The proof of partners a second way: plain columns, judged and added up in Python.

Earnings, the rounds they come from, accounts and shown figures here; statements in `statement_replay`.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models.partner import EARNING_STATUSES, Disclosure, StakesCounted
from dashboard.models.partner_money import EarningState, PayoutState, StatementState
from dashboard.services import partner_books, partner_terms, partner_wording, statement_replay
from dashboard.services.findings import Found
from dashboard.services.partner_books import Books
from dashboard.services.partner_earnings import Period
from dashboard.services.partner_terms import PLAYERS_MIN, Shown

_ROUNDS = text("""
SELECT r.id, r.operator_id, r.game_id, r.number, r.currency, r.version, r.opened_at, o.timezone
FROM rounds r JOIN operators o ON o.id = r.operator_id
""")
_SETTLEMENTS = text("SELECT round_id, version, claimed_at, done_at FROM round_settlements")
_STATUSES = text("SELECT partner_id, since, status FROM partner_status_changes ORDER BY since, id")
_REFERRALS = text("SELECT player_id, since, partner_id FROM referrals ORDER BY player_id, since")
_BETS = text("""
SELECT round_id, player_id, amount, payout, real_part, payout_real FROM bets
WHERE state IN ('won', 'lost', 'push')
""")
_PERIODS = text("SELECT * FROM partner_shown_periods")
_SEEN = text("SELECT partner_id, currency, kind, starts, game_id FROM partner_period_players")

_ACCOUNT_FIGURES = ("total", "pending", "approved", "reserved", "paid")
_PERIOD_FIGURES = ("rounds", "players", "bets", "payouts", "earned")


class _Key(NamedTuple):
    """What a round earned a partner by one contract."""

    partner_id: int
    round_id: int
    contract_id: int


@dataclass(slots=True)
class _Played:
    """What a partner's players of a round come to."""

    real_bets: int = 0
    real_payouts: int = 0
    players: int = 0

    def figures(self) -> dict[str, int]:
        """By the names of the wording."""
        return {"real_bets": self.real_bets, "real_payouts": self.real_payouts, "players": self.players}


@dataclass(slots=True)
class _Sums:
    """What earnings of a period come to."""

    figures: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_PERIOD_FIGURES, 0))
    is_named: bool | None = None
    rounds: set[int] = field(default_factory=set)


def check(session: Session, found: Found) -> None:
    """Everything that concerns partners."""
    books = partner_books.read(session)
    rounds = {row.id: row for row in session.execute(_ROUNDS)}
    settlements = {(row.round_id, row.version): row for row in session.execute(_SETTLEMENTS)}
    rows: dict[_Key, list[Row[Any]]] = defaultdict(list)
    for row in books.real:
        key = _Key(row.partner_id, row.round_id, row.contract_id)
        claimed_at = settlements[row.round_id, row.settlement_version].claimed_at
        if not _is_right(books, row, rows[key], rounds[row.round_id], claimed_at):
            found.add(
                partner_wording.earning(row.operator_id, row.partner_id, row.currency, row.id, row.round_id)
            )
        rows[key].append(row)
    due = _Attribution(session, books).due(session, rounds, settlements)
    unfinished = {row.round_id for row in settlements.values() if row.done_at is None}
    finished = {round_id: row for round_id, row in rounds.items() if round_id not in unfinished}
    _check_rounds(books, rows, finished, due, found)
    _check_accounts(books, found)
    _check_periods(session, books, found)
    statement_replay.check(session, books, found)


def _is_right(
    books: Books,
    row: Row[Any],
    before: Sequence[Row[Any]],
    played: Row[Any],
    claimed_at: dt.datetime,
) -> bool:
    """Whether a row follows from its round, its contract and what was written of the round before."""
    shown, contract = books.shown.get(row.id), books.contracts[row.contract_id]
    if shown is None:
        return False
    copied = (
        *(row.operator_id, row.currency, row.game_id, row.settled_at),
        *(row.share_bp, row.rate_bp, row.loss_policy),
        *(shown.partner_id, shown.operator_id, shown.currency, shown.game_id, shown.round_id),
        *(shown.round_number, shown.settlement_version, shown.settled_at, shown.approve_at),
    )
    wanted = (
        *(played.operator_id, played.currency, played.game_id, claimed_at),
        *(contract.share_bp, contract.rate_bp, contract.loss_policy),
        *(row.partner_id, played.operator_id, played.currency, played.game_id, row.round_id),
        *(played.number, row.settlement_version, claimed_at, claimed_at + dt.timedelta(contract.hold_days)),
    )
    day = claimed_at.astimezone(dt.UTC).date()
    is_near = abs((shown.day - day).days) <= 1
    if copied != wanted or not (is_near or (shown.day > day and shown.day.day == 1)):
        return False
    return any(_follows(books, row, shown, base) for base in _bases(books, before))


def _follows(books: Books, row: Row[Any], shown: Row[Any], base: Sequence[Row[Any]]) -> bool:
    """Whether a row is the difference between all that was played and what these rows had said."""
    figures = partner_terms.shown(
        row.real_bets + sum(each.real_bets for each in base),
        row.real_payouts + sum(each.real_payouts for each in base),
        share_bp=row.share_bp,
        rate_bp=row.rate_bp,
        loss_policy=row.loss_policy,
    )
    told = [books.shown[each.id] for each in base if each.id in books.shown]
    for each in told:
        figures = figures.minus(Shown(each.bets, each.payouts, each.profit, each.earned))
    players = shown.players + sum(each.players for each in told)
    is_named = books.contracts[row.contract_id].disclosure == Disclosure.TERMS
    is_open = is_named or players >= PLAYERS_MIN or any(each.is_open for each in told)
    return (figures, is_open) == (
        Shown(shown.bets, shown.payouts, shown.profit, shown.earned),
        shown.is_open,
    )


def _bases(books: Books, rows: Sequence[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """The rows that may have counted for a later one: without those that had been rejected by some moment."""
    yield list(rows)
    rejected = {
        row.id: books.shown[row.id].decided_at
        for row in rows
        if row.id in books.shown and books.shown[row.id].state == EarningState.REJECTED
    }
    for cut in set(rejected.values()):
        yield [row for row in rows if row.id not in rejected or rejected[row.id] > cut]


def _check_rounds(
    books: Books,
    rows: Mapping[_Key, Sequence[Row[Any]]],
    rounds: Mapping[int, Row[Any]],
    due: Mapping[_Key, _Played],
    found: Found,
) -> None:
    """Whether the rows of these rounds are those of the players who bet in them."""
    for key in sorted(rows.keys() | due.keys(), key=lambda key: (key.partner_id, key.round_id)):
        played = rounds.get(key.round_id)
        if played is None:
            continue
        of_bets = due.get(key, _Played())
        written = rows.get(key, ())
        last = [row for row in written if row.settlement_version == played.version]
        earlier = [row for row in written if row.settlement_version != played.version]
        sums = [_sum_of(books, [*base, *last]) for base in _bases(books, earlier)]
        if of_bets not in sums:
            found.add(
                partner_wording.round_earnings(
                    books.operators[key.partner_id],
                    key.partner_id,
                    played.currency,
                    round_id=played.id,
                    version=books.contracts[key.contract_id].version,
                    stored=sums[0].figures(),
                    due=of_bets.figures(),
                )
            )


def _sum_of(books: Books, rows: Sequence[Row[Any]]) -> _Played:
    players = sum(books.shown[row.id].players for row in rows if row.id in books.shown)
    return _Played(sum(row.real_bets for row in rows), sum(row.real_payouts for row in rows), players)


class _Attribution:
    """Whose players were whose, who earned, and by which contract."""

    def __init__(self, session: Session, books: Books) -> None:
        self._referrals: dict[int, list[Row[Any]]] = defaultdict(list)
        for row in session.execute(_REFERRALS):
            self._referrals[row.player_id].append(row)
        self._statuses: dict[int, list[Row[Any]]] = defaultdict(list)
        for row in session.execute(_STATUSES):
            self._statuses[row.partner_id].append(row)
        self._contracts: dict[int, list[Row[Any]]] = defaultdict(list)
        for row in books.contracts.values():
            self._contracts[row.partner_id].append(row)

    def due(
        self,
        session: Session,
        rounds: Mapping[int, Row[Any]],
        settlements: Mapping[tuple[int, int], Row[Any]],
    ) -> dict[_Key, _Played]:
        """What the bets of settled rounds say, by partner, round and contract."""
        sums: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for bet in session.execute(_BETS):
            if bet.player_id in self._referrals and (bet.round_id, 1) in settlements:
                so_far = sums[bet.round_id, bet.player_id]
                for at, amount in enumerate((bet.real_part, bet.payout_real, bet.amount, bet.payout)):
                    so_far[at] += amount
        due: dict[_Key, _Played] = defaultdict(_Played)
        for (round_id, player_id), (real_bets, real_payouts, bets, payouts) in sums.items():
            contract = self._contract(player_id, rounds[round_id], settlements[round_id, 1].claimed_at)
            if contract is None:
                continue
            is_real = contract.counts == StakesCounted.REAL
            played = due[_Key(contract.partner_id, round_id, contract.id)]
            played.real_bets += real_bets if is_real else bets
            played.real_payouts += real_payouts if is_real else payouts
            played.players += 1
        return due

    def _contract(self, player_id: int, played: Row[Any], first_at: dt.datetime) -> Row[Any] | None:
        """By what a player's bets of a round earn somebody; None where nobody does."""
        referral = _last([row for row in self._referrals[player_id] if row.since <= first_at])
        if referral is None or referral.partner_id is None:
            return None
        status = _last([row for row in self._statuses[referral.partner_id] if row.since <= first_at])
        if status is None or status.status not in EARNING_STATUSES:
            return None
        opened_on = clock.local(played.opened_at, played.timezone).date()
        referred_on = clock.local(referral.since, played.timezone).date()
        return _last(
            [
                row
                for row in self._contracts[referral.partner_id]
                if row.valid_from <= opened_on
                and row.made_at <= first_at
                and (
                    row.version == 1
                    or (row.accepted_at is not None and row.accepted_at <= first_at)
                    or row.valid_from <= referred_on
                )
            ]
        )


def _last(rows: Sequence[Row[Any]]) -> Row[Any] | None:
    return rows[-1] if rows else None


def _check_accounts(books: Books, found: Found) -> None:
    due: dict[tuple[int, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(_ACCOUNT_FIGURES, 0))
    for row in books.shown.values():
        if row.state != EarningState.REJECTED:
            due[row.partner_id, row.currency]["total"] += row.earned
        if row.state == EarningState.PENDING:
            due[row.partner_id, row.currency]["pending"] += row.earned
    for row in books.statements:
        if row.state in {StatementState.PAYABLE, StatementState.PAID}:
            due[row.partner_id, row.currency]["approved"] += row.payable
    for row in books.payouts:
        if row.state == PayoutState.PAID:
            due[row.partner_id, row.currency]["paid"] += row.amount
        elif row.state != PayoutState.REJECTED:
            due[row.partner_id, row.currency]["reserved"] += row.amount
    for partner_id, currency in sorted(books.accounts.keys() | due.keys()):
        account = books.accounts.get((partner_id, currency))
        kept = {name: account._mapping[name] if account else 0 for name in _ACCOUNT_FIGURES}
        right = due[partner_id, currency]
        if kept != right:
            found.add(partner_wording.account(books.operators[partner_id], partner_id, currency, kept, right))


def _check_periods(session: Session, books: Books, found: Found) -> None:
    """Whether what is shown of days, months and games is what the earnings in them come to."""
    due: dict[tuple[int, str, str, dt.date, int], _Sums] = defaultdict(_Sums)
    for row in books.real:
        shown = books.shown.get(row.id)
        if shown is None:
            continue
        is_named = books.contracts[row.contract_id].disclosure == Disclosure.TERMS
        for period in Period.of(shown.day, shown.game_id):
            sums = due[shown.partner_id, shown.currency, period.kind, period.starts, period.game_id]
            sums.is_named = is_named and sums.is_named is not False
            if shown.settlement_version == 1:
                sums.rounds.add(shown.round_id)
            if shown.state != EarningState.REJECTED:
                for name in ("bets", "payouts", "earned"):
                    sums.figures[name] += shown._mapping[name]
    for row in session.execute(_SEEN):
        due[row.partner_id, row.currency, row.kind, row.starts, row.game_id].figures["players"] += 1
    stored = {
        (row.partner_id, row.currency, row.kind, row.starts, row.game_id): row
        for row in session.execute(_PERIODS)
    }
    for key in sorted(stored.keys() | due.keys()):
        kept, sums = stored.get(key), due[key]
        sums.figures["rounds"] = len(sums.rounds)
        figures = {name: kept._mapping[name] if kept else 0 for name in _PERIOD_FIGURES}
        if figures != sums.figures or (kept.is_named if kept else None) != sums.is_named:
            partner_id, currency, kind, starts, game_id = key
            found.add(
                partner_wording.period(
                    books.operators[partner_id],
                    partner_id,
                    currency,
                    starts=starts,
                    kind=kind,
                    game_id=game_id,
                    stored=figures,
                    due=sums.figures,
                )
            )
