"""A member's points told again, entry by entry, for the second proof.

Before each entry it is known what every batch has and until when; so which batches it had to take, how much
of it is bonus, where a refund had to go. What stands there is compared, and then believed for the next one.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

from sqlalchemy import Row

from dashboard import money
from dashboard.models.points import PointsKind
from dashboard.services import chain, points_wording, wording
from dashboard.services.findings import Found
from dashboard.services.points_books import Book
from dashboard.services.points_wording import POINTS

_DAY = dt.timedelta(days=1)
_TAKING = frozenset({PointsKind.REDEEM, PointsKind.CONVERT, PointsKind.ADJUSTMENT})
_REFUNDABLE = frozenset({PointsKind.REDEEM, PointsKind.CONVERT})
_BATCH_SUMS = ("remaining", "redeemed", "expired", "reversed")
_SUMMED = ("loaded", "redeemed", "expired", "reversed", "owed")


@dataclass(slots=True)
class _Batch:
    """A batch in the course of its story."""

    row: Row[Any]
    expires_on: dt.date
    used: int = 0
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_BATCH_SUMS, 0))
    amount_refunded: int = 0
    taken_back: int = 0
    """Points that reversals of its payment took, from it and from others."""

    @property
    def left(self) -> int:
        return int(self.row.loaded) - self.used

    @property
    def turn(self) -> tuple[dt.date, int]:
        """Whose turn it is: the least."""
        return self.expires_on, self.row.number

    def bonus_in(self, used: int) -> int:
        """The bonus points in the first so many."""
        return max(used, 0) * int(self.row.bonus_loaded) // int(self.row.loaded)


@dataclass(slots=True)
class _Refunds:
    """What was given back of an entry."""

    moves: list[Row[Any]]
    """What it took, the last first."""
    given: int = 0

    def shares(self, given: int) -> list[int]:
        """How much of each, when so much is given back in all."""
        parts = []
        for move in self.moves:
            part = max(0, min(move.points, given))
            parts.append(part)
            given -= move.points
        return parts


class Story:
    """A member's entries, told in their order."""

    def __init__(self, book: Book, currency: str, found: Found) -> None:
        self._book, self._currency, self._found = book, currency, found
        self._unit = money.from_whole(1, currency)
        self._entries = {entry.sequence: entry for entry in book.entries}
        self._loaded_by: dict[int, list[Row[Any]]] = defaultdict(list)
        for row in book.batches.values():
            self._loaded_by[row.sequence].append(row)
        self._batches: dict[int, _Batch] = {}
        self._refunds: dict[int, _Refunds] = {}
        self._sequence, self._balance, self._head = 0, 0, chain.GENESIS
        self._refunded = self._amount_paid = 0

    def read(self, entry: Row[Any]) -> None:
        """Compare an entry with what had to happen, and go on from what it says."""
        self._check_chain(entry)
        moves = self._book.moves[entry.sequence]
        if moves and not self._is_in_turn(entry, moves):
            self._found.add(points_wording.taken(self._book.player_id, entry.sequence))
        is_given_back = self._is_given_back(entry, moves)
        for row in self._loaded_by[entry.sequence]:
            self._batches.setdefault(row.number, _Batch(row, cast(dt.date, entry.expires_on)))
        for move in moves:
            is_given_back &= self._move(entry, move)
        if entry.reverses is not None and not is_given_back:
            self._found.add(points_wording.given_back(self._book.player_id, entry.sequence, entry.reverses))
        self._check_figures(entry, moves)
        self._count(entry)

    def _check_chain(self, entry: Row[Any]) -> None:
        player_id, sequence = self._book.player_id, entry.sequence
        if sequence != self._sequence + 1:
            self._found.add(wording.gap(player_id, POINTS, sequence, self._sequence))
        written = cast(Mapping[str, Any], entry._mapping)
        if chain.digest(written, self._head, form=chain.POINTS_FORMAT) != entry.hash:
            self._found.add(wording.content(player_id, POINTS, sequence))
        if entry.balance_before != self._balance:
            self._found.add(
                points_wording.continuity(
                    player_id, sequence, before=entry.balance_before, left=self._balance
                )
            )
        self._sequence, self._balance, self._head = sequence, entry.balance_after, entry.hash

    def _is_in_turn(self, entry: Row[Any], moves: Sequence[Row[Any]]) -> bool:
        """Whether it took its points where they had to be taken."""
        if entry.kind == PointsKind.REFUND_SERVICE:
            return all(move.points < 0 for move in moves)
        found = [(self._batches.get(move.number), move.points) for move in moves]
        taken = [(batch, points) for batch, points in found if batch and 0 < points <= batch.left]
        if len(taken) < len(moves):
            return False
        if entry.kind not in _TAKING:
            return _is_allowed(entry, taken)
        is_valid = min(batch.expires_on for batch, _ in taken) >= _day(entry) - _DAY
        return is_valid and self._first(sum(points for _, points in taken)) == [
            (batch.row.number, points) for batch, points in taken
        ]

    def _first(self, points: int) -> list[tuple[int, int]]:
        """The batches whose turn it is for so many points, and how many of each."""
        turn = []
        for batch in sorted(self._batches.values(), key=lambda batch: batch.turn):
            part = min(points, batch.left)
            if part > 0:
                turn.append((int(batch.row.number), part))
                points -= part
        return turn

    def _is_given_back(self, entry: Row[Any], moves: Sequence[Row[Any]]) -> bool:
        """Whether a refund gave back what was taken last, where that had come from; before it is counted."""
        if entry.reverses is None:
            return True
        original = self._entries[entry.reverses]
        if entry.kind == PointsKind.REVERSAL:
            return bool(original.kind == PointsKind.LOAD)
        if original.sequence not in self._refunds:
            taken = [move for move in self._book.moves[original.sequence] if move.points > 0]
            self._refunds[original.sequence] = _Refunds(sorted(taken, key=lambda move: -move.place))
        refunds = self._refunds[original.sequence]
        before, after = refunds.shares(refunds.given), refunds.shares(refunds.given + entry.points)
        refunds.given += entry.points
        due = {
            move.number: (then - earlier, _pro_rata(move, then) - _pro_rata(move, earlier))
            for move, earlier, then in zip(refunds.moves, before, after, strict=True)
            if then > earlier
        }
        came: dict[int | None, int] = {move.number: -move.points for move in moves}
        graced: dict[int | None, list[int]] = {}
        for row in self._loaded_by[entry.sequence]:
            came[row.origin] = came.get(row.origin, 0) + row.loaded
            so_far = graced.setdefault(row.origin, [0, 0])
            so_far[0] += row.loaded
            so_far[1] += row.bonus_loaded
        return (
            came == {number: points for number, (points, _) in due.items()}
            and all(due[cast(int, number)] == tuple(sums) for number, sums in graced.items())
            and original.kind in _REFUNDABLE
        )

    def _move(self, entry: Row[Any], move: Row[Any]) -> bool:
        """Let an entry move a batch; whether it prolonged it as it had to, if it did."""
        batch = self._batches.get(move.number)
        if batch is None:
            # Its turn was reported; go on as if it had been loaded by then.
            row = self._book.batches[move.number]
            batch = self._batches[move.number] = _Batch(row, self._entries[row.sequence].expires_on)
        bonus = batch.bonus_in(batch.used + move.points) - batch.bonus_in(batch.used)
        if move.bonus_points != bonus:
            self._found.add(
                points_wording.part(
                    self._book.player_id, entry.sequence, move.number, stored=move.bonus_points, due=bonus
                )
            )
        batch.used += move.points
        for name, points in _into(entry, move).items():
            batch.sums[name] += points
        if move.prolonged_to is None:
            return True
        expired_on, batch.expires_on = batch.expires_on, max(batch.expires_on, move.prolonged_to)
        return bool(
            entry.kind == PointsKind.REFUND_SERVICE
            and move.prolonged_to == entry.expires_on
            and expired_on <= _day(entry)
        )

    def _check_figures(self, entry: Row[Any], moves: Sequence[Row[Any]]) -> None:
        """Whether the entry is the sum of what it did, and its money what the terms say."""
        made = self._loaded_by[entry.sequence]
        is_load = entry.kind == PointsKind.LOAD
        free = entry.bonus_points if is_load and entry.tier_id is None else 0
        stored = {
            "base_points": entry.base_points,
            "bonus_points": entry.bonus_points,
            "whole_units": entry.base_points if is_load else 0,
            "free_bonus": free,
            "payment_amount": entry.payment_amount,
        }
        due = {
            "base_points": sum(row.base_loaded for row in made) - sum(move.base_points for move in moves),
            "bonus_points": sum(row.bonus_loaded for row in made) - sum(move.bonus_points for move in moves),
            "whole_units": entry.payment_amount // self._unit if is_load else 0,
            "free_bonus": 0,
            "payment_amount": self._payment(entry, moves),
        }
        if stored != due:
            self._found.add(
                points_wording.entry(self._book.player_id, entry.sequence, self._currency, stored, due)
            )

    def _payment(self, entry: Row[Any], moves: Sequence[Row[Any]]) -> int | None:
        """What the money of an entry has to be, where that follows from anything; minor units."""
        if entry.kind == PointsKind.REDEEM and entry.price is not None:
            discount = money.rounded(Fraction(entry.price * entry.discount_bp, 10_000))
            return int(entry.price - discount + entry.points * self._unit)
        if entry.kind == PointsKind.REFUND_WALLET:
            return self._worth(moves)
        if entry.kind == PointsKind.REFUND_SERVICE:
            original = self._entries[entry.reverses]
            if original.points < 0:
                given = self._refunds[entry.reverses].given
                return _share(original, given, entry.points)
        return cast(int | None, entry.payment_amount)

    def _worth(self, moves: Sequence[Row[Any]]) -> int:
        """What base points are paid back with: by the payment of the batch that they came from first."""
        base: dict[int, int] = defaultdict(int)
        for move in moves:
            root = self._book.batches[move.number]
            while root.origin is not None:
                root = self._book.batches[root.origin]
            base[root.number] += move.base_points
        exact = Fraction(0)
        for number, points in base.items():
            root = self._book.batches[number]
            kept = root.amount_paid - root.amount_refunded
            exact += min(Fraction(points * root.amount_paid, root.base_loaded), Fraction(kept))
        return money.rounded(exact)

    def _count(self, entry: Row[Any]) -> None:
        """Keep what an entry adds to the sums of batches and wallet."""
        match entry.kind:
            case PointsKind.LOAD:
                self._amount_paid += entry.payment_amount
            case PointsKind.REFUND_SERVICE:
                self._refunded += entry.points
                for row in self._loaded_by[entry.sequence]:
                    if row.origin in self._batches:
                        self._batches[row.origin].sums["redeemed"] -= row.loaded
                        self._batches[row.origin].sums["reversed"] += row.loaded
            case PointsKind.REVERSAL:
                self._amount_paid -= entry.payment_amount or 0
                for row in self._loaded_by[entry.reverses]:
                    self._batches[row.number].taken_back -= entry.points
                    self._batches[row.number].amount_refunded += entry.payment_amount or 0

    def conclude(self) -> None:
        """Compare batches, refunds and wallet with where the story has left them."""
        for number in sorted(self._book.batches):
            self._check_batch(self._batches[number])
        for sequence, moves in sorted(self._book.moves.items()):
            taken = [move for move in moves if move.points > 0]
            refunds = self._refunds.get(sequence) or _Refunds(sorted(taken, key=lambda move: -move.place))
            for move, due in zip(refunds.moves, refunds.shares(refunds.given), strict=True):
                if move.refunded != due:
                    self._found.add(
                        points_wording.refunded(
                            self._book.player_id, sequence, move.number, stored=move.refunded, due=due
                        )
                    )
        self._check_wallet()

    def _check_batch(self, batch: _Batch) -> None:
        row = batch.row
        entry = self._entries[row.sequence]
        paid = entry.payment_amount if entry.kind == PointsKind.LOAD else 0
        returned = batch.amount_refunded if entry.kind == PointsKind.LOAD else 0
        owed = money.rounded(Fraction(row.loaded * returned, paid)) - batch.taken_back if paid else 0
        due = {
            "base_loaded": entry.base_points if row.origin is None else row.base_loaded,
            "bonus_loaded": entry.bonus_points if row.origin is None else row.bonus_loaded,
            **batch.sums,
            "remaining": batch.left,
            "amount_paid": paid,
            "amount_refunded": returned,
            "owed": owed,
            "expires_on": batch.expires_on,
        }
        stored = {name: row._mapping[name] for name in due}
        makes = (
            {PointsKind.LOAD, PointsKind.ADJUSTMENT} if row.origin is None else {PointsKind.REFUND_SERVICE}
        )
        is_then = abs(row.loaded_on - _day(entry)) <= _DAY
        is_placed = entry.kind in makes and is_then
        if stored != due or not is_placed:
            self._found.add(
                points_wording.batch(
                    self._book.player_id, row.number, self._currency, stored, due, is_placed=is_placed
                )
            )

    def _check_wallet(self) -> None:
        player_id, wallet = self._book.player_id, self._book.wallet
        if wallet is None:
            self._found.add(points_wording.no_wallet(player_id, len(self._book.entries)))
            return
        due: dict[str, Any] = {
            "balance": self._balance,
            "version": len(self._book.entries),
            "head": self._head,
        }
        stored = {name: wallet._mapping[name] for name in due}
        if stored != due:
            self._found.add(points_wording.balance(player_id, stored, due))
        batches = self._book.batches
        due = {
            "balance": sum(row.remaining for row in batches.values()),
            **{name: sum(row._mapping[name] for row in batches.values()) for name in _SUMMED},
            "batches": max(len(batches), max(batches, default=0)),
            "refunded": self._refunded,
            "amount_paid": self._amount_paid,
        }
        stored = {name: wallet._mapping[name] for name in due}
        if stored != due:
            self._found.add(points_wording.sums(player_id, self._currency, stored, due))


def _is_allowed(entry: Row[Any], taken: Sequence[tuple[_Batch, int]]) -> bool:
    """Whether an entry that nobody's wish stands behind took from these batches as its kind does."""
    turns = [batch.turn for batch, _ in taken]
    emptied = [batch.left == points for batch, points in taken]
    match entry.kind:
        case PointsKind.EXPIRE:
            keys = {f"expiry:{day.isoformat()}" for day, _ in turns}
            is_named = entry.idempotency_key.startswith("lapse:") or keys == {entry.idempotency_key}
            return all(emptied) and is_named and max(turns)[0] <= _day(entry)
        case PointsKind.REFUND_WALLET:
            return all(emptied) and turns == sorted(turns) and entry.balance_after == 0
        case PointsKind.REVERSAL if entry.payment_amount is not None:
            return all(batch.row.sequence == entry.reverses for batch, _ in taken)
        case PointsKind.REVERSAL:
            return turns == sorted(turns) and all(emptied[:-1])
    return False


def _day(entry: Row[Any]) -> dt.date:
    """By UTC, which is the operator's give or take one."""
    return cast(dt.datetime, entry.created_at).astimezone(dt.UTC).date()


def _into(entry: Row[Any], move: Row[Any]) -> dict[str, int]:
    """Where a move of a batch counts."""
    match entry.kind:
        case PointsKind.REDEEM | PointsKind.CONVERT | PointsKind.REFUND_SERVICE:
            return {"redeemed": move.points}
        case PointsKind.EXPIRE:
            return {"expired": move.points}
        case PointsKind.REVERSAL | PointsKind.ADJUSTMENT:
            return {"reversed": move.points}
        case PointsKind.REFUND_WALLET:
            return {"reversed": move.base_points, "expired": move.bonus_points}
    return {}


def _pro_rata(move: Row[Any], points: int) -> int:
    """The bonus points in so many of what an entry took from a batch."""
    return int(points * move.bonus_points // move.points)


def _share(original: Row[Any], given: int, points: int) -> int | None:
    """What of the money of a redemption goes back with the last `points` of `given`."""
    if original.payment_amount is None:
        return None
    taken = -original.points
    after, before = (
        money.rounded(Fraction(original.payment_amount * min(so_far, taken), taken))
        for so_far in (given, given - points)
    )
    return after - before
