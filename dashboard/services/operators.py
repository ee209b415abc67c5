"""Operators: creating one, with the levels, rules, rule sets of games and tiers that it starts from."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from zoneinfo import available_timezones

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Conflict, Rejected
from dashboard.models.operator import MoneyMode, Operator, StakeOrder, WageringCounts
from dashboard.models.vip import Level, VipLevel, VipRule, VipRuleVersion
from dashboard.services import loyalty_tiers, report_schedules, rule_set_rows, staff_log
from dashboard.services.actors import Actor

WEEKS_PER_DAY_LIMIT = 4
"""The weekly limit is this many daily limits: the ratio of the original table's diamond row."""
DROP_PERCENT = 50
UNDO_SECONDS_MAX = 300
ACTIVE_BONUSES_MAX = 1000
XP_PER_UNIT_MAX = 1000
REFERRAL_URL_MAX = 300
CODE_HOLDER = "{code}"
"""What becomes a partner's code in the address of referral links."""
APPROVAL_THRESHOLD = 500
"""In whole units; what New Jersey asks a supervisor to review."""


@dataclass(frozen=True, slots=True)
class Starting:
    """What a level starts from, in whole units of the currency."""

    min_balance: int
    max_balance: int
    daily_limit: int
    xp_from: int | None


STARTING = {
    Level.DEFAULT: Starting(-10_000, 1_000_000, 25_000, None),
    Level.BRONZE: Starting(-10_000, 1_000_000, 50_000, 0),
    Level.SILVER: Starting(-10_000, 1_000_000, 100_000, 1_000),
    Level.GOLD: Starting(-15_000, 1_500_000, 150_000, 10_000),
    Level.PLATINUM: Starting(-25_000, 2_500_000, 250_000, 50_000),
    Level.DIAMOND: Starting(-50_000, 5_000_000, 500_000, 250_000),
}


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the environment may set for a new operator's default level, in whole units.

    Every other level starts from the table, and from these thresholds as they are by default.
    """

    min_balance: int = -10_000
    max_balance: int = 1_000_000
    warning_threshold: int = 1_000
    critical_threshold: int = 100


def create(
    session: Session,
    *,
    slug: str,
    name: str,
    currency: str,
    timezone: str,
    money_mode: MoneyMode,
    currencies: Sequence[str],
    defaults: Defaults,
    now: dt.datetime,
) -> int:
    """Make an operator with the VIP table in its currency and in `currencies`, rule sets and tiers; its id.

    Raises Rejected for an empty name, a wrong slug, a currency or time zone that does not exist, and
    Conflict for a slug in use.
    """
    wanted = list(dict.fromkeys([currency, *currencies]))
    for code in wanted:
        if not money.is_currency(code):
            raise Rejected(f"{code} is no currency code.", field="currency")
    if timezone not in available_timezones():
        raise Rejected(f"{timezone} is no time zone.", field="timezone")
    if not name.strip():
        raise Rejected("Give the operator a name.", field="name")
    operator = Operator(
        slug=slug, name=name, currency=currency, timezone=timezone, money=money_mode, created_at=now
    )
    session.add(operator)
    try:
        session.flush()
    except IntegrityError as error:
        if "uq_operators_slug" in str(error.orig):
            raise Conflict(f"There is already an operator called {slug}.", field="slug") from error
        raise Rejected("A slug has 1 to 40 lower-case letters, digits and hyphens.", field="slug") from error
    session.execute(
        insert(VipLevel),
        [
            {"operator_id": operator.id, "level": level, "xp_from": starting.xp_from}
            for level, starting in STARTING.items()
        ],
    )
    rules = [
        {"operator_id": operator.id, "level": level, "currency": code, **_figures(level, code, defaults)}
        for code in wanted
        for level in Level
    ]
    session.execute(insert(VipRule), rules)
    session.execute(
        insert(VipRuleVersion), [{**rule, "changed_by": "system", "changed_at": now} for rule in rules]
    )
    rule_set_rows.ship(session, operator.id, now)
    loyalty_tiers.ship(session, operator_id=operator.id, currency=currency)
    return operator.id


@dataclass(frozen=True, slots=True)
class Settings:
    """What an admin may change of an operator."""

    name: str
    timezone: str
    """IANA name. Days and weeks that have begun are counted anew by it."""
    money: str
    """`play` or `real`."""
    undo_seconds: int
    second_factor_required: bool
    stake_order: str
    """`real_first` or `bonus_first`: which money a stake takes first."""
    wagering_counts: str
    """`bonus` or `whole`: how much of a stake counts toward a bonus's wagering."""
    active_bonuses_max: int | None
    """How many bonuses of one balance may be active at once, the others queueing; None: all."""
    xp_per_unit: int
    """Experience for each whole unit of real stake in the home currency."""
    referral_url: str | None = None
    """Where partners' links lead: an address with {code} in it, which becomes each partner's own."""


SETTINGS = tuple(field.name for field in fields(Settings))


def lock_settings(session: Session, *, operator_id: int) -> Settings:
    """The settings as they are, locked until the transaction ends."""
    row = session.execute(_SETTINGS.with_for_update().where(Operator.id == operator_id)).one()
    return Settings(*row)


def edit(session: Session, *, settings: Settings, actor: Actor, now: dt.datetime) -> None:
    """Put other settings in force for the actor's operator. Raises Rejected at what is out of range."""
    if not settings.name.strip() or len(settings.name) > 100:
        raise Rejected("Give the operator a name of at most 100 characters.", field="name")
    if settings.timezone not in available_timezones():
        raise Rejected(f"{settings.timezone} is no time zone.", field="timezone")
    if settings.money not in set(MoneyMode):
        raise Rejected("Choose play or real money.", field="money")
    if not 0 <= settings.undo_seconds <= UNDO_SECONDS_MAX:
        raise Rejected(f"Between 0 and {UNDO_SECONDS_MAX} seconds.", field="undo_seconds")
    _check_bonuses(settings)
    check_referral_url(settings.referral_url)
    before = asdict(lock_settings(session, operator_id=actor.operator_id))
    after = asdict(settings)
    session.execute(update(Operator).filter_by(id=actor.operator_id).values(**after))
    if after["timezone"] != before["timezone"]:
        report_schedules.move(session, operator_id=actor.operator_id, timezone=settings.timezone, now=now)
    changed = {name: f"{before[name]} → {after[name]}" for name in after if after[name] != before[name]}
    staff_log.record(session, actor, "operator.edited", details=changed, now=now)


def _check_bonuses(settings: Settings) -> None:
    if settings.stake_order not in set(StakeOrder):
        raise Rejected("Choose which money a stake takes first.", field="stake_order")
    if settings.wagering_counts not in set(WageringCounts):
        raise Rejected("Choose how much of a stake counts.", field="wagering_counts")
    if settings.active_bonuses_max is not None and not 1 <= settings.active_bonuses_max <= ACTIVE_BONUSES_MAX:
        raise Rejected(f"Between 1 and {ACTIVE_BONUSES_MAX}, or empty for all.", field="active_bonuses_max")
    if not 0 <= settings.xp_per_unit <= XP_PER_UNIT_MAX:
        raise Rejected(f"Between 0 and {XP_PER_UNIT_MAX}.", field="xp_per_unit")


def check_referral_url(address: str | None) -> None:
    """Raise Rejected, at `referral_url`, for what cannot be a referral link's address."""
    if address is None:
        return
    if not address.startswith("https://") or CODE_HOLDER not in address or any(map(str.isspace, address)):
        raise Rejected(
            f"An address that begins with https:// and has {CODE_HOLDER} in it, or nothing.",
            field="referral_url",
        )
    if len(address) > REFERRAL_URL_MAX:
        raise Rejected(f"At most {REFERRAL_URL_MAX} characters.", field="referral_url")


_SETTINGS = select(*(getattr(Operator, name) for name in SETTINGS))


def _figures(level: Level, currency: str, defaults: Defaults) -> dict[str, int]:
    starting = STARTING[level]
    own = defaults if level == Level.DEFAULT else Defaults(starting.min_balance, starting.max_balance)
    whole = {
        "min_balance": own.min_balance,
        "max_balance": own.max_balance,
        "daily_limit": starting.daily_limit,
        "weekly_limit": starting.daily_limit * WEEKS_PER_DAY_LIMIT,
        "warning_threshold": own.warning_threshold,
        "critical_threshold": own.critical_threshold,
        "approval_threshold": APPROVAL_THRESHOLD,
    }
    minor = {name: money.from_whole(units, currency) for name, units in whole.items()}
    return {**minor, "drop_percent": DROP_PERCENT, "version": 1}
