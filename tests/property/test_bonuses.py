"""Bonuses through whole histories, against a small model of plain Python that knows the specification alone.

Each player of a world lives a history of their own: grants, stakes of mixed money, wins, voids, restricted
games, hedges, expiry in the middle of a round, completion, caps, surrender. After every step each balance,
and each grant, is what the model says, and the bonus balance is what remains of the open grants.
"""

import copy
import datetime as dt
import random
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from dashboard.errors import Rejected
from dashboard.models import Game, Operator, RuleSet
from dashboard.models.game import Dealing
from dashboard.models.wallet import ChangeType
from dashboard.services import bets, bonus_endings, bonuses, rounds, rule_sets, settlement
from dashboard.services.actors import SYSTEM
from dashboard.services.bonus_terms import GameTerm, Terms
from tests import builders
from tests.builders import NOW
from tests.property.bonus_model import Grant, House, Player

WORLDS, PLAYERS, ROUNDS = 10, 52, 6
"""520 histories."""
CASES = {
    *("active", "completed", "expired", "expired in the middle", "forfeited", "cancelled"),
    *("queued", "mixed", "several grants", "refused", "void", "capped"),
}
"""What must have happened in each half of the worlds."""
NINE_TENTHS, ONE = Fraction(9, 10), Fraction(1)

_BOOKS = text("SELECT player_id, real, bonus FROM balances WHERE player_id = ANY(:players)")
_GRANTS = text("""
SELECT id, state, remaining, wagered, converted, forfeited FROM bonuses WHERE player_id = ANY(:players)
""")
# What bets paid as real money, and what became real out of a grant that had been completed before.
_LEAKS = text("""
SELECT e.player_id FROM wallet_entries e
WHERE e.player_id = ANY(:players) AND e.change_type IN ('settlement', 'refund')
  AND NOT EXISTS (SELECT FROM bonuses g WHERE g.player_id = e.player_id AND g.state = 'completed')
  AND e.real_delta <> (SELECT sum(b.payout_real) FROM bets b
                       WHERE b.player_id = e.player_id AND b.settlement_sequence = e.sequence)
UNION ALL
SELECT g.player_id FROM bonuses g
WHERE g.player_id = ANY(:players) AND g.state <> 'completed' AND g.converted <> 0
""")


_REMAINS = text("""
SELECT b.bonus,
  (SELECT coalesce(sum(g.remaining), 0) FROM bonuses g WHERE g.player_id = b.player_id) AS remaining
FROM balances b WHERE b.player_id = ANY(:players)
""")


@dataclass
class World:
    """Players at two tables of one operator, in the database and in the model."""

    session: Session
    rng: random.Random
    house: House
    players: dict[int, Player] = field(default_factory=dict)
    grants: dict[int, Grant] = field(default_factory=dict)
    tables: list[int] = field(default_factory=list)
    hour: int = 0
    keys: int = 0
    seen: set[str] = field(default_factory=set)
    """What has happened at all: a test that never meets a case proves nothing of it."""

    @property
    def now(self) -> dt.datetime:
        return NOW + dt.timedelta(hours=self.hour)

    def transact(self, work: Any) -> Any:
        return work(self.session)

    def key(self) -> str:
        self.keys += 1
        return f"step-{self.keys}"

    def check(self) -> None:
        """Everything is what the model says."""
        scope = {"players": list(self.players)}
        held = {row.player_id: (row.real, row.bonus) for row in self.session.execute(_BOOKS, scope)}
        assert held == {key: (player.real, player.bonus) for key, player in self.players.items()}
        found = {row.id: tuple(row)[1:] for row in self.session.execute(_GRANTS, scope)}
        assert found == {
            key: (grant.state, grant.remaining, grant.wagered, grant.converted, grant.forfeited)
            for key, grant in self.grants.items()
        }
        for grant in self.grants.values():
            assert grant.max_win is None or grant.converted <= grant.max_win
        assert self.session.execute(_LEAKS, scope).all() == []

    # What happens

    def grant(self, player_id: int) -> None:
        rng, amount = self.rng, self.rng.choice((1, 777, 10_00, 25_50, 99_99))
        multiplier = Decimal(rng.choice(("0", "0.5", "0.5", "1", "3", "40")))
        games = tuple(self._terms())
        days = rng.randint(1, 4)
        terms = Terms(
            name="Goodwill",
            wagering_multiplier=multiplier,
            max_bet=rng.choice((None, None, 8_00, 15_00)),
            max_win=rng.choice((None, 5_00, 5_00, 30_00)),
            validity_days=days,
            games=games,
        )
        made = bonuses.grant(
            self.session,
            player_id=player_id,
            currency="USD",
            terms=terms,
            amount=amount,
            reason="Goodwill",
            actor=SYSTEM,
            idempotency_key=self.key(),
            now=self.now,
        )
        grant = Grant(
            amount,
            round(amount * Fraction(multiplier)),
            terms.max_bet,
            terms.max_win,
            days,
            {(term.game_id, term.selection): term.contribution_percent for term in games},
            frozenset(term.game_id for term in games if term.is_restricted),
        )
        self.grants[made.bonus_id] = grant
        self.players[player_id].grant(grant, self.hour)
        self.seen.add(made.state)

    def _terms(self) -> list[GameTerm]:
        rng, found = self.rng, []
        for game in self.tables:
            if rng.random() < 0.2:
                found.append(GameTerm(game, is_restricted=True))
            elif rng.random() < 0.4:
                found.append(GameTerm(game, "", rng.choice((0, 10, 33, 50))))
            if rng.random() < 0.2:
                found.append(GameTerm(game, "andar", rng.choice((0, 75))))
        return found

    def end(self, player_id: int) -> None:
        open_ones = [
            (key, grant)
            for key, grant in self.grants.items()
            if grant in self.players[player_id].grants and grant.state in {"queued", "active"}
        ]
        if not open_ones:
            return
        key, grant = self.rng.choice(open_ones)
        end, state = self.rng.choice(
            ((bonus_endings.surrender, "forfeited"), (bonus_endings.cancel, "cancelled"))
        )
        end(self.session, player_id=player_id, bonus_id=key, reason="Asked", actor=SYSTEM, now=self.now)
        self.players[player_id].end(grant, state, self.hour)
        self.seen.add(state)

    def expire(self) -> None:
        """What the worker does in time, or late: until then what is over pays no stake, and still counts."""
        if self.rng.random() < 0.3:
            return
        ended = bonus_endings.expire_due(self.session, now=self.now, limit=10_000)
        for player in self.players.values():
            if any(bet.bonus for bet in player.bets) and any(
                grant.state == "active" and grant.expires_at <= self.hour for grant in player.grants
            ):
                self.seen.add("expired in the middle")
            player.expire(self.hour)
        self.seen |= {"expired"} if ended else set()

    def take(self, player_id: int) -> None:
        player = self.players[player_id]
        if not player.bonus:
            return
        amount = self.rng.randint(1, player.bonus)
        bonus_endings.take(
            self.session,
            player_id=player_id,
            currency="USD",
            amount=amount,
            reason="Given by mistake",
            actor=SYSTEM,
            idempotency_key=self.key(),
            now=self.now,
        )
        player.take(amount, self.hour)

    def pay_in(self, player_id: int) -> None:
        amount = self.rng.randint(1, 30_00)
        builders.change(self.session, player_id, amount, ChangeType.DEPOSIT, now=self.now)
        self.players[player_id].real += amount

    def bet(self, player_id: int, round_id: int, game: int, stage: int) -> None:
        rng, player = self.rng, self.players[player_id]
        selection = rng.choice(("andar", "bahar"))
        if stage == 1 and game == self.tables[0] and rng.random() < 0.3:
            selection = rng.choice(("red", "black", "6-10"))
        amount = rng.choice((1_00, rng.randint(1_00, 20_00), rng.randint(1_00, 60_00)))
        for each in (selection, *self._hedge(selection)):
            is_taken = player.bet(game, each, stage, amount, self.hour)
            wager = bets.Wager(player_id, round_id, each, amount, self.key())
            assert is_taken == self._place(wager)
            if not is_taken:
                self.seen.add("refused")
            else:
                last = player.bets[-1]
                self.seen.add("mixed" if 0 < last.bonus < amount else "one kind of money")
                self.seen |= {"several grants"} if len(last.shares) > 1 else set()

    def _place(self, wager: bets.Wager) -> bool:
        try:
            bets.place(self.session, wager=wager, actor=SYSTEM, now=self.now)
        except Rejected:
            return False
        return True

    def _hedge(self, selection: str) -> tuple[str, ...]:
        other = {"andar": "bahar", "bahar": "andar", "red": "black", "black": "red"}.get(selection)
        return (other,) if other and self.rng.random() < 0.25 else ()

    def meddle(self, *, chance: float) -> None:
        """Whatever may happen to a player at any moment."""
        for player_id in self.players:
            if self.rng.random() < chance:
                self.rng.choice((self.grant, self.grant, self.grant, self.end, self.take, self.pay_in))(
                    player_id
                )

    def play(self, number: int) -> int:
        """A round with bets of many, and a life going on meanwhile; the round's id."""
        rng, table = self.rng, self.rng.randrange(2)
        game = self.tables[table]
        joker, cards = _deck(rng)
        stack = [joker, *cards]
        self.meddle(chance=0.35)
        round_id = rounds.open(self.session, game_id=game, actor=SYSTEM, now=self.now)
        if table == 1:
            rounds.enter_joker(self.session, round_id=round_id, card=joker, actor=SYSTEM, now=self.now)
            rounds.open_betting(self.session, round_id=round_id, actor=SYSTEM, now=self.now)
        self._stage(round_id, game, 1)
        if table == 0:
            rounds.enter_joker(self.session, round_id=round_id, card=joker, actor=SYSTEM, now=self.now)
        elif len(cards) > 2:
            self._lay(round_id, stack, 1, 2)
            rounds.next_stage(self.session, round_id=round_id, actor=SYSTEM, now=self.now)
            self._stage(round_id, game, 2)
        self.hour += rng.randrange(40)
        self.expire()
        self.meddle(chance=0.15)
        self.check()
        if number % 6 == 4:
            self._void(round_id)
            pays = None
        else:
            before = copy.deepcopy((self.players, self.grants))
            laid = 2 if table == 1 and len(cards) > 2 else 0
            self._lay(round_id, stack, laid + 1, len(cards))
            settlement.settle(self.transact, round_id=round_id, actor=SYSTEM, now=self.now)
            pays = _pays(table, joker, len(cards))
        for player in self.players.values():
            ended = {id(grant) for grant in player.grants if grant.state == "completed"}
            player.settle(pays, self.hour)
            done = [grant for grant in player.grants if grant.state == "completed"]
            self.seen |= {"completed"} if len(done) > len(ended) else set()
            self.seen |= {"capped"} if any(grant.converted == grant.max_win for grant in done) else set()
        self.check()
        if number == ROUNDS - 1:
            self._void(round_id)
            self._forget_settlement(*before)
        self.hour += rng.randrange(20)
        self.expire()
        self.check()
        return round_id

    def _void(self, round_id: int) -> None:
        settlement.void(self.transact, round_id=round_id, reason="Power", actor=SYSTEM, now=self.now)
        self.seen.add("void")

    def _forget_settlement(self, players: dict[int, Player], grants: dict[int, Grant]) -> None:
        """A settled round that is void at once: as if it had been void from the start.

        Whose queue has moved up by a completion keeps what has begun, and is looked at no more.
        """
        begun = {key for key, grant in self.grants.items() if grants[key].state != grant.state == "active"}
        gone = [
            key for key, player in self.players.items() if any(self.grants[b] in player.grants for b in begun)
        ]
        rows = self.session.execute(_REMAINS, {"players": gone}).all()
        assert [row for row in rows if row.bonus != row.remaining] == []
        left_out = [id(grant) for key in gone for grant in players.pop(key).grants]
        self.grants = {key: grant for key, grant in grants.items() if id(grant) not in left_out}
        self.players = players
        for player in players.values():
            player.settle(None, self.hour)
        self.check()

    def _stage(self, round_id: int, game: int, stage: int) -> None:
        for player_id in self.players:
            for _ in range(self.rng.choice((0, 1, 1, 2))):
                self.bet(player_id, round_id, game, stage)
        self.check()
        rounds.close(self.transact, round_id=round_id, stage=stage, actor=SYSTEM, now=self.now)

    def _lay(self, round_id: int, stack: list[int], first: int, last: int) -> None:
        for position in range(first, last + 1):
            rounds.deal_card(
                self.session,
                round_id=round_id,
                position=position,
                card=stack[position],
                actor=SYSTEM,
                now=self.now,
            )


def _deck(rng: random.Random) -> tuple[int, list[int]]:
    """A joker, and the cards until its rank falls; short deals are likelier than chance makes them."""
    joker, length = rng.randrange(52), rng.randint(1, 9)
    others = [card for card in range(52) if card % 13 != joker % 13]
    match = rng.choice([card for card in range(52) if card % 13 == joker % 13 and card != joker])
    return joker, [*rng.sample(others, length - 1), match]


def _pays(table: int, joker: int, length: int) -> dict[tuple[str, int], Fraction | None]:
    """What each bet pays to one, None where it loses, by the specification's table."""
    if table == 0:
        winner = "andar" if length % 2 else "bahar"
        low, high = 6, 10
        return {
            ("andar", 1): NINE_TENTHS if winner == "andar" else None,
            ("bahar", 1): ONE if winner == "bahar" else None,
            ("red", 1): NINE_TENTHS if joker // 13 in {1, 2} else None,
            ("black", 1): NINE_TENTHS if joker // 13 in {0, 3} else None,
            ("6-10", 1): Fraction(2) if low <= length <= high else None,
        }
    winner = "bahar" if length % 2 else "andar"
    bahar = {1: ONE if length > 2 else Fraction(0), 2: ONE if length > 4 else Fraction(0)}
    return {
        **{("andar", stage): ONE if winner == "andar" else None for stage in (1, 2)},
        **{("bahar", stage): bahar[stage] if winner == "bahar" else None for stage in (1, 2)},
    }


def make_world(session: Session, number: int) -> World:
    rng = random.Random(number)
    house = House(
        bonus_first=number % 4 == 1, counts_whole=number % 4 == 2, active_max=(None, None, 1, 2)[number % 4]
    )
    operator_id = builders.make_operator(session)
    session.execute(
        update(Operator)
        .filter_by(id=operator_id)
        .values(
            stake_order="bonus_first" if house.bonus_first else "real_first",
            wagering_counts="whole" if house.counts_whole else "bonus",
            active_bonuses_max=house.active_max,
        )
    )
    sides = (("red", NINE_TENTHS), ("black", NINE_TENTHS), ("6-10", Fraction(2)))
    with_sides = replace(rule_sets.SHIPPED["standard"], side_bets=sides)
    tables = []
    for name in ("standard", "three-stage"):
        game = builders.make_game(
            session, operator_id=operator_id, rules=name, dealing=Dealing.MANUAL, max_bet=100_00
        )
        tables.append(game)
    owned = session.get_one(Game, tables[0]).rule_set_id
    changed = RuleSet(
        operator_id=operator_id,
        name="with sides",
        version=1,
        definition=rule_sets.write(with_sides),
        state="active",
        made_by="system",
        made_at=NOW,
    )
    session.add(changed)
    session.flush()
    assert changed.id != owned
    session.execute(update(Game).filter_by(id=tables[0]).values(rule_set_id=changed.id))
    world = World(session, rng, house, tables=tables)
    for _ in range(PLAYERS):
        real = rng.choice((0, 0, 1_50, 12_34, 60_00))
        player_id = builders.make_player(session, operator_id=operator_id, balance_minor=real)
        world.players[player_id] = Player(house, real)
    return world


@pytest.mark.parametrize("half", [range(WORLDS // 2), range(WORLDS // 2, WORLDS)], ids=["first", "second"])
def test_every_history_is_what_the_model_says(session: Session, half: range) -> None:
    seen: set[str] = set()
    for number in half:
        world = make_world(session, number)
        world.meddle(chance=0.7)
        world.check()
        for place in range(ROUNDS):
            world.play(place)
        seen |= world.seen
    assert CASES - seen == set()


@pytest.mark.parametrize("number", [100, 101, 102, 103])
def test_a_round_that_is_voided_late_never_parts_bonus_and_grants(session: Session, number: int) -> None:
    """What it had paid may be spent, lost or expired by then: it stands on the grants as owing."""
    world = make_world(session, number)
    world.meddle(chance=0.7)
    played = [world.play(place) for place in range(3)]

    for round_id in played[:2]:
        world._void(round_id)

        rows = session.execute(_REMAINS, {"players": list(world.players)}).all()
        assert [row for row in rows if row.bonus != row.remaining] == []
    worse = text("SELECT count(*) FROM bonuses WHERE max_win < converted OR remaining < 0 OR wagered < 0")
    assert session.scalar(worse) == 0


def test_hedged_bets_do_not_clear_wagering(session: Session) -> None:
    world = make_world(session, 0)
    player_id = builders.make_player(
        session, operator_id=session.get_one(Game, world.tables[1]).operator_id, balance_minor=0
    )
    bonus = builders.give_bonus(session, player_id, 100_00)
    for _ in range(4):
        round_id = rounds.open(session, game_id=world.tables[1], actor=SYSTEM, now=NOW)
        rounds.enter_joker(session, round_id=round_id, card=0, actor=SYSTEM, now=NOW)
        rounds.open_betting(session, round_id=round_id, actor=SYSTEM, now=NOW)
        for selection in ("andar", "bahar"):
            wager = bets.Wager(player_id, round_id, selection, 50_00, world.key())
            bets.place(session, wager=wager, actor=SYSTEM, now=NOW)
        rounds.close(world.transact, round_id=round_id, stage=1, actor=SYSTEM, now=NOW)
        for position, card in enumerate((12, 13), 1):
            rounds.deal_card(session, round_id=round_id, position=position, card=card, actor=SYSTEM, now=NOW)
        settlement.settle(world.transact, round_id=round_id, actor=SYSTEM, now=NOW)

    found = session.execute(
        text("SELECT state, remaining, wagered, converted FROM bonuses WHERE id = :b"), {"b": bonus}
    ).one()
    assert tuple(found) == ("active", 100_00, 0, 0)
