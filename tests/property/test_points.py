"""Points through whole histories, against a model of plain Python that moves every point by itself.

Loads, redemptions, refunds in parts and whole, expiry in between, debts, tiers that come and go, conversion,
suspension, closing. After every step each batch, the wallet and the entry are what the model says, and what
is refused is refused by both for the same reason. In the end `verify` has nothing to say either.
"""

import copy
import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, Rejected
from dashboard.models import LoyaltyProgramme, LoyaltyTier
from dashboard.models.login import Role
from dashboard.services import (
    loyalty_expiry,
    loyalty_programmes,
    loyalty_wallets,
    points,
    points_check,
    points_conversion,
    points_proof,
    points_refunds,
    points_requests,
)
from dashboard.services.actors import Actor
from dashboard.services.findings import CAP, Found
from dashboard.services.loyalty_wallets import Closed
from dashboard.services.points import Done
from dashboard.services.points_conversion import Converted
from dashboard.services.points_reckoning import Payment
from tests.builders import NOW, make_actor, make_operator, make_player
from tests.property.points_model import TIERS, Member, Posted, Programme, Refused

HISTORIES = 170
"""For each of three policies."""
ZONE = "Europe/Malta"
AMOUNTS = (99, 1_00, 1_50, 7_77, 19_99, 20_00, 20_01, 33_33, 44_99, 45_00, 62_50, 89_99, 90_00, 123_45)
PRICES = (0, 99, 1_00, 5_55, 12_34, 40_00, 77_77)
PAUSES = (*[0] * 7, 1, 2, 10, 31, 62, 200)
"""Days before a step."""
ACTS = (
    *(["load"] * 4 + ["redeem"] * 5 + ["refund"] * 5 + ["reverse"] * 3 + ["convert"] * 3),
    *(["adjust"] * 2 + ["undo"] * 2 + ["price"] * 2 + ["close"] * 2),
    *("suspend", "resume", "assign", "work"),
)
CASES = {
    *("expired", "renewed", "lost by one step", "lost to what qualifies", "new tier", "upgraded"),
    *(
        "several batches",
        "sooner though loaded later",
        "refunded",
        "refunded in part",
        "converted",
        "conversion undone",
        "load reversed",
    ),
    *("owed", "debt paid", "waits for another person", "tier by hand", "closed", "closed in debt"),
}
"""What must have happened under each policy: a test that never meets a case proves nothing of it."""
CASES_OF = {"grace": {"grace", "grace of a grace"}, "original": {"lapsed again"}, "extend": {"extended"}}

_BATCHES = text("""
SELECT number, expires_on, base_loaded, bonus_loaded, origin, remaining, redeemed, expired, reversed,
       amount_refunded, owed
FROM points_batches WHERE player_id = :p ORDER BY number
""")
_WALLET = text("""
SELECT w.balance, w.status, t.code, w.tier_valid_until, w.discount_bp, w.refunded, w.owed, w.amount_paid,
       coalesce((SELECT real FROM balances b WHERE b.player_id = w.player_id), 0) AS real
FROM loyalty_wallets w LEFT JOIN loyalty_tiers t ON t.id = w.tier_id WHERE w.player_id = :p
""")

Step = tuple[str, int, int, int]


def _step(seed: int) -> Step:
    """An act, how many days before it, and two numbers that say more: as likely as any other."""
    rng = random.Random(seed)
    return rng.choice(ACTS), rng.choice(PAUSES), rng.randrange(10**4), rng.randrange(10**4)


steps = st.integers(0, 2**63).map(_step)
programmes = st.tuples(
    st.sampled_from((1, 5, 40)), st.sampled_from(("one_step", "qualifying")), st.sampled_from((0, 30, 10**6))
)
Steps = list[Step]
# What seldom happens by chance, as the steps of a member with 98 points.
RARE: dict[str, Steps] = {
    "closed in debt": [("redeem", 0, 98, 1), ("reverse", 0, 0, 0), ("adjust", 0, 59, 1), ("close", 0, 0, 0)],
    "conversion undone": [("convert", 0, 20, 1), ("undo", 0, 0, 1), ("undo", 0, 0, 1)],
    "a tier that was not paid for": [("reverse", 0, 0, 0), ("work", 300, 0, 0)],
    "an old refund, twice": [
        ("redeem", 0, 98, 1),
        ("refund", 300, 0, 0),
        ("redeem", 0, 98, 1),
        ("refund", 10, 1, 0),
    ],
}


@dataclass
class House:
    """An operator with tiers that small payments reach, and two who work there."""

    session: Session
    operator_id: int
    people: tuple[Actor, Actor]
    tier_ids: dict[str, int]


@dataclass
class History:
    """One player, in the database and in the model."""

    house: House
    player_id: int
    member: Member
    now: dt.datetime = NOW
    keys: int = 0
    seen: set[str] = field(default_factory=set)

    @property
    def today(self) -> dt.date:
        return self.now.astimezone(ZoneInfo(ZONE)).date()

    def step(self, what: str, pause: int, a: int, b: int) -> None:
        """Do one thing some days later; `a` and `b` say more, whatever there is by then."""
        self.now += dt.timedelta(days=pause, hours=b % 7)
        getattr(self, what)(a, b)
        self.check()

    # What staff do

    def load(self, a: int, b: int) -> None:
        amount = AMOUNTS[a % len(AMOUNTS)]
        self.both(
            partial(points.load, payment=Payment(amount), notes="Paid"),
            lambda member, sequence: member.load(self.today, sequence, amount),
        )

    def redeem(self, a: int, b: int) -> None:
        self._redeem(a % (self.member.balance + 2) if b % 4 else None, None)

    def price(self, a: int, b: int) -> None:
        price = PRICES[b % len(PRICES)]
        self._redeem(a % (price // 1_00 + 2) if a % 3 else None, price)

    def _redeem(self, wanted: int | None, price: int | None) -> None:
        self.both(
            partial(points.redeem, points=wanted, price=price, notes="Massage"),
            lambda member, sequence: member.redeem(self.today, sequence, wanted, price),
        )

    def refund(self, a: int, b: int) -> None:
        of = [each for each in self.member.redemptions if not each.converts or b % 10 == 0]
        if not of:
            self.redeem(a, b)
            return
        at = self.member.redemptions.index(of[a % len(of)])
        original = self.member.redemptions[at]
        wanted = a % (original.left + 2) if b % 3 else None
        self.both(
            partial(
                points_refunds.refund_service, sequence=original.sequence, points=wanted, notes="Called off"
            ),
            lambda member, sequence: member.refund(self.today, member.redemptions[at], wanted),
        )

    def reverse(self, a: int, b: int) -> None:
        if not self.member.loads:
            return
        load = list(self.member.loads)[a % len(self.member.loads)]
        paid = self.member.loads[load].paid
        amount = (a * 7919) % (paid + 2) if b % 2 else None
        self.both(
            partial(points_refunds.reverse_load, sequence=load, amount=amount, notes="Bounced"),
            lambda member, sequence: member.reverse(self.today, member.loads[load], amount),
        )

    def adjust(self, a: int, b: int) -> None:
        wanted = a % 60 - 20 if b % 3 else -(a % (self.member.balance + 2))
        asker, decider = self.house.people
        done = self.both(
            partial(points_requests.submit, points=wanted, reason="Put right"),
            lambda member, sequence: member.adjust(self.today, asker.name, wanted),
        )
        if isinstance(done, int):
            self.both(
                partial(_approve, request_id=done, reason="So it is", decider=decider),
                lambda member, sequence: member.adjust(self.today, asker.name, wanted, approved=True),
            )

    def convert(self, a: int, b: int) -> None:
        wanted = a % (self.member.balance + 12)
        wanted -= wanted % 10 if b % 4 else 0
        self.both(
            partial(points_conversion.convert, points=wanted, reason="Asked"),
            lambda member, sequence: member.convert(self.today, sequence, wanted),
        )

    def undo(self, a: int, b: int) -> None:
        of = [each for each in self.member.redemptions if each.converts or b % 10 == 0]
        if not of:
            return
        at = self.member.redemptions.index(of[a % len(of)])
        self.both(
            partial(points_conversion.undo, sequence=self.member.redemptions[at].sequence, reason="Mistake"),
            lambda member, sequence: member.undo(self.today, member.redemptions[at]),
        )

    def suspend(self, a: int, b: int) -> None:
        self.both(_unkeyed(loyalty_wallets.suspend, reason="Dispute"), lambda member, _: member.suspend())

    def resume(self, a: int, b: int) -> None:
        self.both(_unkeyed(loyalty_wallets.resume, reason="Settled"), lambda member, _: member.resume())

    def assign(self, a: int, b: int) -> None:
        tier = (*TIERS, None)[a % 4]
        until = self.today + dt.timedelta(days=b % 90 - 2)
        tier_id = self.house.tier_ids[tier.code] if tier else None
        self.both(
            _unkeyed(loyalty_programmes.assign_tier, tier_id=tier_id, valid_until=until, reason="A guest"),
            lambda member, _: member.assign(self.today, tier, until),
        )

    def close(self, a: int, b: int) -> None:
        # Seldom: nothing comes after it.
        if b % 3 == 0:
            self.both(
                partial(loyalty_wallets.close, reason="Moved away"),
                lambda member, _: member.close(self.today),
            )

    def work(self, a: int, b: int) -> None:
        """What the worker does at night."""
        session = self.house.session
        while loyalty_expiry.expire_due(session, now=self.now, limit=100):
            pass
        while loyalty_expiry.review_due(session, now=self.now, limit=100):
            pass
        self.member.wake(self.today)

    # Both at once

    def both(self, act: partial[Any], tell: Callable[[Member, int], Posted | None]) -> Any:
        """Do it at the desk and in the model: the same is posted, or refused for the same reason."""
        if not self._is_member() and act.func is not points.load:
            return None
        self.keys += 1
        named = {
            "player_id": self.player_id,
            "idempotency_key": f"key-{self.keys}",
            "actor": self.house.people[0],
            "now": self.now,
        }
        outcome, refusal = self._attempt(partial(act, **named))
        entry = _entry_of(outcome)
        trial = copy.deepcopy(self.member)
        posted, reason = _told(tell, trial, entry.sequence if entry else 0)
        if reason is not None or refusal is not None:
            assert reason is not None, refusal
            assert refusal is not None, reason
            assert reason in refusal
            self.seen.add("refused")
            return None
        self.member = trial
        assert (entry is None) is (posted is None)
        if posted is not None:
            said = (entry.base_points, entry.bonus_points, entry.payment_amount)
            assert said == (posted.base, posted.bonus, posted.money)
        return outcome

    def _is_member(self) -> bool:
        return bool(self.member.batches)

    def _attempt(self, act: Callable[[Session], Any]) -> tuple[Any, str | None]:
        try:
            with self.house.session.begin_nested():
                return act(self.house.session), None
        except (Rejected, Conflict) as refusal:
            return None, refusal.message

    def check(self) -> None:
        """Each batch and the wallet are what the model says."""
        if not self._is_member():
            return
        named, member = {"p": self.player_id}, self.member
        assert [tuple(row) for row in self.house.session.execute(_BATCHES, named)] == [
            (
                batch.number,
                batch.expires,
                batch.base,
                batch.bonus,
                batch.origin.number if batch.origin else None,
                batch.remaining,
                batch.redeemed,
                batch.expired,
                batch.reversed,
                batch.given_back,
                batch.owed,
            )
            for batch in member.batches
        ]
        tier = member.tier
        assert tuple(self.house.session.execute(_WALLET, named).one()) == (
            member.balance,
            member.status,
            tier.code if tier else None,
            member.until,
            tier.discount_bp if tier else 0,
            member.refunded,
            member.owed,
            sum(amount for _, amount in member.paid),
            member.real,
        )


def _told(
    tell: Callable[[Member, int], Posted | None], member: Member, sequence: int
) -> tuple[Posted | None, str | None]:
    """What the model says to it, or why it refuses."""
    try:
        return tell(member, sequence), None
    except Refused as refused:
        return None, str(refused)


def _entry_of(outcome: Any) -> Any:
    """The entry that an act has posted, if it has."""
    if isinstance(outcome, (Closed, Converted)):
        outcome = outcome.done
    return outcome.entry if isinstance(outcome, Done) else None


def _unkeyed(act: Callable[..., Any], **given: Any) -> partial[Any]:
    """An act that asks for no idempotency key."""

    def without(session: Session, *, idempotency_key: str, **named: Any) -> Any:
        return act(session, **given, **named)

    return partial(without)


def _approve(session: Session, *, idempotency_key: str, actor: Actor, decider: Actor, **named: Any) -> Done:
    return points_requests.approve(session, actor=decider, **named)


@pytest.fixture
def house(session: Session) -> House:
    operator_id = make_operator(session, timezone=ZONE)
    tier_ids = {}
    for tier in TIERS:
        figures = {"minimum_payment": tier.minimum, "points": tier.points, "discount_bp": tier.discount_bp}
        stored = update(LoyaltyTier).filter_by(operator_id=operator_id, code=tier.code)
        changed = stored.values(validity_months=tier.months, **figures).returning(LoyaltyTier.id)
        tier_ids[tier.code] = session.execute(changed).scalar_one()
    asker, decider = (make_actor(session, operator_id=operator_id, role=Role.MANAGER) for _each in range(2))
    return House(session, operator_id, (asker, decider), tier_ids)


def begin(house: House, programme: Programme) -> History:
    """A new player under that programme."""
    running = update(LoyaltyProgramme).filter_by(operator_id=house.operator_id)
    house.session.execute(
        running.values(
            refund_policy=programme.policy,
            grace_days=programme.grace_days,
            tier_loss=programme.tier_loss,
            approval_points=programme.approval_points,
            conversion_points=programme.conversion_points,
            conversion_amount=programme.conversion_amount,
        )
    )
    return History(house, make_player(house.session, operator_id=house.operator_id), Member(programme))


@pytest.mark.parametrize("policy", ["grace", "original", "extend"])
def test_every_history_is_what_the_model_says(house: House, policy: str) -> None:
    seen: set[str] = set()

    @seed(sorted(CASES_OF).index(policy))
    # Without shrinking, which takes minutes: twelve steps can be read.
    @settings(
        max_examples=HISTORIES,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @example((5, "one_step", 10**6), 90_00, RARE["closed in debt"])
    @example((5, "one_step", 10**6), 90_00, RARE["conversion undone"])
    @example((5, "one_step", 10**6), 90_00, RARE["an old refund, twice"])
    @example((5, "one_step", 10**6), 90_00, RARE["a tier that was not paid for"])
    @example((5, "qualifying", 10**6), 90_00, RARE["a tier that was not paid for"])
    @given(programmes, st.sampled_from(AMOUNTS[1:]), st.lists(steps, min_size=8, max_size=12))
    def live(settings_of: tuple[int, str, int], first: int, lived: Steps) -> None:
        with house.session.begin_nested():
            history = begin(house, Programme(policy, *settings_of))
            history.step("load", 0, AMOUNTS.index(first), 0)
            for step in lived:
                history.step(*step)
        seen.update(history.seen | history.member.seen)

    live()
    assert (CASES | CASES_OF[policy]) - seen == set()
    found = Found()
    _entries, members = points_check.check(house.session, found)
    for statement in points_proof.STATEMENTS:
        found.take(house.session.execute(statement, {"cap": CAP}).all(), points_proof.WORDS)
    assert found.first() == []
    assert members >= HISTORIES
