"""Operators: the brands, hospitals or shops whose players' money the desk runs."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Id, Instant, one_of


class MoneyMode(StrEnum):
    """Whether amounts can be bought or paid out; play money is marked on every page."""

    PLAY = "play"
    REAL = "real"


class StakeOrder(StrEnum):
    """Which money a stake takes first."""

    REAL_FIRST = "real_first"
    BONUS_FIRST = "bonus_first"


class WageringCounts(StrEnum):
    """How much of a stake counts toward a bonus's wagering."""

    BONUS = "bonus"
    """The part that the grant has paid."""
    WHOLE = "whole"


class Operator(Base):
    """Everything else belongs to one operator, and staff see only their own."""

    __tablename__ = "operators"

    id: Mapped[Id]
    slug: Mapped[str]
    name: Mapped[str]
    currency: Mapped[str]
    """The home currency: every player has a balance in it from the start."""
    timezone: Mapped[str]
    """IANA name; a day, a week and a month are this zone's."""
    money: Mapped[str]
    undo_seconds: Mapped[int] = mapped_column(server_default=text("30"))
    """How long one's own adjustment is held, so that it can be taken back; 0: posted at once."""
    second_factor_required: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether staff must sign in with a second factor."""
    stake_order: Mapped[str] = mapped_column(server_default=text("'real_first'"))
    wagering_counts: Mapped[str] = mapped_column(server_default=text("'bonus'"))
    active_bonuses_max: Mapped[int | None]
    """How many grants of one balance may be active at once, the others queueing; None: all."""
    xp_per_unit: Mapped[int] = mapped_column(server_default=text("1"))
    """Experience for each whole unit of real stake in the home currency."""
    referral_url: Mapped[str | None]
    """Where partners' links lead: the address of the operator's own site, with {code} in it."""
    created_at: Mapped[Instant]

    __table_args__ = (
        UniqueConstraint("slug"),
        CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]{0,39}$'", name="slug"),
        CheckConstraint("name <> ''", name="name"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        one_of("money", MoneyMode),
        CheckConstraint("undo_seconds BETWEEN 0 AND 300", name="undo_seconds"),
        one_of("stake_order", StakeOrder),
        one_of("wagering_counts", WageringCounts),
        CheckConstraint("active_bonuses_max > 0", name="active_bonuses_max"),
        CheckConstraint("xp_per_unit BETWEEN 0 AND 1000", name="xp_per_unit"),
        CheckConstraint(
            "referral_url LIKE 'https://%{code}%' AND length(referral_url) <= 300", name="referral_url"
        ),
    )
