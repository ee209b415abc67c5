"""What is staked on a round so far, summed from its bets: no row holds it while they come in."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.models import Bet
from dashboard.models.game import Side
from dashboard.services import exposure
from dashboard.services.exposure import Staked
from dashboard.services.rule_sets import Rules


@dataclass(frozen=True, slots=True)
class Totals:
    """The stakes of a round, in minor units of its currency; void bets are left out."""

    rows: list[Staked]
    """One for every selection of every stage that was bet on, and for both sides of the first in any case."""
    players: int
    loss_if_andar: int
    """The most that the house may lose when Andar wins; negative where it gains. So is the next."""
    loss_if_bahar: int

    @property
    def bets(self) -> int:
        """How many bets there are."""
        return sum(row.bets for row in self.rows)

    @property
    def staked(self) -> int:
        """What they come to."""
        return sum(row.amount for row in self.rows)

    @property
    def has_side_bets(self) -> bool:
        """Whether something else than a side is staked on: that counts at its worst in both losses."""
        return any(row.selection not in set(Side) for row in self.rows)


def totals(session: Session, *, round_id: int, rules: Rules) -> Totals:
    """The stakes of a round that the caller may see."""
    stakes = exposure.staked(session, round_id)
    players = session.scalars(
        select(func.count(Bet.player_id.distinct())).where(Bet.round_id == round_id, Bet.state != "void")
    ).one()
    loss_if_andar, loss_if_bahar = (exposure.loss_if(rules, stakes, side) for side in Side)
    known = {(row.selection, row.stage) for row in stakes}
    empty = [Staked(side, 1, 0, 0) for side in Side if (side, 1) not in known]
    rows = sorted(
        [*stakes, *empty], key=lambda row: (row.stage, rules.selections(row.stage).index(row.selection))
    )
    return Totals(rows, players, loss_if_andar, loss_if_bahar)
