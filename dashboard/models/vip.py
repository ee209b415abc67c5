"""VIP levels, what each allows in each currency, and who changed that when."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Instant, one_of


class Level(StrEnum):
    """From lowest to highest; `default` is a player without a level."""

    DEFAULT = "default"
    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"
    DIAMOND = "diamond"


class VipLevel(Base):
    """From how much total xp a player has a level. The default level is never reached by xp."""

    __tablename__ = "vip_levels"

    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"), primary_key=True)
    level: Mapped[str] = mapped_column(primary_key=True)
    xp_from: Mapped[int | None]

    __table_args__ = (
        one_of("level", Level),
        CheckConstraint("(level = 'default') = (xp_from IS NULL)", name="xp_from"),
        CheckConstraint("xp_from >= 0", name="xp_from_positive"),
        UniqueConstraint("operator_id", "xp_from"),
    )


class RuleFigures:
    """The figures of a rule, in minor units of its currency unless said otherwise."""

    min_balance: Mapped[int]
    """The floor of the real balance: a credit line, so zero or negative."""
    max_balance: Mapped[int]
    daily_limit: Mapped[int]
    """Gross: the absolute amounts of one calendar day's deposits, withdrawals, adjustments, transfers."""
    weekly_limit: Mapped[int]
    warning_threshold: Mapped[int]
    critical_threshold: Mapped[int]
    drop_percent: Mapped[int]
    """A single change that takes at least this share of the real balance is a significant drop."""
    approval_threshold: Mapped[int]
    """A change by hand above this, alone or in sum of the day, waits for a second person."""
    version: Mapped[int]


def _figure_checks() -> tuple[CheckConstraint, ...]:
    return (
        one_of("level", Level),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("min_balance <= 0 AND max_balance > 0", name="range"),
        CheckConstraint("daily_limit > 0 AND weekly_limit >= daily_limit", name="limits"),
        CheckConstraint(
            "critical_threshold >= 0 AND warning_threshold >= critical_threshold", name="thresholds"
        ),
        CheckConstraint("drop_percent BETWEEN 1 AND 100", name="drop_percent"),
        CheckConstraint("approval_threshold >= 0", name="approval_threshold"),
        CheckConstraint("version > 0", name="version"),
    )


class VipRule(RuleFigures, Base):
    """The rule in force for a level and currency. Without one, changes in that currency are refused."""

    __tablename__ = "vip_rules"

    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"), primary_key=True)
    level: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)

    __table_args__ = _figure_checks()


class VipRuleVersion(RuleFigures, Base):
    """Every version a rule ever had, with who made it and when. Append-only."""

    __tablename__ = "vip_rule_versions"

    operator_id: Mapped[int] = mapped_column(primary_key=True)
    level: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    changed_by: Mapped[str]
    changed_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(
            ["operator_id", "level", "currency"],
            ["vip_rules.operator_id", "vip_rules.level", "vip_rules.currency"],
        ),
        *_figure_checks(),
    )


class VipLevelChange(Base):
    """A player went from one level to another: when and why. Append-only."""

    __tablename__ = "vip_level_changes"

    player_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator_id: Mapped[int]
    from_level: Mapped[str]
    to_level: Mapped[str]
    reason: Mapped[str]
    total_xp: Mapped[int] = mapped_column(server_default=text("0"))
    """What the player had at that moment."""
    changed_by: Mapped[str]
    changed_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "operator_id"], ["wallets.player_id", "wallets.operator_id"]),
        one_of("from_level", Level),
        one_of("to_level", Level),
        CheckConstraint("from_level <> to_level", name="different"),
        CheckConstraint("reason <> ''", name="reason"),
    )
