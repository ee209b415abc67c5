"""The demo's partners: who they are, what was agreed with them, and whose players are whose."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from secrets import token_urlsafe

from sqlalchemy.orm import Session

from dashboard import clock, money
from dashboard.models.login import Role
from dashboard.models.partner import Disclosure, LossPolicy, PartnerStatus, StakesCounted
from dashboard.services import operators, partners, passwords, staff
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.demo.account import House
from dashboard.services.demo.evenings import LONG_TABLE, Guest
from dashboard.services.partner_statements import preceding
from dashboard.services.partner_terms import Terms

_REFERRAL_URL = "https://lotus-house.example/welcome?from={code}"
_PREFERS_LONG_TABLE = 0.5
"""How much sooner a partner's guests sit there, so that some rounds have five of one partner's."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a contract."""

    months_ago: int
    """It begins in the month so many before the present one,"""
    terms: Terms
    day: int = 1
    """on that day."""
    minimum: int = 50
    """Whole units."""
    is_accepted: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A partner of the demo."""

    name: str
    code: str
    players: float
    """Of all players, how many are theirs;"""
    guests: float
    """and of those who play at the tables."""
    versions: tuple[Version, ...]
    ends: tuple[PartnerStatus, int, str] | None = None
    """What status it has now instead of active, since how many months, and why."""
    user: str | None = None
    """Who signs in, if anybody of theirs does."""
    pays_to: str = ""


PARTNERS = (
    Kind(
        "Harbour Media",
        "harbour-media",
        0.20,
        0.44,
        (
            Version(24, Terms(70_00, 35_00)),
            Version(5, Terms(75_00, 40_00), is_accepted=True),
        ),
        user="partner@example.com",
        pays_to="Harbour Media Ltd\nAccount 2700 4419 86, Kontor Bank, Prague",
    ),
    Kind(
        "Meridian Guides",
        "meridian-guides",
        0.09,
        0.14,
        (Version(24, Terms(60_00, 30_00, LossPolicy.PER_ROUND, disclosure=Disclosure.TERMS)),),
        user="office@meridian-guides.example",
        pays_to="Meridian Guides, Lucía Montero\nAccount 91 0047 2210, Banco del Sur, Sevilla",
    ),
    Kind(
        "Koruna Review",
        "koruna-review",
        0.06,
        0.12,
        (Version(24, Terms(80_00, 30_00, LossPolicy.CARRY, disclosure=Disclosure.TERMS, hold_days=14)),),
    ),
    Kind(
        "Silk Road Journal",
        "silk-road-journal",
        0.05,
        0.10,
        (
            Version(20, Terms(50_00, 45_00, counts=StakesCounted.WHOLE), minimum=100),
            Version(2, Terms(50_00, 35_00, counts=StakesCounted.WHOLE), day=15, minimum=100),
        ),
    ),
    Kind(
        "Night Owl Letter",
        "night-owl",
        0.03,
        0.08,
        (Version(18, Terms(55_00, 30_00)),),
        ends=(PartnerStatus.SUSPENDED, 2, "Sign-in was shared with others; rounds go on earning meanwhile"),
    ),
    Kind(
        "Fast Lane Leads",
        "fast-lane",
        0.02,
        0.04,
        (Version(16, Terms(60_00, 40_00, LossPolicy.PER_ROUND)),),
        ends=(PartnerStatus.BLOCKED, 6, "Bought traffic in our name, against the contract"),
    ),
    Kind(
        "Old Town Radio",
        "old-town-radio",
        0.0,
        0.0,
        (Version(0, Terms(50_00, 30_00)),),
        ends=(PartnerStatus.PENDING, 0, ""),
    ),
)


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner who has been made, with their user."""

    kind: Kind
    id: int
    user: Actor | None


def found(session: Session, *, staff_by_email: Mapping[str, Actor], house: House) -> list[Partner]:
    """Make the partners, as they were agreed with in their time, and let their users in."""
    admin = staff_by_email["admin@example.com"]
    this_month = clock.local(house.now, house.timezone).date().replace(day=1)
    made = [_make(session, kind, admin, house, this_month) for kind in PARTNERS]
    # Last: whoever registers players at the same time waits for this lock.
    settings = operators.lock_settings(session, operator_id=admin.operator_id)
    operators.edit(
        session,
        settings=replace(settings, referral_url=_REFERRAL_URL),
        actor=admin,
        now=_morning(_back(this_month, PARTNERS[0].versions[0].months_ago), house),
    )
    return made


def refer(
    session: Session,
    *,
    made: Sequence[Partner],
    guests: Sequence[Guest],
    others: Sequence[int],
    joined_at: Mapping[int, dt.datetime],
    rng: Random,
) -> None:
    """Make players the partners' from when they joined: guests, who play at the tables, and others."""
    nearest = sorted(
        guests, key=lambda guest: rng.random() + _PREFERS_LONG_TABLE * (guest.table != LONG_TABLE)
    )
    shuffled = rng.sample(others, len(others))
    places = (
        _dealt([guest.player_id for guest in nearest], [partner.kind.guests for partner in made]),
        _dealt(shuffled, [partner.kind.players for partner in made]),
    )
    for partner, seated, absent in zip(made, *places, strict=True):
        for player_ids, since in _together([*seated, *absent], joined_at):
            partners.refer(session, player_ids=player_ids, partner_id=partner.id, actor=SYSTEM, now=since)


def _make(session: Session, kind: Kind, admin: Actor, house: House, this_month: dt.date) -> Partner:
    first, *later = kind.versions
    begun_on = _back(this_month, first.months_ago)
    agreed_at = _morning(begun_on, house)
    partner_id = partners.create(
        session,
        name=kind.name,
        code=kind.code,
        contract=_contract(first, house, this_month),
        actor=admin,
        now=min(agreed_at, house.now),
    )
    status, months_ago, reason = kind.ends or (PartnerStatus.ACTIVE, 0, "")
    if status != PartnerStatus.PENDING:
        partners.set_status(
            session,
            partner_id=partner_id,
            status=PartnerStatus.ACTIVE,
            reason="Contract signed",
            actor=admin,
            now=agreed_at,
        )
    user = _let_in(session, kind, partner_id, admin, agreed_at) if kind.user else None
    if user and kind.pays_to:
        partners.write_payout_details(
            session, partner_id=partner_id, details=kind.pays_to, actor=user, now=agreed_at
        )
    for number, version in enumerate(later, start=2):
        offered_at = _morning(_back(this_month, version.months_ago), house) - dt.timedelta(days=12)
        contract = _contract(version, house, this_month)
        partners.agree(session, partner_id=partner_id, contract=contract, actor=admin, now=offered_at)
        if version.is_accepted and user:
            accepted_at = offered_at + dt.timedelta(days=2)
            partners.accept(session, partner_id=partner_id, version=number, actor=user, now=accepted_at)
    if status in (PartnerStatus.SUSPENDED, PartnerStatus.BLOCKED):
        since = _morning(_back(this_month, months_ago), house) + dt.timedelta(days=9)
        partners.set_status(
            session,
            partner_id=partner_id,
            status=status,
            reason=reason,
            actor=admin,
            now=min(since, house.now),
        )
    return Partner(kind, partner_id, user)


def _let_in(session: Session, kind: Kind, partner_id: int, admin: Actor, now: dt.datetime) -> Actor:
    email = kind.user or ""
    known = email in passwords.DEMO_EMAILS
    login_id = staff.create(
        session,
        operator_id=admin.operator_id,
        email=email,
        name=kind.name,
        role=Role.PARTNER,
        password=passwords.DEMO_PASSWORD if known else token_urlsafe(24),
        now=now,
        actor=admin,
        partner_id=partner_id,
    )
    return Actor(
        id=login_id, operator_id=admin.operator_id, role=Role.PARTNER, name=kind.name, partner_id=partner_id
    )


def _contract(version: Version, house: House, this_month: dt.date) -> partners.Contract:
    begins = _back(this_month, version.months_ago).replace(day=version.day)
    minimum = money.from_whole(version.minimum, house.currency)
    return partners.Contract(version.terms, begins, {house.currency: minimum})


def _back(month: dt.date, count: int) -> dt.date:
    for _ in range(count):
        month = preceding(month)
    return month


def _morning(on: dt.date, house: House) -> dt.datetime:
    return clock.between(on, on + dt.timedelta(days=1), house.timezone).start + dt.timedelta(hours=10)


def _dealt(player_ids: Sequence[int], shares: Sequence[float]) -> Iterator[list[int]]:
    """So large a part of the players for each, one after the other."""
    start = 0
    for share in shares:
        end = start + round(share * len(player_ids))
        yield list(player_ids[start:end])
        start = end


def _together(
    player_ids: Sequence[int], joined_at: Mapping[int, dt.datetime]
) -> Iterator[tuple[list[int], dt.datetime]]:
    """Those who joined in one month, from when the last of them did."""
    by_month = defaultdict[str, list[int]](list)
    for player_id in player_ids:
        by_month[f"{joined_at[player_id]:%Y-%m}"].append(player_id)
    for together in by_month.values():
        yield together, max(joined_at[player_id] for player_id in together)
