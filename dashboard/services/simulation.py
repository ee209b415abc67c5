"""Who plays in a simulation, at which table, and what they bet. The steps are everybody's: `rounds`, `bets`.

Bets follow from the seed; the cards never do, as a round's seed is drawn anew.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import NotFound, Rejected
from dashboard.models import Balance, Game, Operator, Player, Round, RuleSet
from dashboard.models.game import Dealing, GameState, RuleSetState
from dashboard.models.operator import MoneyMode
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, games, operators, players, rule_sets
from dashboard.services.actors import SYSTEM
from dashboard.services.rule_sets import Rules

GAME = "Simulation"
OPERATOR = "simulation"
FUNDS = 100_000
"""In whole units: what a simulated player is given, whenever less than a tenth of it is left."""
STAKE_MAX = 50
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Table:
    """Where a simulation is played, and by whom."""

    game_id: int
    currency: str
    rules: Rules
    player_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stake:
    """What somebody wants to bet, in minor units."""

    player_id: int
    selection: str
    amount: int


@dataclass(frozen=True, slots=True)
class Turnover:
    """What a number of rounds came to; amounts in minor units."""

    bets: int
    staked: int
    paid: int

    @property
    def hold_percent(self) -> float:
        """What the house kept of the stakes; 0 where nothing was staked."""
        return round(100 * (self.staked - self.paid) / self.staked, 3) if self.staked else 0.0


def prepare(session: Session, *, slug: str | None, game: str, players_count: int, now: dt.datetime) -> Table:
    """The table and its players, made where they are missing, with play money for everybody who ran out.

    Where there is no operator at all one is made. Raises NotFound, and Rejected for an operator of real
    money or a game that somebody else deals.
    """
    operator = _operator(session, slug, now)
    if operator.money != MoneyMode.PLAY:
        raise Rejected(f"{operator.name} plays for real money: nothing is simulated there.")
    table = _game(session, operator, game, now)
    definition = session.scalars(select(RuleSet.definition).filter_by(id=table.rule_set_id)).one()
    ids = _players(session, operator, players_count, now)
    _fund(session, ids, table.currency, now)
    return Table(table.id, table.currency, rule_sets.read(definition), ids)


def stakes(table: Table, *, seed: int, number: int, stage: int, count: int) -> Iterator[Stake]:
    """The bets of one stage of the simulation's round of that number; the same seed bets the same."""
    rng = Random(f"{seed}:{number}:{stage}")  # noqa: S311 - who bets what need not be unguessable
    selections = table.rules.selections(stage)
    for _ in range(count):
        amount = money.from_whole(rng.randint(1, STAKE_MAX), table.currency)
        yield Stake(rng.choice(table.player_ids), rng.choice(selections), amount)


def turnover(session: Session, round_ids: Sequence[int]) -> Turnover:
    """What was bet, staked and paid in those rounds."""
    sums = select(
        func.coalesce(func.sum(Round.bets), 0),
        func.coalesce(func.sum(Round.staked), 0),
        func.coalesce(func.sum(Round.paid), 0),
    )
    bets, staked, paid = session.execute(sums.where(Round.id.in_(round_ids))).one()
    return Turnover(int(bets), int(staked), int(paid))


def _operator(session: Session, slug: str | None, now: dt.datetime) -> Operator:
    wanted = select(Operator).order_by(Operator.id)
    found = session.scalars(wanted.filter_by(slug=slug) if slug else wanted).all()
    if len(found) > 1:
        slugs = ", ".join(each.slug for each in found)
        raise Rejected(f"There are several operators: choose one of {slugs} by --operator.")
    if found:
        return found[0]
    if slug is not None:
        raise NotFound(f"There is no operator called {slug}.")
    made = operators.create(
        session,
        slug=OPERATOR,
        name="Simulation",
        currency="USD",
        timezone="UTC",
        money_mode=MoneyMode.PLAY,
        currencies=[],
        defaults=operators.Defaults(),
        now=now,
    )
    return session.get_one(Operator, made)


def _game(session: Session, operator: Operator, name: str, now: dt.datetime) -> Game:
    found = session.scalars(select(Game).filter_by(operator_id=operator.id, name=name)).one_or_none()
    if found is not None:
        if found.state == GameState.RETIRED or found.dealing == Dealing.MANUAL or found.is_running:
            raise Rejected(f"{name} is dealt by staff or runs by itself: choose another --game.")
        return found
    standard = select(RuleSet.id).filter_by(
        operator_id=operator.id, name=rule_sets.DEFAULT_NAME, state=RuleSetState.ACTIVE
    )
    rule_set_id = session.scalars(standard.order_by(RuleSet.version.desc())).first()
    if rule_set_id is None:
        raise NotFound(f"There is no active rule set called {rule_sets.DEFAULT_NAME}.")
    settings = games.Settings(
        name=name,
        rule_set_id=rule_set_id,
        min_bet=money.from_whole(1, operator.currency),
        max_bet=money.from_whole(1_000, operator.currency),
        exposure_max=None,
        betting_seconds=games.SECONDS_MAX,
        pause_seconds=0,
    )
    game_id = games.create(
        session,
        settings=settings,
        currency=operator.currency,
        dealing=Dealing.AUTOMATIC,
        actor=SYSTEM,
        now=now,
        operator_id=operator.id,
    )
    return session.get_one(Game, game_id)


def _players(session: Session, operator: Operator, count: int, now: dt.datetime) -> tuple[int, ...]:
    names = [f"SIM-{number:05}" for number in range(1, count + 1)]
    known = select(Player.external_id, Player.id).where(
        Player.operator_id == operator.id, Player.external_id.in_(names)
    )
    ids = {row.external_id: row.id for row in session.execute(known)}
    new = [players.NewPlayer(name, f"Simulated {name[4:]}") for name in names if name not in ids]
    for start in range(0, len(new), _BATCH):
        some = new[start : start + _BATCH]
        ids |= players.register(session, operator_id=operator.id, players=some, now=now)
    return tuple(ids[name] for name in names)


def _fund(session: Session, player_ids: Sequence[int], currency: str, now: dt.datetime) -> None:
    funds = money.from_whole(FUNDS, currency)
    rich = select(Balance.player_id).where(
        Balance.player_id.in_(player_ids), Balance.currency == currency, Balance.real >= funds // 10
    )
    poor = set(player_ids) - set(session.scalars(rich))
    run = uuid4().hex
    openings = [
        balances.Dated(
            balances.Request(
                player_id=player_id,
                currency=currency,
                change_type=ChangeType.OPENING,
                real_delta=funds,
                reason="Play money for a simulation",
                idempotency_key=f"simulation:{run}",
            ),
            SYSTEM,
            now,
        )
        for player_id in sorted(poor)
    ]
    for start in range(0, len(openings), _BATCH):
        balances.post_many(session, openings[start : start + _BATCH], with_alerts=False)
