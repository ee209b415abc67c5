"""The terms of a bonus: what it gives, what must be wagered, where it counts. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from dashboard import money
from dashboard.errors import Rejected
from dashboard.models.bonus import BonusSource, OfferKind, WageringBase

NAME_MAX = 60
MULTIPLIER_MAX = Decimal(1000)
VALIDITY_DAYS_MAX = 3650
STEEP_MULTIPLIER = 10
"""Above so many times its base a wagering requirement is more than most players ever clear."""


@dataclass(frozen=True, slots=True)
class GameTerm:
    """How a game, or one selection of it, counts toward the wagering; or that it may not be played."""

    game_id: int
    selection: str = ""
    """Empty: every selection that has no term of its own."""
    contribution_percent: int = 100
    is_restricted: bool = False
    """Bonus money may not be staked there."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a grant is made with, and keeps whatever becomes of its offer. Amounts in minor units."""

    name: str
    source: BonusSource = BonusSource.MANUAL
    wagering_multiplier: Decimal = Decimal(1)
    wagering_base: WageringBase = WageringBase.BONUS
    max_bet: int | None = None
    max_win: int | None = None
    """The most that becomes real money."""
    validity_days: int = 30
    games: tuple[GameTerm, ...] = ()

    def required(self, amount: int, deposit: int | None) -> int:
        """How much must be wagered: base × multiplier, rounded half to even, once. Minor units."""
        base = amount
        if self.wagering_base == WageringBase.DEPOSIT_AND_BONUS:
            base += deposit or 0
        return money.rounded(base * self.wagering_multiplier)

    @property
    def times(self) -> str:
        """The multiplier as people read it: `35 ×`, `7.5 ×`."""
        return f"{self.wagering_multiplier.normalize():f} ×"

    @property
    def is_steep(self) -> bool:
        """Whether more is asked for than most players ever clear."""
        return self.wagering_multiplier > STEEP_MULTIPLIER

    def check(self) -> None:
        """Raise Rejected at the first figure that is out of range."""
        if not 1 <= len(self.name.strip()) <= NAME_MAX:
            raise Rejected(f"Give it a name of at most {NAME_MAX} characters.", field="name")
        if not 0 <= self.wagering_multiplier <= MULTIPLIER_MAX:
            raise Rejected(f"Between 0 and {MULTIPLIER_MAX} times.", field="wagering_multiplier")
        if self.wagering_multiplier != self.wagering_multiplier.quantize(Decimal("0.01")):
            raise Rejected("At most two decimals.", field="wagering_multiplier")
        for field, figure in (("max_bet", self.max_bet), ("max_win", self.max_win)):
            if figure is not None and not 0 < figure <= money.MAX_MINOR:
                raise Rejected("More than zero; leave it empty for no limit.", field=field)
        if not 1 <= self.validity_days <= VALIDITY_DAYS_MAX:
            raise Rejected(f"Between 1 and {VALIDITY_DAYS_MAX} days.", field="validity_days")
        _check_games(self.games)

    def as_values(self) -> dict[str, Any]:
        """The same as values that JSON knows."""
        return {**asdict(self), "wagering_multiplier": str(self.wagering_multiplier.normalize())}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Terms":
        """The terms that `as_values` wrote."""
        read = cls(**values)
        return replace(
            read,
            source=BonusSource(read.source),
            wagering_multiplier=Decimal(read.wagering_multiplier),
            wagering_base=WageringBase(read.wagering_base),
            games=tuple(GameTerm(**game) for game in values["games"]),
        )


@dataclass(frozen=True, slots=True)
class Gift:
    """How much an offer gives: an amount, or a percentage of a deposit up to a cap. Minor units."""

    kind: OfferKind
    amount: int | None = None
    percent: int | None = None
    cap: int | None = None

    def of(self, deposit: int | None) -> int:
        """What it gives for that deposit; a percentage is rounded half to even, once."""
        if self.kind == OfferKind.AMOUNT:
            return self.amount or 0
        return min(self.cap or 0, money.rounded(Fraction((deposit or 0) * (self.percent or 0), 100)))

    def check(self) -> None:
        """Raise Rejected at the first figure that is missing or out of range."""
        if self.kind == OfferKind.AMOUNT:
            if self.amount is None or not 0 < self.amount <= money.MAX_MINOR:
                raise Rejected("Enter an amount above zero.", field="amount")
            return
        if self.percent is None or not 1 <= self.percent <= 1000:
            raise Rejected("Between 1 and 1000 percent.", field="percent")
        if self.cap is None or not 0 < self.cap <= money.MAX_MINOR:
            raise Rejected("Say the most that it gives.", field="cap")


@dataclass(frozen=True, slots=True)
class Plan:
    """A grant as it would be made: terms and amounts settled. Minor units."""

    terms: Terms
    amount: int
    required: int
    offer_id: int | None = None
    deposit_sequence: int | None = None

    def write(self) -> str:
        """JSON text that is always the same for the same plan."""
        values = {**asdict(self), "terms": self.terms.as_values()}
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def read(cls, written: str) -> "Plan":
        """The plan that `write` wrote."""
        values = json.loads(written)
        return cls(**{**values, "terms": Terms.from_values(values["terms"])})


def _check_games(games: tuple[GameTerm, ...]) -> None:
    named = [(game.game_id, game.selection) for game in games]
    if len(set(named)) != len(named):
        raise Rejected("A game or a selection of it is named twice.", field="games")
    for game in games:
        if not 0 <= game.contribution_percent <= 100:
            raise Rejected("A contribution is between 0 and 100 percent.", field="games")
        if game.is_restricted and game.selection:
            raise Rejected("Only a whole game can be closed to bonus money.", field="games")
