"""How much the house may lose on a round, from what has been staked. Pure but for one sum."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.models.game import Side
from dashboard.services.rule_sets import MARKETS, Rules


@dataclass(frozen=True, slots=True)
class Staked:
    """What is staked on one selection at one stage, in minor units, by how many bets."""

    selection: str
    stage: int
    amount: int
    bets: int = 1


_STAKED = text("""
SELECT selection, stage, sum(amount)::bigint AS amount, count(*) AS bets FROM bets
WHERE round_id = :r AND state <> 'void' GROUP BY selection, stage ORDER BY selection, stage
""")


def staked(session: Session, round_id: int) -> list[Staked]:
    """What has been staked on a round so far, by selection and stage: what other transactions committed."""
    return [Staked(*row) for row in session.execute(_STAKED, {"r": round_id})]


def loss_if(rules: Rules, stakes: Iterable[Staked], winner: Side) -> int:
    """The most that the house may lose, in minor units, when that side wins; negative where it must gain.

    Side bets are counted at their worst: they turn on other cards than the winner's.
    """
    stakes = list(stakes)
    main = sum(
        _win(rules, stake) if stake.selection == winner else -stake.amount
        for stake in stakes
        if stake.selection in set(Side)
    )
    return main + sum(_worst(rules, stakes, market) for name, market in MARKETS.items() if name != "side")


def largest_loss(rules: Rules, stakes: Iterable[Staked]) -> int:
    """The exposure: the most that the house may lose on the round, in minor units; never below zero."""
    stakes = list(stakes)
    return max(0, *(loss_if(rules, stakes, side) for side in Side))


def _worst(rules: Rules, stakes: list[Staked], market: Iterable[str]) -> int:
    """Of selections of which exactly one comes true, the one that costs most."""
    of_market = [stake for stake in stakes if stake.selection in set(market)]
    total = sum(stake.amount for stake in of_market)
    costs = [
        sum(_win(rules, stake) + stake.amount for stake in of_market if stake.selection == selection) - total
        for selection in market
    ]
    return max(costs, default=0)


def _win(rules: Rules, stake: Staked) -> int:
    """What it pays at most, the stake not counted."""
    return money.rounded(stake.amount * rules.most(stake.selection, stake.stage))
