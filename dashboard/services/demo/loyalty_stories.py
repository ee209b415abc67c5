"""What must not be missing among the demo's members: a story for each kind of thing that happens to points.

Days are counted back from today. What a `Replay` cannot tell is left to the services, behind its history.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.services import (
    loyalty_programmes,
    loyalty_tiers,
    loyalty_wallets,
    points,
    points_refunds,
    points_requests,
)
from dashboard.services.actors import Actor
from dashboard.services.demo.habits import as_people_say
from dashboard.services.demo.loyalty import Told
from dashboard.services.points_reckoning import Payment

_MONTHS = loyalty_tiers.DEFAULT_MONTHS
_YEAR = 367
_GRACE_AGO = 18
_GOLD = text("SELECT id FROM loyalty_tiers WHERE operator_id = :o AND code = 'gold'")
_WAITING = text("SELECT id FROM points_requests WHERE player_id = :p AND state = 'waiting'")

Telling = Callable[[Told, Actor], None]


@dataclass(frozen=True, slots=True)
class Story:
    """Something that happens to some members."""

    needs_days: int
    """How long somebody must have been a player for it."""
    tell: Telling
    times: int = 1
    """Among 600 members; never less than once."""
    needs_play: bool = False
    """Of whoever plays elsewhere than at the tables."""


def expires(told: Told, _manager: Actor, *, in_days: int, payment: int) -> None:
    """Points of a payment that expire in some days, a part of which has been used."""
    last = told.today + dt.timedelta(days=in_days)
    _pay(told, told.on(loyalty_tiers.months_later(last, -_MONTHS)), payment)
    told.use(told.ago(100), ("Spa day for two", 320))
    _pay(told, told.ago(61), 800)


def renews(told: Told, _manager: Actor) -> None:
    """Silver that the payments of its year keep."""
    _pay(told, told.ago(405), 24_000)
    told.use(told.ago(380))
    _pay(told, told.ago(210), 14_000)
    _pay(told, told.ago(95), 16_000)
    told.use(told.ago(20))


def steps_down(told: Told, _manager: Actor) -> None:
    """Platinum of a year ago; since then hardly anything was paid."""
    _pay(told, told.ago(410), 95_000)
    for days in (390, 320, 250, 170, 90):
        told.use(told.ago(days), ("Villa on the lake, one week", 12_500))
    _pay(told, told.ago(60), 3_000)


def loses_all(told: Told, _manager: Actor) -> None:
    """Silver that nothing kept; the points of that payment have expired."""
    _pay(told, told.ago(420), 23_000)
    told.use(told.ago(300), ("Suite, long weekend", 1_900))


def climbs(told: Told, _manager: Actor) -> None:
    """One tier after the other."""
    _pay(told, told.ago(300), 22_500)
    told.use(told.ago(220))
    _pay(told, told.ago(120), 47_000)
    told.use(told.ago(80))
    _pay(told, told.ago(21), 93_000)


def is_refunded(told: Told, _manager: Actor) -> None:
    """A service cancelled as a whole, while its points are still valid."""
    _pay(told, told.ago(130), 26_000)
    used = told.use(told.ago(40), ("Private table for an evening", 2_400))
    _refund(told, used, None, told.ago(36), "The table was needed for a tournament")


def is_refunded_in_parts(told: Told, _manager: Actor) -> None:
    """A service paid half with points, cancelled night by night."""
    _pay(told, told.ago(150), 5_000)
    used = told.use(told.ago(33), ("Suite, long weekend", 1_900), share=0.5)
    first = told.ago(25)
    _refund(told, used, 310, first, "Left a night earlier")
    _refund(told, used, 200, first + dt.timedelta(days=3, hours=1), "Breakfasts that were not taken")


def is_refunded_late(told: Told, _manager: Actor) -> None:
    """A service cancelled after the points that paid it had expired: they come back for some days."""
    last = told.today - dt.timedelta(days=_GRACE_AGO)
    _pay(told, told.on(loyalty_tiers.months_later(last, -_MONTHS)), 6_000)
    used = told.use(told.ago(_GRACE_AGO + 6), ("Suite, one night", 540))
    _pay(told, told.ago(_GRACE_AGO + 2), 400)
    at = told.ago(_GRACE_AGO - 7)
    told.replay.nights(at)
    _refund(told, used, None, at, "The suite was under water")


def uses_what_came_back_late(told: Told, _manager: Actor) -> None:
    """As before, some weeks earlier, and the points were used while they were valid again."""
    last = told.today - dt.timedelta(days=55)
    _pay(told, told.on(loyalty_tiers.months_later(last, -_MONTHS)), 2_000)
    used = told.use(told.ago(60), ("Spa day for two", 320))
    at = told.ago(46)
    told.replay.nights(at)
    _refund(told, used, None, at, "The spa was closed that day")
    use = partial(
        points.redeem,
        player_id=told.member.player_id,
        points=320 if used else 1,
        notes="Dinner at the Lantern Room",
        idempotency_key="demo-points:again",
        actor=told.member.agent,
        now=at + dt.timedelta(days=12),
    )
    told.then(at + dt.timedelta(days=12), use)


def owes(told: Told, _manager: Actor, *, pays: bool) -> None:
    """A payment that the bank took back after its points were used; perhaps the next load pays some."""
    loaded = _pay(told, told.ago(85), 23_000)
    told.use(told.ago(70), ("Villa on the lake, one week", 12_500))
    told.use(told.ago(52), ("Flights and hotel, Lisbon", 6_800))
    at = told.ago(30)
    take_back = partial(
        points_refunds.reverse_load,
        player_id=told.member.player_id,
        sequence=loaded,
        amount=None,
        notes="Card payment taken back by the bank",
        idempotency_key="demo-points:taken-back",
        actor=told.member.agent,
        now=at,
    )
    told.then(at, take_back)
    if pays:
        paid_at = at + dt.timedelta(days=11)
        load = partial(
            points.load,
            player_id=told.member.player_id,
            payment=Payment(told.minor(9_000), mode="bank_transfer", invoice=told.invoice(paid_at)),
            notes="Paid at the desk",
            idempotency_key="demo-points:paid-again",
            actor=told.member.agent,
            now=paid_at,
        )
        told.then(paid_at, load)


def is_suspended(told: Told, _manager: Actor, *, resumes: bool) -> None:
    """Somebody whose points may not be used; perhaps they may again."""
    _pay(told, told.ago(190), 31_000)
    told.use(told.ago(140))
    at = told.ago(26)
    who = told.member.player_id
    told.then(
        at,
        partial(
            loyalty_wallets.suspend,
            player_id=who,
            reason="Points used by somebody else, under review",
            actor=told.member.agent,
            now=at,
        ),
    )
    if resumes:
        later = at + dt.timedelta(days=9, hours=2)
        told.then(
            later,
            partial(
                loyalty_wallets.resume,
                player_id=who,
                reason="It was the husband",
                actor=told.member.agent,
                now=later,
            ),
        )


def leaves(told: Told, manager: Actor) -> None:
    """A membership that was ended: base points paid back, bonus points lapsed."""
    _pay(told, told.ago(160), 22_000)
    told.use(told.ago(110), ("Golf weekend", 3_200))
    at = told.ago(14)
    close = partial(
        loyalty_wallets.close,
        player_id=told.member.player_id,
        reason="At the member's own request",
        idempotency_key="demo-points:closed",
        actor=manager,
        now=at,
    )
    told.then(at, close)


def is_given_gold(told: Told, manager: Actor) -> None:
    """A tier that the manager gave by hand."""
    _pay(told, told.ago(180), 12_000)
    told.use(told.ago(120))
    at = told.ago(50)

    def give(session: Session) -> None:
        gold = session.scalars(_GOLD, {"o": manager.operator_id}).one()
        loyalty_programmes.assign_tier(
            session,
            player_id=told.member.player_id,
            tier_id=gold,
            valid_until=None,
            reason="Brought a tournament to the house",
            actor=manager,
            now=at,
        )

    told.then(at, give)


def converts(told: Told, _manager: Actor) -> None:
    """Points that become money, now and then."""
    _pay(told, told.ago(70), 4_200)
    told.use(told.ago(40))
    for days in (9, 2):
        told.convert(told.ago(days))


def asks(told: Told, manager: Actor, *, decision: str | None) -> None:
    """Points that are more than one person may give; the manager agrees, does not, or has yet to look."""
    _pay(told, told.ago(75), 1_900)
    asked_at = told.ago(11) if decision else told.house.now - dt.timedelta(hours=3)
    who = told.member.player_id
    submit = partial(
        points_requests.submit,
        player_id=who,
        points=1_500,
        reason="Two nights of building noise, promised by the front desk",
        idempotency_key="demo-points:asked",
        actor=told.member.agent,
        now=asked_at,
    )
    told.then(asked_at, submit)
    if decision is None:
        return
    decide = points_requests.approve if decision == "approved" else points_requests.decline
    reason = "The front desk confirms it" if decision == "approved" else "There was no noise on that floor"

    def answer(session: Session) -> None:
        request_id = session.scalars(_WAITING, {"p": who}).one()
        at = asked_at + dt.timedelta(hours=4)
        decide(session, player_id=who, request_id=request_id, reason=reason, actor=manager, now=at)

    told.then(asked_at + dt.timedelta(hours=4), answer)


def _pay(told: Told, at: dt.datetime, least: int) -> int:
    """Pay so many whole units or somewhat more; the sequence of the load."""
    return told.load(at, as_people_say(least * told.rng.uniform(1, 1.25)))


def _refund(told: Told, used: int | None, amount: int | None, at: dt.datetime, why: str) -> None:
    if used is None:
        return
    give_back = partial(
        points_refunds.refund_service,
        player_id=told.member.player_id,
        sequence=used,
        points=amount,
        notes=why,
        idempotency_key=f"demo-points:refund-{len(told.later)}",
        actor=told.member.agent,
        now=at,
    )
    told.then(at, give_back)


STORIES = (
    Story(75, converts, 12, needs_play=True),
    Story(_YEAR, partial(expires, in_days=30, payment=22_000), 4),
    Story(_YEAR, partial(expires, in_days=7, payment=2_400), 4),
    Story(_YEAR, partial(expires, in_days=1, payment=700), 3),
    Story(410, renews, 4),
    Story(415, steps_down, 4),
    Story(425, loses_all, 4),
    Story(390, is_refunded_late, 6),
    Story(430, uses_what_came_back_late, 3),
    Story(305, climbs, 4),
    Story(135, is_refunded, 12),
    Story(155, is_refunded_in_parts, 6),
    Story(90, partial(owes, pays=False), 3),
    Story(90, partial(owes, pays=True), 3),
    Story(195, partial(is_suspended, resumes=False), 6),
    Story(195, partial(is_suspended, resumes=True), 2),
    Story(165, leaves),
    Story(185, is_given_gold, 3),
    Story(80, partial(asks, decision=None)),
    Story(80, partial(asks, decision="approved"), 2),
    Story(80, partial(asks, decision="declined")),
)
