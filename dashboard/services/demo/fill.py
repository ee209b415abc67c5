"""Post the demo through the services, stretch by stretch, as if it were happening.

A stretch is a few days: entries in sets (the first of every player, then the second), then what the office
did about them in those days. The guests of the tables are other players: their rounds, what the office does
about them, and the partners' money that comes of it, are told at the same time in another thread. Nothing
here writes a balance or an entry itself.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from random import Random
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import Rejected
from dashboard.models.operator import MoneyMode
from dashboard.models.vip import Level
from dashboard.services import balances, operators, players, vip, vip_rules
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.demo import club, evenings, gifts, habits, partners, payouts, people, requests
from dashboard.services.demo.account import Day, Event, House
from dashboard.services.demo.beside import beside
from dashboard.services.demo.evenings import Guest
from dashboard.services.demo.life import Ending, Life, be_guest, live
from dashboard.services.demo.office import Member, Office, hire
from dashboard.services.demo.partner_months import MONTHS, Months
from dashboard.services.demo.partners import Partner
from dashboard.services.demo.tables import Tables
from dashboard.services.partner_statements import following, preceding
from dashboard.services.transact import Transact

SLUG = "lotus"
NAME = "Lotus House"
CURRENCY = "USD"
TIMEZONE = "Europe/Prague"
BATCH = 1000
"""At most so many balances a statement."""
STRETCH_DAYS = 3
"""Longer ones make larger sets; but what staff do about a stretch comes at its end."""
ROUNDS_PER_DAY = 11.0
"""At all tables together, with as many players as there are by default."""

_GALAS_PER_MONTH = 2

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Is told the stage, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What was made."""

    operator_id: int
    players: int
    entries: int


@dataclass(frozen=True, slots=True)
class _Act:
    """Something that the office does at a moment."""

    at: dt.datetime
    do: Callable[[Session], None]


def fill(
    transact: Transact,
    *,
    now: dt.datetime,
    seed: int = 1,
    players_count: int = 2_000,
    days_count: int = 90,
    progress: Progress | None = None,
) -> Filled:
    """Simulate Lotus House until `now`, and post it. The same seed at the same time makes the same demo.

    Raises Rejected, and writes nothing, where there are players already.
    """
    tell = progress or (lambda stage, done, total: None)
    transact(_refuse_unless_empty)
    first_day = clock.local(now, TIMEZONE).date() - dt.timedelta(days=days_count - 1)
    days = tuple(_days(first_day, days_count))
    with beside(transact) as other:
        operator_id, house, founded_at = transact(partial(_found, days=days, now=now))
        hiring = other.begin(partial(hire, operator_id=operator_id, currency=CURRENCY, now=founded_at))
        lives = []
        for life in _lives(seed, house, players_count):
            lives.append(life)
            tell("Inventing lives", len(lives), players_count)
        staff = hiring.result()
        agreeing = other.begin(partial(partners.found, staff_by_email=staff, house=house))
        office = Office(seed=seed, timezone=TIMEZONE, currency=CURRENCY, staff_by_email=staff)
        members = _register(
            transact, agents=office.agents, operator_id=operator_id, seed=seed, lives=lives, now=now
        )
        tables = _tables(seed, house, office, members, lives)
        made = agreeing.result()
        rng = _rng(seed, "referred")
        transact(partial(_refer, rng=rng, made=made, guests=tables.guests, members=members, lives=lives))
        months = Months(house, made, office.manager, staff["admin@example.com"])
        about_money = [_Act(at, do) for at, do in months.acts(_month_of(house.opened_at))]
        stretches = [days[first : first + STRETCH_DAYS] for first in range(0, days_count, STRETCH_DAYS)]
        played = other.begin_each(
            [
                *_season(seed, house, tables, about_money),
                *_evenings(tables, _desk_for(office, members, lives), about_money, stretches, tell),
            ]
        )
        terms = transact(partial(club.open_programme, currency=CURRENCY, admin=office.admin, now=founded_at))
        told, lives = club.tell(seed, house, terms, manager=office.manager, members=members, lives=lives)
        plan = _Plan(members, lives, _acts(seed, office, members, lives, house))
        for stretch in stretches:
            transact(partial(_live, plan=plan, days=stretch))
            transact(partial(_work, office=office, plan=plan, days=stretch, now=now))
            tell("Living days", days.index(stretch[-1]) + 1, days_count)
        # The wallets of the guests are locked as long as there is play.
        for of_guests in (False, True):
            if of_guests:
                played.result()
            some = [one for one in told if one.life.is_guest == of_guests]
            transact(partial(club.write, told=some, now=now))
    transact(partial(club.notice, now=now))
    transact(tables.leave_open)
    transact(months.leave)
    office.know(members)
    transact(partial(office.leave_desk, now=now))
    transact(
        partial(requests.ask, operator_id=operator_id, staff_by_email=staff, seed=seed, now=now),
    )
    transact(partial(payouts.ask, operator_id=operator_id, agents=office.agents, seed=seed, now=now))
    transact(
        partial(gifts.give, rng=_rng(seed, "gifts"), currency=CURRENCY, manager=office.manager, now=now),
    )
    return Filled(operator_id, len(members), transact(partial(_count_entries, operator_id=operator_id)))


def _count_entries(session: Session, *, operator_id: int) -> int:
    found = text("SELECT count(*) FROM wallet_entries WHERE operator_id = :operator")
    count: int = session.execute(found, {"operator": operator_id}).scalar_one()
    return count


def _refuse_unless_empty(session: Session) -> None:
    if session.scalar(text("SELECT EXISTS (SELECT FROM players)")):
        raise Rejected("There are players already: the demo fills an empty database only.")


def _days(first: dt.date, count: int) -> Iterator[Day]:
    for number in range(count):
        on = first + dt.timedelta(days=number)
        span = clock.between(on, on + dt.timedelta(days=1), TIMEZONE)
        yield Day(on, span.start, span.end)


def _tables(
    seed: int, house: House, office: Office, members: Sequence[Member], lives: Sequence[Life]
) -> Tables:
    coming = [member.player_id for member, life in zip(members, lives, strict=True) if life.is_guest]
    return Tables(
        seed=seed,
        house=house,
        manager=office.manager,
        admin=office.admin,
        guests=evenings.guests(_rng(seed, "guests"), coming),
        rounds_per_day=max(3.0, min(ROUNDS_PER_DAY, len(members) / 180)),
    )


def _refer(
    session: Session,
    *,
    rng: Random,
    made: Sequence[Partner],
    guests: Sequence[Guest],
    members: Sequence[Member],
    lives: Sequence[Life],
) -> None:
    joined_at = {member.player_id: life.joined_at for member, life in zip(members, lives, strict=True)}
    others = sorted(joined_at.keys() - {guest.player_id for guest in guests})
    partners.refer(session, made=made, guests=guests, others=others, joined_at=joined_at, rng=rng)


def _season(
    seed: int, house: House, tables: Tables, about_money: Sequence[_Act]
) -> list[Callable[[Session], None]]:
    """What happened since the house opened, before the days that are told one by one, in order of time."""
    begins = house.days[0].start
    acts = [_Act(day.start, partial(tables.season, day=day)) for day in _galas(seed, house)]
    acts += [act for act in about_money if act.at < begins]
    opening = partial(tables.open_house, at=house.opened_at + dt.timedelta(minutes=6))
    return [opening, *(act.do for act in sorted(acts, key=lambda act: act.at))]


def _desk_for(office: Office, members: Sequence[Member], lives: Sequence[Life]) -> Office:
    """Who answers the alerts of the guests; `office` keeps to the others."""
    dealt = list(zip(members, lives, strict=True))
    office.know([member for member, life in dealt if not life.is_guest])
    desk = office.beside()
    desk.know([member for member, life in dealt if life.is_guest])
    return desk


def _evenings(
    tables: Tables,
    desk: Office,
    about_money: Sequence[_Act],
    stretches: Sequence[Sequence[Day]],
    tell: Progress,
) -> Iterator[Callable[[Session], None]]:
    """What happened at the tables, and because of them, stretch by stretch."""
    for number, days in enumerate(stretches, 1):
        start, end = days[0].start, days[-1].end
        yield partial(tables.live, days=days)
        yield from (act.do for act in about_money if start <= act.at < end)
        yield partial(desk.answer_alerts, start=start, end=min(end, tables.house.now))
        yield partial(_told, tell, number, len(stretches))


def _told(tell: Progress, done: int, total: int, _session: Session) -> None:
    tell("Playing at the tables", done, total)


def _galas(seed: int, house: House) -> Iterator[Day]:
    """Some evenings of every month of that time."""
    month = _month_of(house.opened_at)
    while month < house.days[0].on:
        rng = _rng(seed, "season", month)
        for number in sorted(rng.sample(range(27), _GALAS_PER_MONTH)):
            on = month + dt.timedelta(days=number)
            if on < house.days[0].on:
                yield next(_days(on, 1))
        month = following(month)


def _month_of(at: dt.datetime) -> dt.date:
    return _on(at).replace(day=1)


def _found(session: Session, *, days: tuple[Day, ...], now: dt.datetime) -> tuple[int, House, dt.datetime]:
    year_ago = _month_of(now)
    for _ in range(MONTHS):
        year_ago = preceding(year_ago)
    opened_at = min(days[0].start, next(_days(year_ago, 1)).start)
    founded_at = min(days[0].start - dt.timedelta(days=730), opened_at - dt.timedelta(days=450))
    operator_id = operators.create(
        session,
        slug=SLUG,
        name=NAME,
        currency=CURRENCY,
        timezone=TIMEZONE,
        money_mode=MoneyMode.PLAY,
        currencies=[],
        defaults=operators.Defaults(),
        now=founded_at,
    )
    found = session.execute(
        text("""
        SELECT r.level, r.currency, r.min_balance, r.max_balance, r.daily_limit, r.weekly_limit,
               r.warning_threshold, r.critical_threshold, r.drop_percent, r.approval_threshold,
               r.version
        FROM vip_rules r WHERE r.operator_id = :operator AND r.currency = :currency
        """),
        {"operator": operator_id, "currency": CURRENCY},
    )
    rules = {row.level: vip.Rule(*row) for row in found}
    levels = session.execute(
        text("SELECT level, xp_from FROM vip_levels WHERE operator_id = :operator AND xp_from IS NOT NULL"),
        {"operator": operator_id},
    )
    xp_from = {row.level: row.xp_from for row in levels}
    return operator_id, House(CURRENCY, TIMEZONE, rules, xp_from, days, opened_at, now), founded_at


def _lives(seed: int, house: House, count: int) -> Iterator[Life]:
    """A life for each player; a few end in a freeze or are closed, and a few go on at this moment."""
    rng = _rng(seed, "lives")
    dealt = habits.segments(rng, count)
    small = [number for number, segment in enumerate(dealt) if segment.stake < 190]
    chosen = rng.sample(small, min(len(small), max(4, count // 40)))
    endings = dict.fromkeys(chosen[::3], Ending.CLOSE) | dict.fromkeys(
        [*chosen[1::3], *chosen[2::3]], Ending.FREEZE
    )
    at_play = set(rng.sample(range(count), max(2, count // 100)))
    casual = [
        number
        for number, segment in enumerate(dealt)
        if segment.name == "casual" and number not in endings and number not in at_play
    ]
    guests = set(_rng(seed, "guests").sample(casual, min(len(casual), max(6, count // 40))))
    for number, segment in enumerate(dealt):
        if number in guests:
            yield be_guest(_rng(seed, "guest", number), house, segment)
            continue
        yield live(
            _rng(seed, "life", number),
            house,
            segment,
            ending=endings.get(number),
            plays_now=number in at_play,
        )


def _register(
    transact: Transact,
    *,
    agents: Sequence[Actor],
    operator_id: int,
    seed: int,
    lives: Sequence[Life],
    now: dt.datetime,
) -> list[Member]:
    rng = _rng(seed, "people")
    in_charge = [rng.choice(agents) for _ in lives]
    invented = list(people.people(rng, len(lives)))
    new = [
        players.NewPlayer(
            external_id=person.external_id,
            name=person.name,
            email=person.email,
            agent_id=agent.id,
            country=person.country,
            created_at=life.joined_at,
        )
        for person, agent, life in zip(invented, in_charge, lives, strict=True)
    ]
    ids: dict[str, int] = {}
    for start in range(0, len(new), BATCH):
        some = new[start : start + BATCH]
        ids |= transact(partial(players.register, operator_id=operator_id, players=some, now=now))
    return [
        Member(ids[person.external_id], person.external_id, agent)
        for person, agent in zip(invented, in_charge, strict=True)
    ]


def _acts(
    seed: int, office: Office, members: Sequence[Member], lives: Sequence[Life], house: House
) -> list[_Act]:
    """What the office does besides answering alerts, and about partners."""
    rng = _rng(seed, "acts")
    # A holiday week with more head room, and back: the rules end as every operator's begin.
    holiday = len(house.days) * 2 // 3
    acts = []
    for day, daily_limit in ((holiday, 165_000), (min(holiday + 7, len(house.days) - 1), 150_000)):
        edited_at = house.days[day].at(10.6)
        act = partial(office.edit_rule, at=edited_at, daily_limit=daily_limit)
        acts.append(_Act(edited_at, act))
    for member, life in zip(members, lives, strict=True):
        if life.ending and life.ended_at:
            end = partial(office.end_life, member=member, ending=life.ending, at=life.ended_at)
            acts.append(_Act(life.ended_at, end))
            later = life.ended_at + dt.timedelta(days=rng.uniform(1, 6))
            if life.ending == Ending.FREEZE and later < house.now and rng.random() < 0.35:
                acts.append(_Act(later, partial(office.unfreeze, member=member, at=later)))
    staying = [
        (member, life) for member, life in zip(members, lives, strict=True) if life.events and not life.ending
    ]
    for member, life in rng.sample(staying, len(staying) // 8):
        at = _office_hour(rng, house, since=life.joined_at)
        acts.append(_Act(at, partial(office.note, member=member, at=at)))
    for member, life in rng.sample(staying, min(len(staying), 4 + len(house.days))):
        at = _office_hour(rng, house, since=life.joined_at)
        acts.append(_Act(at, partial(office.be_refused, member=member, at=at)))
    modest = [(member, life) for member, life in staying if life.level in {Level.BRONZE, Level.SILVER}]
    for member, life in rng.sample(modest, min(len(modest), 6)):
        at = _office_hour(rng, house, since=life.events[-1].at)
        acts.append(_Act(at, partial(office.raise_level, member=member, at=at)))
    return acts


def _office_hour(rng: Random, house: House, *, since: dt.datetime) -> dt.datetime:
    """Some moment of a working day after `since`; just before now where there is none."""
    possible = [day for day in house.days if day.at(9) > since and day.at(17) < house.now]
    if not possible:
        return house.now - dt.timedelta(minutes=rng.uniform(3, 25))
    return rng.choice(possible).at(rng.uniform(9, 17))


class _Plan:
    """What is to be posted, by day; handed out for a stretch of days."""

    def __init__(self, members: Sequence[Member], lives: Sequence[Life], acts: Sequence[_Act]) -> None:
        self._acts = defaultdict[dt.date, list[_Act]](list)
        self._entries = defaultdict[dt.date, list[tuple[Member, int, Event]]](list)
        self._gains = defaultdict[dt.date, list[vip_rules.Gain]](list)
        for act in sorted(acts, key=lambda act: act.at):
            self._acts[_on(act.at)].append(act)
        for member, life in zip(members, lives, strict=True):
            for sequence, event in enumerate(life.events, start=1):
                self._entries[_on(event.at)].append((member, sequence, event))
            for gain in life.gains:
                kept = vip_rules.Gain(member.player_id, gain.xp, gain.reason, gain.at)
                self._gains[_on(gain.at)].append(kept)

    def acts(self, days: Sequence[Day]) -> list[_Act]:
        """Of the office on those days, in order."""
        return [act for day in days for act in self._acts[day.on]]

    def entries(self, days: Sequence[Day]) -> Iterator[list[tuple[Member, int, Event]]]:
        """The first event of every player in those days, then the second, and so on."""
        return _one_each([place for day in days for place in self._entries[day.on]], lambda place: place[0])

    def gains(self, days: Sequence[Day]) -> Iterator[list[vip_rules.Gain]]:
        """The first gain of every player in those days, then the second."""
        return _one_each([gain for day in days for gain in self._gains[day.on]], lambda gain: gain.player_id)


def _one_each(items: Sequence[T], whose: Callable[[T], object]) -> Iterator[list[T]]:
    """Sets of at most BATCH in which nobody stands twice, everybody's in the order given."""
    by_player = defaultdict[object, list[T]](list)
    for item in items:
        by_player[whose(item)].append(item)
    for places in zip_longest(*by_player.values()):
        some = [place for place in places if place is not None]
        for start in range(0, len(some), BATCH):
            yield some[start : start + BATCH]


def _on(at: dt.datetime) -> dt.date:
    return clock.local(at, TIMEZONE).date()


def _live(session: Session, *, plan: _Plan, days: Sequence[Day]) -> None:
    """Post a few days of everybody but the guests of the tables."""
    for batch in plan.entries(days):
        _post(session, batch)
    for gains in plan.gains(days):
        vip_rules.add_xp_many(session, gains, actor=SYSTEM)


def _work(session: Session, *, office: Office, plan: _Plan, days: Sequence[Day], now: dt.datetime) -> None:
    """What the office does in a few days, and about them."""
    for day in days:
        office.sign_in(session, day.start, now)
    for act in plan.acts(days):
        act.do(session)
    office.answer_alerts(session, start=days[0].start, end=min(days[-1].end, now))


def _post(session: Session, batch: Sequence[tuple[Member, int, Event]]) -> None:
    reversals = [(member, sequence, event) for member, sequence, event in batch if event.reverses]
    changes = [_dated(member, sequence, event) for member, sequence, event in batch if not event.reverses]
    for member, sequence, event in reversals:
        balances.reverse(
            session,
            player_id=member.player_id,
            currency=CURRENCY,
            sequence=event.reverses or 0,
            reason=event.reason,
            actor=member.agent,
            idempotency_key=_key(sequence),
            now=event.at,
        )
    if changes:
        balances.post_many(session, changes, with_alerts=True)


def _dated(member: Member, sequence: int, event: Event) -> balances.Dated:
    request = balances.Request(
        player_id=member.player_id,
        currency=CURRENCY,
        change_type=event.change_type,
        real_delta=event.amount,
        reason=event.reason,
        idempotency_key=_key(sequence),
        reference=event.reference,
        metadata=event.metadata,
    )
    return balances.Dated(request, member.agent if event.by_staff else SYSTEM, event.at, event.score)


def _key(sequence: int) -> str:
    return f"demo:{sequence}"


def _rng(seed: int, *what: object) -> Random:
    return Random(f"{seed}/{'/'.join(map(str, what))}")  # noqa: S311 - a demo, no secret
