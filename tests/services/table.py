"""A manual table at which a test says which cards fall."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.models import Bet, WalletEntry
from dashboard.models.game import Dealing
from dashboard.services import bets, rounds, settlement
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.builders import NOW

T = TypeVar("T")
ACE, KING, QUEEN, ANOTHER_ACE = 0, 12, 11, 13


@dataclass
class Table:
    """A round on which bets are open, dealt by hand so that a test says who wins."""

    session: Session
    operator_id: int
    game_id: int
    round_id: int

    def transact(self, work: Callable[[Session], T]) -> T:
        """As `db.transact`, within the test's own transaction."""
        return work(self.session)

    def player(self, balance_minor: int = 1_000_00) -> int:
        """Somebody with money."""
        return builders.make_player(self.session, operator_id=self.operator_id, balance_minor=balance_minor)

    def bet(self, player_id: int, selection: str, amount: int, key: str | None = None) -> bets.Placed:
        """A stake; its key is its own unless one is given."""
        wager = bets.Wager(
            player_id, self.round_id, selection, amount, key or f"{player_id}:{selection}:{amount}"
        )
        return bets.place(self.session, wager=wager, actor=SYSTEM, now=NOW)

    def close(self) -> None:
        """End the betting."""
        rounds.close(self.transact, round_id=self.round_id, stage=1, actor=SYSTEM, now=NOW)

    def deal(self, *cards: int) -> None:
        """Close, and lay these cards after the joker."""
        self.close()
        for position, card in enumerate(cards, 1):
            rounds.deal_card(
                self.session, round_id=self.round_id, position=position, card=card, actor=SYSTEM, now=NOW
            )

    def settle(self) -> None:
        """Settle it."""
        settlement.settle(self.transact, round_id=self.round_id, actor=SYSTEM, now=NOW)

    def real(self, player_id: int) -> int:
        """The real balance."""
        found = text("SELECT real FROM balances WHERE player_id = :p AND currency = 'USD'")
        return int(self.session.execute(found, {"p": player_id}).scalar_one())

    def states(self, player_id: int) -> list[tuple[str, int]]:
        """State and payout of each bet, as they were placed."""
        found = select(Bet.state, Bet.payout).filter_by(player_id=player_id, round_id=self.round_id)
        return [(row.state, row.payout) for row in self.session.execute(found.order_by(Bet.id))]

    def entries(self, player_id: int) -> list[tuple[str, int]]:
        """Type and amount of each entry after the opening one."""
        found = select(WalletEntry.change_type, WalletEntry.real_delta).filter_by(player_id=player_id)
        rows = self.session.execute(found.order_by(WalletEntry.sequence)).all()
        return [(row.change_type, row.real_delta) for row in rows[1:]]


def open_table(session: Session, rules: str = "standard", *, operator_id: int | None = None) -> Table:
    """A manual table with an ace for joker, whose betting is open."""
    operator_id = operator_id or builders.make_operator(session)
    game_id = builders.make_game(session, operator_id=operator_id, rules=rules, dealing=Dealing.MANUAL)
    round_id = rounds.open(session, game_id=game_id, actor=SYSTEM, now=NOW)
    rounds.enter_joker(session, round_id=round_id, card=ACE, actor=SYSTEM, now=NOW)
    rounds.open_betting(session, round_id=round_id, actor=SYSTEM, now=NOW)
    return Table(session, operator_id, game_id, round_id)
