"""Alerts: what about a player's balance somebody should look at."""

from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Instant, one_of


class AlertType(StrEnum):
    """What was noticed."""

    WARNING = "warning"
    CRITICAL = "critical"
    LIMIT_EXCEEDED = "limit_exceeded"
    SIGNIFICANT_DROP = "significant_drop"
    NEGATIVE = "negative"
    UNUSUAL = "unusual"
    HELD_REFUSED = "held_refused"
    POINTS_EXPIRING = "points_expiring"
    TIER_ENDING = "tier_ending"


class Severity(StrEnum):
    """How soon somebody should look."""

    WARNING = "warning"
    CRITICAL = "critical"


class AlertState(StrEnum):
    """Where an alert is in its life."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Alert(Base):
    """At most one unresolved alert per player, currency and type; further hits raise its count."""

    __tablename__ = "alerts"

    player_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator_id: Mapped[int]
    currency: Mapped[str]
    type: Mapped[str]
    severity: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'open'"))
    hits: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    peak: Mapped[int]
    """The worst figure so far: the lowest real balance (warning, critical, negative) in minor units,
    the largest refused amount (limit_exceeded, held_refused), the largest drop in percent, the highest score,
    the most points that expire, or the most that is missing for a tier in minor units."""
    threshold: Mapped[int]
    """The figure that was crossed, in the same unit as the peak; of what ends, how many days before."""
    sequence: Mapped[int | None]
    """The entry of the last hit, if it was one."""
    raised_at: Mapped[Instant]
    last_hit_at: Mapped[Instant]
    acknowledged_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    acknowledged_at: Mapped[Instant | None]
    note: Mapped[str | None]
    """What the person who acknowledged it wrote."""
    assigned_to: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    assigned_at: Mapped[Instant | None]
    taken_at: Mapped[Instant | None]
    """When the one it is assigned to began to work on it."""
    snoozed_until: Mapped[Instant | None]
    """Out of the inbox until then; hits are counted meanwhile."""
    snooze_reason: Mapped[str | None]
    snoozed_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    resolution: Mapped[str | None]
    """What the person who resolved it wrote; none where the balance came back by itself."""
    resolved_by: Mapped[str | None]
    """`staff:<login id>`, or `system` when the balance itself came back."""
    resolved_at: Mapped[Instant | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
        ),
        one_of("type", AlertType),
        one_of("severity", Severity),
        one_of("state", AlertState),
        CheckConstraint("hits > 0", name="hits"),
        CheckConstraint(
            "(acknowledged_by IS NULL) = (acknowledged_at IS NULL)"
            " AND (state <> 'acknowledged' OR acknowledged_at IS NOT NULL)"
            " AND (state <> 'open' OR acknowledged_at IS NULL)",
            name="acknowledged",
        ),
        CheckConstraint(
            "(state = 'resolved') = (resolved_at IS NOT NULL)"
            " AND (resolved_by IS NULL) = (resolved_at IS NULL)",
            name="resolved",
        ),
        CheckConstraint(
            "(assigned_to IS NULL) = (assigned_at IS NULL) AND (taken_at IS NULL OR assigned_to IS NOT NULL)",
            name="assigned",
        ),
        CheckConstraint(
            "(snoozed_until IS NULL) = (snooze_reason IS NULL)"
            " AND (snoozed_until IS NULL) = (snoozed_by IS NULL)",
            name="snoozed",
        ),
        CheckConstraint("resolution IS NULL OR state = 'resolved'", name="resolution"),
        Index(
            "uq_alerts_unresolved",
            "player_id",
            "currency",
            "type",
            unique=True,
            postgresql_where=text("state <> 'resolved'"),
        ),
        # The inbox, latest hit first, and the counts in the navigation.
        Index("ix_alerts_inbox", "operator_id", "state", "last_hit_at", "player_id", "id"),
        # Whoever takes the next one: the gravest and oldest that nobody has.
        Index(
            "ix_alerts_free",
            "operator_id",
            "severity",
            "raised_at",
            "player_id",
            "id",
            postgresql_where=text("state = 'open' AND assigned_to IS NULL"),
        ),
        # Figures by the day on which alerts were raised.
        Index("ix_alerts_operator_id_raised_at", "operator_id", "raised_at"),
    )
