"""Bonuses, bets and settlements in plain Python, from the specification: lists, integers and fractions.

Nothing of the code under test is used here. All amounts are in minor units.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

MARKETS = (("andar", "bahar"), ("red", "black"))
"""Selections of which exactly one comes true."""


@dataclass
class Grant:
    """A grant with its terms."""

    amount: int
    required: int
    max_bet: int | None
    max_win: int | None
    days: int
    percents: dict[tuple[int, str], int]
    """By game and selection; empty: the whole game."""
    closed_games: frozenset[int]
    state: str = "queued"
    remaining: int = 0
    wagered: int = 0
    converted: int = 0
    forfeited: int = 0
    expires_at: int = 0

    def percent(self, game: int, selection: str) -> int:
        return self.percents.get((game, selection), self.percents.get((game, ""), 100))


@dataclass
class Bet:
    """A stake with what each grant has paid of it, the oldest first."""

    game: int
    selection: str
    stage: int
    amount: int
    shares: list[tuple[Grant, int]]

    @property
    def bonus(self) -> int:
        return sum(share for _grant, share in self.shares)


@dataclass
class House:
    """How an operator lets bonuses be played."""

    bonus_first: bool = False
    counts_whole: bool = False
    active_max: int | None = None


@dataclass
class Player:
    """One player's money. `now` is in hours everywhere."""

    house: House
    real: int = 0
    grants: list[Grant] = field(default_factory=list)
    bets: list[Bet] = field(default_factory=list)
    """Of the round that is played."""

    @property
    def bonus(self) -> int:
        return sum(grant.remaining for grant in self.grants)

    def grant(self, grant: Grant, now: int) -> None:
        self.grants.append(grant)
        self._move_up(now)

    def _move_up(self, now: int) -> None:
        """The oldest that waits begins, while there is room; a spent grant takes none."""
        for grant in self.grants:
            at_stake = [paid for bet in self.bets for paid, _share in bet.shares]
            playing = [g for g in self.grants if g.state == "active" and (g.remaining or g in at_stake)]
            if grant.state != "queued":
                continue
            if self.house.active_max is not None and len(playing) >= self.house.active_max:
                return
            grant.state, grant.remaining, grant.expires_at = "active", grant.amount, now + 24 * grant.days

    def end(self, grant: Grant, state: str, now: int, *, moves_up: bool = True) -> None:
        grant.state = state
        grant.forfeited += grant.remaining
        grant.remaining = 0
        if moves_up:
            self._move_up(now)

    def expire(self, now: int) -> None:
        due = [grant for grant in self.grants if grant.state == "active" and grant.expires_at <= now]
        for grant in due:
            self.end(grant, "expired", now, moves_up=False)
        if due:
            self._move_up(now)

    def take(self, amount: int, now: int) -> None:
        for grant in self.grants:
            if grant.state == "active":
                part = min(grant.remaining, amount)
                grant.remaining -= part
                grant.forfeited += part
                amount -= part
        self._move_up(now)

    def bet(self, game: int, selection: str, stage: int, amount: int, now: int) -> bool:
        """Whether the stake is taken."""
        holding = [g for g in self.grants if g.state == "active" and g.remaining and g.expires_at > now]
        usable = [grant for grant in holding if game not in grant.closed_games]
        available = sum(grant.remaining for grant in usable)
        if any(grant.max_bet is not None and amount > grant.max_bet for grant in holding):
            return False
        if amount > max(0, self.real) + available:
            return False
        left = bonus = min(amount, available) if self.house.bonus_first else max(0, amount - self.real)
        shares = []
        for grant in usable:
            part = min(grant.remaining, left)
            if part:
                grant.remaining -= part
                left -= part
                shares.append((grant, part))
        self.real -= amount - bonus
        self.bets.append(Bet(game, selection, stage, amount, shares))
        return True

    def settle(self, pays: dict[tuple[str, int], Fraction | None] | None, now: int) -> None:
        """End the round. `pays` to one by selection and stage, None for what is lost; no `pays`: void."""
        bets, self.bets = self.bets, []
        due: dict[int, int] = defaultdict(int)
        for bet in bets:
            payout = bet.amount if pays is None else _payout(bet.amount, pays[bet.selection, bet.stage])
            of_bonus = payout * bet.bonus // bet.amount
            self.real += payout - of_bonus
            parts = [of_bonus * share // bet.bonus for _grant, share in bet.shares]
            if parts:
                parts[0] += of_bonus - sum(parts)
            for (grant, share), part in zip(bet.shares, parts, strict=True):
                due[self.grants.index(grant)] += part
                if pays is not None and grant.state == "active":
                    grant.wagered += self._counted(bet, grant, share, bets)
        touched = [grant for grant in self.grants if any(grant is g for bet in bets for g, _ in bet.shares)]
        for number, amount in due.items():
            self._return(self.grants[number], amount)
        is_completed = False
        for grant in touched:
            if grant.state == "active" and grant.wagered >= grant.required:
                self._complete(grant)
                is_completed = True
        if is_completed:
            self._move_up(now)

    def _counted(self, bet: Bet, grant: Grant, share: int, bets: list[Bet]) -> int:
        """What a share adds to the wagering: of opposite bets of the round only the difference."""
        market = next((each for each in MARKETS if bet.selection in each), (bet.selection, ""))
        staked = {each: sum(b.amount for b in bets if b.selection == each) for each in market}
        net = staked[bet.selection] - min(staked.values())
        base = bet.amount * share // bet.bonus if self.house.counts_whole else share
        return base * grant.percent(bet.game, bet.selection) * net // (100 * staked[bet.selection])

    def _return(self, grant: Grant, amount: int) -> None:
        if grant.state == "active":
            grant.remaining += amount
            return
        becomes_real = 0
        if grant.state == "completed":
            room = amount if grant.max_win is None else grant.max_win - grant.converted
            becomes_real = min(amount, room)
        self.real += becomes_real
        grant.converted += becomes_real
        grant.forfeited += amount - becomes_real

    def _complete(self, grant: Grant) -> None:
        becomes_real = grant.remaining if grant.max_win is None else min(grant.remaining, grant.max_win)
        self.real += becomes_real
        grant.converted += becomes_real
        grant.forfeited += grant.remaining - becomes_real
        grant.remaining, grant.state = 0, "completed"


def _payout(amount: int, to_one: Fraction | None) -> int:
    if to_one is None:
        return 0
    return amount + round(amount * to_one)
