"""Purchases and coupons of households as histories of points. Pure.

Each basket loads points as any payment does. A campaign gives each of its households points on its first
day, which can be used through its last one: both ends count. A coupon is redeemed for points, and refused
where there are none, as for any member.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from dashboard import clock, money
from dashboard.errors import Rejected
from dashboard.services import points_reckoning
from dashboard.services.imports import legacy_files, legacy_values
from dashboard.services.imports import legacy_loyalty_values as values
from dashboard.services.imports.legacy_files import Row, Shape, Tables
from dashboard.services.imports.legacy_loyalty_plan import House
from dashboard.services.imports.legacy_report import RefusedRow
from dashboard.services.points_reckoning import Payment
from dashboard.services.points_replay import Replay

CAMPAIGN_POINTS = 2_000
"""What a campaign gives each of its households."""
COUPON_POINTS = 100
"""For which a coupon is redeemed."""

_ALIASES = {"household_id": "player_id"}
SHAPES: Mapping[str, Shape] = {
    "transactions": Shape(
        ("transactionssample", "transactions"),
        ("player_id", "basket_id", "sales_value", "transaction_timestamp"),
        ("player_id", "basket_id", "sales_value", "transaction_timestamp"),
        aliases=_ALIASES,
    ),
    "campaigns": Shape(
        ("campaigns",), ("player_id", "campaign_id"), ("player_id", "campaign_id"), aliases=_ALIASES
    ),
    "coupon_redemptions": Shape(
        ("couponredemptions",),
        ("player_id", "coupon_upc", "campaign_id", "redemption_date"),
        ("player_id", "coupon_upc", "campaign_id", "redemption_date"),
        aliases=_ALIASES,
    ),
}
LOOKED_UP: Mapping[str, Shape] = {
    "campaign_descriptions": Shape(
        ("campaigndescriptions",),
        ("campaign_id", "start_date", "end_date"),
        ("campaign_id", "start_date", "end_date"),
        aliases={},
    )
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What purchases, campaigns and coupons are worth."""

    points_per_unit: int = 1
    exact: bool = False
    """Campaigns give exactly what their coupons need, and purchases nothing: the windows alone decide."""

    def campaign(self, coupons: int) -> int:
        """Points that a campaign gives a household that redeems so many of its coupons."""
        return coupons * COUPON_POINTS if self.exact else CAMPAIGN_POINTS


@dataclass(slots=True)
class Counts:
    """What happened to households, together."""

    baskets: int = 0
    too_small: int = 0
    """Baskets of less than one whole unit, which load nothing."""
    campaign_loads: int = 0
    redemptions: int = 0
    on_first_day: int = 0
    on_last_day: int = 0
    refused: int = 0
    purchased: int = 0
    """Points loaded for purchases."""
    given: int = 0
    """Points given by campaigns."""
    redeemed: int = 0
    expired: int = 0
    balance: int = 0

    def add(self, other: "Counts") -> None:
        """Count another's too."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True)
class Window:
    """The days of a campaign, both of which count."""

    first: dt.date
    last: dt.date


@dataclass(slots=True)
class Household:
    """A household with what the files say of it."""

    old_id: str
    baskets: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    campaigns: list[Row] = field(default_factory=list)
    redemptions: list[Row] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        """All of them."""
        return [*(row for rows in self.baskets.values() for row in rows), *self.campaigns, *self.redemptions]


@dataclass(slots=True)
class Played:
    """A household's history as it is to be written."""

    household: Household
    replay: Replay
    counts: Counts = field(default_factory=Counts)
    refused: list[RefusedRow] = field(default_factory=list)
    """Redemptions that were refused, as they would be of any member."""


def read(folder: Path) -> Tables:
    """Read the files. Raises Unreadable."""
    return legacy_files.read_shapes(folder, SHAPES, LOOKED_UP)


def households(tables: Tables) -> list[Household]:
    """Every household that any row is about, in the order of the files."""
    found: dict[str, Household] = {}
    for row in tables.moved():
        one = found.setdefault(row.player_id, Household(row.player_id))
        match row.table:
            case "transactions":
                one.baskets[row["basket_id"]].append(row)
            case "campaigns":
                one.campaigns.append(row)
            case _:
                one.redemptions.append(row)
    return list(found.values())


def windows(tables: Tables) -> dict[str, Window]:
    """The days of each campaign. Raises ValueError where one has none, or ends before it begins."""
    found = {}
    for row in tables.rows("campaign_descriptions"):
        first = values.day(row["start_date"], what="start_date")
        last = values.day(row["end_date"], what="end_date")
        if first is None or last is None or last < first:
            raise ValueError(f"campaign {row['campaign_id']} ends before it begins, or has no days")
        found[row["campaign_id"]] = Window(first, last)
    return found


_Act = tuple[dt.datetime, int, Callable[[Played, dt.datetime], None]]
"""When, what comes first at the same instant, and what is done."""


class History:
    """What a household did, in order. Raises ValueError where a row cannot be read."""

    def __init__(
        self,
        household: Household,
        house: House,
        campaigns: Mapping[str, Window],
        rule: Rule,
        *,
        digest: str,
        file: Callable[[str], str],
    ) -> None:
        self.household = household
        self._house, self._campaigns, self._rule = house, campaigns, rule
        self._digest, self._file = digest, file
        self._zone, self._currency = house.programme.timezone, house.programme.currency
        acts = [
            *(self._purchase(basket, rows) for basket, rows in household.baskets.items()),
            *(self._campaign(row, household) for row in household.campaigns),
            *(self._redemption(row) for row in household.redemptions),
        ]
        # At the same instant what is given comes before what is used.
        self._acts = sorted(acts, key=lambda act: act[:2])

    def play(self, player_id: int, now: dt.datetime) -> Played:
        """The history as that player's, up to now."""
        began = self._acts[0][0]
        replay = Replay(player_id, self._house.programme, self._house.tiers, began)
        played = Played(self.household, replay)
        for at, _, act in self._acts:
            replay.nights(at)
            act(played, at)
        replay.nights(now)
        played.counts.expired = sum(written.posting.expired for written in replay.entries)
        played.counts.balance = replay.member.balance
        return played

    def _purchase(self, basket: str, rows: Sequence[Row]) -> _Act:
        at = self._instant(rows[0]["transaction_timestamp"])
        amount = sum(
            legacy_values.amount(row["sales_value"], self._currency, what="sales_value", minor_units=False)
            for row in rows
        )

        def buy(played: Played, at: dt.datetime) -> None:
            counts, unit = played.counts, money.from_whole(1, self._currency)
            counts.baskets += 1
            if self._rule.exact:
                return
            if amount < unit:
                counts.too_small += 1
                return
            key, replay = f"import:{self._digest}:basket:{basket}", played.replay
            before = replay.member.balance
            replay.load(Payment(amount, basket), notes=f"Basket {basket}", key=key, now=at)
            beside = (self._rule.points_per_unit - 1) * (amount // unit)
            if beside:
                (batch,) = (one for one in replay.member.open if one.number == replay.member.batches)
                asked = points_reckoning.asked_by_nobody(f"{key}:more", f"Basket {basket}, for each unit", at)
                replay.bring(asked, base=beside, bonus=0, expires_on=batch.expires_on)
            counts.purchased += replay.member.balance - before

        return at, 0, buy

    def _campaign(self, row: Row, household: Household) -> _Act:
        campaign = row["campaign_id"]
        window = self._window(row)
        coupons = sum(one["campaign_id"] == campaign for one in household.redemptions)
        given = self._rule.campaign(coupons)

        def give(played: Played, at: dt.datetime) -> None:
            if not given:
                return
            key = f"import:{self._digest}:campaign:{campaign}"
            asked = points_reckoning.asked_by_nobody(key, f"Campaign {campaign}, through {window.last}", at)
            played.replay.bring(asked, base=given, bonus=0, expires_on=window.last)
            played.counts.campaign_loads += 1
            played.counts.given += given

        return clock.between(window.first, window.first, self._zone).start, 0, give

    def _redemption(self, row: Row) -> _Act:
        day = values.day(row["redemption_date"], what="redemption_date")
        if day is None:
            raise ValueError(f"line {row.line}: redemption_date is empty")
        window = self._window(row)

        def redeem(played: Played, at: dt.datetime) -> None:
            counts, coupon = played.counts, row["coupon_upc"]
            counts.redemptions += 1
            counts.on_first_day += day == window.first
            counts.on_last_day += day == window.last
            key = f"import:{self._digest}:coupon:{row.line}"
            try:
                if not window.first <= day <= window.last:
                    raise Rejected(f"The campaign runs from {window.first} through {window.last}.")
                played.replay.redeem(COUPON_POINTS, notes=f"Coupon {coupon}", key=key, now=at)
                counts.redeemed += COUPON_POINTS
            except Rejected as error:
                counts.refused += 1
                played.refused.append(RefusedRow(row.table, self._file(row.table), row.line, error.message))

        return self._instant(f"{day} 12:00:00"), 1, redeem

    def _window(self, row: Row) -> Window:
        window = self._campaigns.get(row["campaign_id"])
        if window is None:
            raise ValueError(f"line {row.line}: campaign {row['campaign_id']} is not described")
        return window

    def _instant(self, wall: str) -> dt.datetime:
        """When the operator's wall shows that; the first time, where it does twice."""
        try:
            read = dt.datetime.fromisoformat(wall)
        except ValueError:
            raise ValueError(f"“{wall}” is no time such as 2017-05-31 14:05:00") from None
        return read.replace(tzinfo=ZoneInfo(self._zone)).astimezone(dt.UTC)
