"""The demo's tables: rounds of every evening, opened, bet on, dealt and settled by the services.

Seeds are drawn as for any round, so that the cards fall otherwise in every demo; who comes, and what
they stake, follows the demo's seed.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Conflict, Rejected
from dashboard.models.game import Dealing
from dashboard.models.wallet import ChangeType
from dashboard.services import (
    andar_bahar,
    balances,
    bets,
    games,
    round_requests,
    rounds,
    rule_sets,
    settlement,
)
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.andar_bahar import Deal
from dashboard.services.demo import evenings
from dashboard.services.demo.account import Account, Day, Event, House
from dashboard.services.demo.evenings import TABLES, Guest, Round, Stake
from dashboard.services.settlement import Amendment

T = TypeVar("T")
_DEALT_AFTER = dt.timedelta(seconds=evenings.BETTING_SECONDS + 1)
_CARD = dt.timedelta(seconds=1)
_AMENDED_AT = 23.95
"""Of a day, after its last round."""
_BROKEN_OFF_EVERY = 250
_VOIDED_EVERY = 190
_CORRECTED_EVERY = 30
_LIVE_CARDS = 4
_LUCKY = 0.8
_VOIDS = (
    "The stream broke off before the first card was seen",
    "A card was dealt face down",
    "The camera showed another table",
)
_CORRECTION = "A card was passed over when the deal was entered; read again from the recording"

_AGREED = "Seen on the recording, too"
_AGREED_AFTER = dt.timedelta(seconds=8)
_ASKED_AGO = dt.timedelta(minutes=50)

_RULE_SETS = text("SELECT name, id FROM rule_sets WHERE operator_id = :o AND state = 'active'")
# A table's, if it has two of them. Not the last one of a game: that can still be asked about.
_TO_AMEND = text("""
SELECT id, dealing, joker, cards FROM (
  SELECT id, dealing, joker, cards, row_number() OVER (PARTITION BY game_id ORDER BY id DESC) AS place
  FROM rounds WHERE operator_id = :o AND state = 'settled' AND version = 1 AND ended_at < :before
) AS latest WHERE place = 2 ORDER BY dealing DESC, id DESC LIMIT 1
""")


@dataclass
class Tables:
    """The tables and their guests, through the days of the demo. Within the caller's transactions."""

    seed: int
    house: House
    manager: Actor
    admin: Actor
    """Who agrees to what the manager wants done with a settled round, and the other way round."""
    guests: Sequence[Guest]
    rounds_per_day: float
    _accounts: dict[int, Account] = field(default_factory=dict)
    """What they paid in; what they bet is not in it."""
    _game_ids: list[int] = field(default_factory=list)
    _seasoned: list[int] = field(default_factory=list)
    _shuffled: int = 0
    _by_hand: int = 0

    def open_house(self, session: Session, *, at: dt.datetime) -> None:
        """Make the games, and let the guests bring what they come with."""
        rule_sets = {row.name: row.id for row in session.execute(_RULE_SETS, {"o": self.manager.operator_id})}
        for kind in TABLES:
            settings = games.Settings(
                name=kind.name,
                rule_set_id=rule_sets[kind.rules],
                min_bet=self._minor(1),
                max_bet=self._minor(kind.max_bet),
                exposure_max=self._minor(kind.exposure_max) if kind.exposure_max else None,
                betting_seconds=evenings.BETTING_SECONDS,
                pause_seconds=10,
            )
            made = games.create(
                session,
                settings=settings,
                currency=self.house.currency,
                dealing=kind.dealing,
                actor=self.manager,
                now=at,
            )
            self._game_ids.append(made)
        brought = [(at, guest, guest.opening) for guest in self.guests]
        self._pay_in(session, brought, ChangeType.OPENING, "Balance carried over from the system before")

    def live(self, session: Session, days: Sequence[Day]) -> None:
        """Play the rounds of those days."""
        for day in days:
            rng = self._rng("day", day.on)
            paid_in = [
                deposit for deposit in evenings.deposits(rng, day, self.guests) if deposit[0] < self.house.now
            ]
            self._pay_in(session, paid_in, ChangeType.DEPOSIT, "Card deposit")
            planned = evenings.rounds(rng, day, self.guests, self.rounds_per_day)
            ended = self.house.now - dt.timedelta(minutes=15)
            amended = [self._play(session, each) for each in planned if each.at < ended]
            at = day.at(_AMENDED_AT)
            for amend in amended:
                if amend is not None and at < self.house.now:
                    amend(at)
                    at += dt.timedelta(seconds=20)
            if day.on == self._taken_back_on and at < self.house.now:
                self._void_settled(session, self._seasoned[len(self._seasoned) // 4], at)

    def season(self, session: Session, day: Day) -> None:
        """Play the gala of a day before those that the house tells of one by one."""
        rng = self._rng("gala", day.on)
        for planned in evenings.gala(rng, day, self.guests):
            shoe = _shoe(rng, planned, is_lucky=rng.random() < _LUCKY)
            round_id, at, _deal = self._deal_by_hand(session, planned, shoe, most=andar_bahar.LONGEST)
            settlement.settle(_Within(session), round_id=round_id, actor=self.manager, now=at)
            self._seasoned.append(round_id)

    @property
    def _taken_back_on(self) -> dt.date | None:
        """The day on which a round of the season is voided, for which partners were paid long ago."""
        days = self.house.days
        return days[len(days) * 2 // 3].on if self._seasoned else None

    def leave_open(self, session: Session) -> None:
        """What is being played when the demo begins: bets are taken here, cards lie on the table there."""
        betting = self.house.now - dt.timedelta(seconds=12)
        for number, kind in enumerate(TABLES):
            rng = self._rng("live", number)
            if kind.dealing == Dealing.MANUAL:
                at = self.house.now - dt.timedelta(minutes=2)
                planned = evenings.round_at(rng, at, number, self.guests)
                shoe = _shoe(rng, planned, is_lucky=False)
                self._deal_by_hand(session, planned, shoe, most=_LIVE_CARDS)
            elif number == 0:
                planned = evenings.round_at(rng, betting, number, self.guests)
                round_id = rounds.open(
                    session, game_id=self._game_ids[number], actor=self.manager, now=betting
                )
                placed = [stake for stake in planned.stakes[0] if stake.after_seconds < 12]
                self._bet(session, round_id, betting, placed)
        self._leave_request(session)

    def _leave_request(self, session: Session) -> None:
        """Leave one request about a settled round waiting, for the manager to decide."""
        at = self.house.now - _ASKED_AGO
        scope = {"o": self.manager.operator_id, "before": at}
        found = session.execute(_TO_AMEND, scope).one_or_none()
        if found is not None:
            is_by_hand = found.dealing == Dealing.MANUAL
            amendment = _with_one_more(found.joker, found.cards) if is_by_hand else Amendment()
            round_requests.ask(
                session,
                round_id=found.id,
                amendment=amendment,
                reason=_CORRECTION if is_by_hand else _VOIDS[-1],
                actor=self.admin,
                now=at,
            )

    def _play(self, session: Session, planned: Round) -> Callable[[dt.datetime], None] | None:
        """Play a round to its settlement; returns how it is put right later, where it has to be."""
        if TABLES[planned.table].dealing == Dealing.MANUAL:
            return self._play_by_hand(session, planned)
        self._shuffled += 1
        if self._shuffled % _BROKEN_OFF_EVERY == _BROKEN_OFF_EVERY // 10:
            self._break_off(session, planned)
            return None
        round_id, at = self._deal_shuffled(session, planned)
        settlement.settle(_Within(session), round_id=round_id, actor=SYSTEM, now=at)
        is_voided = self._shuffled % _VOIDED_EVERY == _VOIDED_EVERY // 2
        return partial(self._void_settled, session, round_id) if is_voided else None

    def _play_by_hand(self, session: Session, planned: Round) -> Callable[[dt.datetime], None] | None:
        self._by_hand += 1
        shoe = _shoe(self._rng("shoe", planned.at), planned, is_lucky=False)
        round_id, at, deal = self._deal_by_hand(session, planned, shoe, most=andar_bahar.LONGEST)
        settlement.settle(_Within(session), round_id=round_id, actor=self.manager, now=at)
        is_wrong = self._by_hand % _CORRECTED_EVERY == _CORRECTED_EVERY // 2
        return partial(self._correct, session, round_id, deal) if is_wrong else None

    def _deal_shuffled(self, session: Session, planned: Round) -> tuple[int, dt.datetime]:
        at, stage = planned.at, 1
        round_id = rounds.open(session, game_id=self._game_ids[planned.table], actor=SYSTEM, now=at)
        while True:
            self._bet(session, round_id, at, planned.stakes[stage - 1])
            at += _DEALT_AFTER
            self._close(session, round_id, stage, SYSTEM, at)
            deal = rounds.deal(session, round_id=round_id, actor=SYSTEM, now=at)
            at += len(deal.cards) * _CARD
            if deal.winner is not None:
                return round_id, at
            rounds.next_stage(session, round_id=round_id, actor=SYSTEM, now=at)
            stage += 1

    def _deal_by_hand(
        self, session: Session, planned: Round, shoe: Sequence[int], *, most: int
    ) -> tuple[int, dt.datetime, Deal]:
        """As the croupier does it: the joker, the bets, then card after card until the match or `most`."""
        at, dealer = planned.at, self.manager
        joker, *cards = shoe
        if most < andar_bahar.LONGEST:
            cards = [card for card in cards if andar_bahar.rank(card) != andar_bahar.rank(joker)]
        round_id = rounds.open(session, game_id=self._game_ids[planned.table], actor=dealer, now=at)
        rounds.enter_joker(session, round_id=round_id, card=joker, actor=dealer, now=at)
        rounds.open_betting(session, round_id=round_id, actor=dealer, now=at)
        self._bet(session, round_id, at, planned.stakes[0])
        at += _DEALT_AFTER
        self._close(session, round_id, 1, dealer, at)
        for position, card in enumerate(cards[:most], 1):
            at += 2 * _CARD
            deal = rounds.deal_card(
                session, round_id=round_id, position=position, card=card, actor=dealer, now=at
            )
            if deal.winner is not None:
                break
        return round_id, at + 3 * _CARD, deal

    def _correct(self, session: Session, round_id: int, deal: Deal, at: dt.datetime) -> None:
        """One card more lay there before the match, so that the other side had won."""
        self._amend(session, round_id, _with_one_more(deal.joker, deal.cards), _CORRECTION, at)

    def _void_settled(self, session: Session, round_id: int, at: dt.datetime) -> None:
        self._amend(session, round_id, Amendment(), self._why_void(), at)

    def _amend(
        self, session: Session, round_id: int, amendment: Amendment, reason: str, at: dt.datetime
    ) -> None:
        """As the manager asks and the admin agrees."""
        request_id = round_requests.ask(
            session, round_id=round_id, amendment=amendment, reason=reason, actor=self.manager, now=at
        )
        round_requests.approve(
            _Within(session),
            request_id=request_id,
            reason=_AGREED,
            actor=self.admin,
            now=at + _AGREED_AFTER,
        )

    def _break_off(self, session: Session, planned: Round) -> None:
        """Void a round while bets are taken."""
        game_id = self._game_ids[planned.table]
        round_id = rounds.open(session, game_id=game_id, actor=SYSTEM, now=planned.at)
        self._bet(session, round_id, planned.at, planned.stakes[0])
        settlement.void(
            _Within(session),
            round_id=round_id,
            reason=self._why_void(),
            actor=self.manager,
            now=planned.at + _DEALT_AFTER,
        )

    def _why_void(self) -> str:
        return self._rng("void", self._shuffled).choice(_VOIDS)

    def _close(self, session: Session, round_id: int, stage: int, actor: Actor, at: dt.datetime) -> None:
        rounds.announce_close(session, round_id=round_id, stage=stage, actor=actor)
        rounds.lock(session, round_id=round_id, actor=actor, now=at)

    def _bet(self, session: Session, round_id: int, opened_at: dt.datetime, stakes: Sequence[Stake]) -> None:
        for number, stake in enumerate(sorted(stakes, key=lambda stake: stake.after_seconds)):
            at = opened_at + dt.timedelta(seconds=stake.after_seconds)
            wager = bets.Wager(
                stake.player_id,
                round_id,
                stake.selection,
                self._minor(stake.amount),
                f"demo:{round_id}:{opened_at:%H%M%S}:{number}",
            )
            try:
                bets.place(session, wager=wager, actor=SYSTEM, now=at)
            except (Rejected, Conflict):
                continue  # lost too much, or the machine slept meanwhile: nothing was staked

    def _pay_in(
        self,
        session: Session,
        paid_in: Sequence[tuple[dt.datetime, Guest, int]],
        change_type: ChangeType,
        reason: str,
    ) -> None:
        """Post what the limits allow, scored as any payment. Guests come one after the other."""
        dated = []
        for at, guest, whole in paid_in:
            account = self._accounts.setdefault(guest.player_id, Account(self.house))
            if account.post(at, change_type, self._minor(whole), reason):
                dated.append(self._dated(guest, account.events[-1]))
        balances.post_many(session, dated, with_alerts=True)

    def _dated(self, guest: Guest, event: Event) -> balances.Dated:
        request = balances.Request(
            player_id=guest.player_id,
            currency=self.house.currency,
            change_type=event.change_type,
            real_delta=event.amount,
            reason=event.reason,
            idempotency_key=f"demo:{event.change_type}:{event.at.isoformat()}",
        )
        return balances.Dated(request, SYSTEM, event.at, event.score)

    def _minor(self, whole: int) -> int:
        return money.from_whole(whole, self.house.currency)

    def _rng(self, *what: object) -> Random:
        return Random(f"{self.seed}/tables/{'/'.join(map(str, what))}")  # noqa: S311 - a demo, no secret


def _shoe(rng: Random, planned: Round, *, is_lucky: bool) -> list[int]:
    """A shuffled deck; where the house is lucky, one by which the side with less on it wins."""
    staked = Counter[str]()
    for stake in planned.stakes[0]:
        staked[stake.selection] += stake.amount
    rules = rule_sets.SHIPPED[TABLES[planned.table].rules]
    while True:
        shoe = rng.sample(range(andar_bahar.CARDS), andar_bahar.CARDS)
        winner = andar_bahar.dealt(shoe, first=rules.first_side(shoe[0])).winner
        if not is_lucky or (winner and staked[winner] <= staked[andar_bahar.other(winner)]):
            return shoe


def _with_one_more(joker: int, cards: Sequence[int]) -> Amendment:
    """As if a card had been passed over before the match."""
    *before, match = cards
    passed_over = next(
        card
        for card in range(andar_bahar.CARDS)
        if card not in before and andar_bahar.rank(card) != andar_bahar.rank(joker)
    )
    return Amendment(joker, [*before, passed_over, match])


class _Within:
    """`db.transact` for a settlement that is one with the transaction around it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, work: Callable[[Session], T]) -> T:
        """Do it at once."""
        return work(self._session)
