"""Which money pays a stake: real, then grants from the oldest on, or the other way round."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.services import lots
from dashboard.services.vip import Problem


@dataclass(frozen=True, slots=True)
class Grant:
    """An active grant with money in it, in minor units."""

    id: int
    remaining: int
    max_bet: int | None
    is_restricted: bool
    """Its money may not be staked at this game."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one grant pays of a stake, in minor units."""

    bonus_id: int
    amount: int


@dataclass(frozen=True, slots=True)
class Funding:
    """How a stake is paid, and what is said against it."""

    shares: tuple[Share, ...]
    problems: tuple[Problem, ...]

    @property
    def bonus(self) -> int:
        """The part that grants pay, in minor units."""
        return sum(share.amount for share in self.shares)


_GRANTS = text("""
SELECT g.id, g.remaining, g.max_bet, coalesce(t.is_restricted, false)
FROM bonuses g
LEFT JOIN bonus_terms t
  ON t.player_id = g.player_id AND t.bonus_id = g.id AND t.game_id = :game AND t.selection = ''
WHERE g.player_id = :p AND g.currency = :c AND g.state = 'active' AND g.remaining > 0 AND g.expires_at > :now
ORDER BY g.id
""")


def grants(session: Session, *, player_id: int, currency: str, game_id: int, now: dt.datetime) -> list[Grant]:
    """What may pay a stake of this player at this game, the oldest first; the balance must be locked.

    One whose time is over pays nothing, also where nobody has ended it yet.
    """
    found = session.execute(_GRANTS, {"p": player_id, "c": currency, "game": game_id, "now": now})
    return [Grant(*row) for row in found]


def fund(
    amount: int, *, currency: str, withdrawable: int, grants: Sequence[Grant], bonus_first: bool = False
) -> Funding:
    """Divide a stake between real money and grants. All in minor units; pure."""

    def show(minor: int) -> str:
        return f"{money.show(minor, currency)} {currency}"

    usable = [grant for grant in grants if not grant.is_restricted]
    in_grants = sum(grant.remaining for grant in usable)
    from_grants = min(amount, in_grants) if bonus_first else max(0, amount - withdrawable)
    problems = []
    max_bet = min((grant.max_bet for grant in grants if grant.max_bet is not None), default=None)
    if max_bet is not None and amount > max_bet:
        problems.append(
            Problem("above_bonus_max_bet", f"With an active bonus the largest bet is {show(max_bet)}.")
        )
    if amount > withdrawable + in_grants:
        restricted = sum(grant.remaining for grant in grants if grant.is_restricted)
        if amount <= withdrawable + in_grants + restricted:
            problems.append(Problem("restricted_game", "The bonus may not be staked at this game."))
        else:
            has = f"{show(withdrawable)} and {show(in_grants)} in bonuses"
            problems.append(Problem("insufficient_funds", f"Not enough money: {show(amount)} of {has}."))
    return Funding(_from_oldest(usable, min(from_grants, in_grants)), tuple(problems))


def _from_oldest(grants: Sequence[Grant], amount: int) -> tuple[Share, ...]:
    taken = lots.take([grant.remaining for grant in grants], amount)
    return tuple(Share(grant.id, part) for grant, part in zip(grants, taken, strict=True) if part)
