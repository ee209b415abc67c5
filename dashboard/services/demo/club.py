"""The demo's loyalty programme as a whole: opened, its members' histories told, written, and gone on with."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from sqlalchemy.orm import Session

from dashboard import money
from dashboard.models.loyalty import RefundPolicy, TierLoss
from dashboard.services import (
    loyalty_expiry,
    loyalty_notices,
    loyalty_programmes,
    loyalty_tiers,
    points_replay,
    points_standing,
)
from dashboard.services.actors import Actor
from dashboard.services.demo import loyalty
from dashboard.services.demo.account import House
from dashboard.services.demo.life import Life
from dashboard.services.demo.loyalty import Told
from dashboard.services.demo.loyalty_stories import STORIES, Story
from dashboard.services.demo.office import Member
from dashboard.services.loyalty_tiers import Tier
from dashboard.services.points_replay import Replay
from dashboard.services.points_standing import Programme

_MANY = 600
"""Members among whom each story happens as often as it says."""
_DUE = 1_000


@dataclass(frozen=True, slots=True)
class Terms:
    """What the programme is run by."""

    programme: Programme
    tiers: tuple[Tier, ...]


def open_programme(session: Session, *, currency: str, admin: Actor, now: dt.datetime) -> Terms:
    """Let points become money; the rest as it is shipped."""
    settings = loyalty_programmes.Settings(
        conversion_points=loyalty.CONVERSION_POINTS,
        conversion_amount=money.from_whole(loyalty.CONVERSION_UNITS, currency),
        refund_policy=RefundPolicy.GRACE,
        grace_days=30,
        tier_loss=TierLoss.ONE_STEP,
        approval_points=500,
    )
    loyalty_programmes.edit(session, settings=settings, actor=admin, now=now)
    return Terms(
        points_standing.programme_of(session, admin.operator_id),
        tuple(loyalty_tiers.tiers_of(session, admin.operator_id)),
    )


def tell(
    seed: int,
    house: House,
    terms: Terms,
    *,
    manager: Actor,
    members: Sequence[Member],
    lives: Sequence[Life],
) -> tuple[list[Told], list[Life]]:
    """The members' histories, and everybody's lives with what points became in them. Pure."""
    changed = list(lives)
    stories = _dealt(lives, house.now)
    told = []
    for place in loyalty.choose(_rng(seed, "chosen"), lives, certain=stories):
        story = stories.get(place)
        rng, life = _rng(seed, members[place].external_id), lives[place]
        began = loyalty.began(rng, life, house.now)
        if story is not None:
            began = min(began, max(life.joined_at, house.now - dt.timedelta(days=story.needs_days + 20)))
        replay = Replay(members[place].player_id, terms.programme, terms.tiers, began)
        one = Told(rng, house, members[place], life, replay)
        if story is None:
            loyalty.usual(one)
        else:
            story.tell(one, manager)
            if not one.later:
                replay.nights(house.now)
        loyalty.card(one)
        changed[place] = one.life
        told.append(one)
    return told, changed


def write(session: Session, told: Sequence[Told], now: dt.datetime) -> None:
    """Write the histories, and go on with these and all before until now."""
    points_replay.write(session, [one.replay for one in told])
    later = [act for one in told for act in one.later]
    for act in sorted(later, key=lambda act: act.at):
        act.do(session)
    _while(lambda: loyalty_expiry.expire_due(session, now=now, limit=_DUE))
    _while(lambda: loyalty_expiry.review_due(session, now=now, limit=_DUE))


def notice(session: Session, now: dt.datetime) -> None:
    """Say what ends soon."""
    _while(lambda: loyalty_notices.give(session, now=now, limit=_DUE))


def _dealt(lives: Sequence[Life], now: dt.datetime) -> dict[int, Story]:
    """By place, a story for some who have been there long enough; each once before any is told again."""
    dealt = {}
    members = len(lives) * loyalty.SHARE
    # Those who came last first: whoever has been there longest is fit for the longest stories.
    free = [place for place, life in enumerate(lives) if not life.ending]
    free.sort(key=lambda place: lives[place].joined_at, reverse=True)
    for number in range(max(story.times for story in STORIES)):
        for story in STORIES:
            if number and number >= story.times * members // _MANY:
                continue
            since = now - dt.timedelta(days=story.needs_days + 3)
            able = next((place for place in free if _fits(story, lives[place], since)), None)
            if able is not None:
                dealt[able] = story
                free.remove(able)
    return dealt


def _fits(story: Story, life: Life, since: dt.datetime) -> bool:
    return life.joined_at < since and (not story.needs_play or bool(life.events))


def _while(work: Callable[[], Sequence[object]]) -> None:
    while work():
        pass


def _rng(seed: int, *what: object) -> Random:
    return Random(f"{seed}/loyalty/{'/'.join(map(str, what))}")  # noqa: S311 - a demo, no secret
