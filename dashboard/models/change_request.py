"""What waits before it becomes an entry: held changes, and those that need a second person; withdrawals."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Digest, Id, Instant, one_of
from dashboard.models.wallet import ChangeType


class RequestKind(StrEnum):
    """What is to be done once it is decided."""

    CHANGE = "change"
    REVERSAL = "reversal"
    TRANSFER = "transfer"
    PAYMENT = "payment"
    """Of a withdrawal that was requested."""
    UNFREEZE = "unfreeze"
    GRANT = "grant"
    """Of a bonus."""


class RequestState(StrEnum):
    """Where a request is: held for its maker, waiting for a second person, or at one of its ends."""

    HELD = "held"
    WAITING = "waiting"
    POSTED = "posted"
    TAKEN_BACK = "taken_back"
    REFUSED = "refused"
    APPROVED = "approved"
    DECLINED = "declined"
    LAPSED = "lapsed"


class ChangeRequest(Base):
    """A change that somebody wants and that is not posted yet, with how it ended. Never deleted.

    What was asked for cannot be altered (by grant); only state, decision and outcome can. That nobody
    decides their own request is a CHECK.
    """

    __tablename__ = "change_requests"

    player_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator_id: Mapped[int]
    kind: Mapped[str]
    currency: Mapped[str | None]
    """None for what moves no money."""
    change_type: Mapped[str | None]
    real_delta: Mapped[int] = mapped_column(server_default=text("0"))
    bonus_delta: Mapped[int] = mapped_column(server_default=text("0"))
    reason: Mapped[str]
    reference: Mapped[str | None]
    reverses: Mapped[int | None]
    withdrawal_id: Mapped[int | None]
    to_player_id: Mapped[int | None]
    """Who receives a transfer. No foreign key: it would not begin with the player."""
    override: Mapped[str | None]
    """JSON text: the rules that this one change was judged by, and why."""
    bonus: Mapped[str | None]
    """JSON text: the grant that is wanted, with its terms; its form stands in `services/bonus_terms.py`."""
    idempotency_key: Mapped[str]
    fingerprint: Mapped[Digest]
    real_before: Mapped[int | None]
    """What the requester saw; judged again when it is posted."""
    real_after: Mapped[int | None]
    rule_version: Mapped[int | None]
    """Of the VIP rule that it was judged by."""
    state: Mapped[str]
    requested_by: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    requested_at: Mapped[Instant]
    post_at: Mapped[Instant | None]
    """When a held change is posted unless it is taken back before."""
    lapses_at: Mapped[Instant | None]
    """When a waiting one ends by itself."""
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    decided_at: Mapped[Instant | None]
    decision_reason: Mapped[str | None]
    ended_at: Mapped[Instant | None]
    outcome: Mapped[str | None]
    """Why a held change was refused when its time came."""
    sequence: Mapped[int | None]
    """The entry that it became."""

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "operator_id"], ["wallets.player_id", "wallets.operator_id"]),
        ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
        ),
        ForeignKeyConstraint(
            ["player_id", "currency", "sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
        ),
        ForeignKeyConstraint(["player_id", "withdrawal_id"], ["withdrawals.player_id", "withdrawals.id"]),
        UniqueConstraint("player_id", "idempotency_key"),
        one_of("kind", RequestKind),
        one_of("state", RequestState),
        one_of("change_type", ChangeType),
        CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
        CheckConstraint("octet_length(fingerprint) = 32", name="fingerprint"),
        CheckConstraint("length(idempotency_key) BETWEEN 1 AND 100", name="idempotency_key"),
        CheckConstraint("jsonb_typeof(override::jsonb) = 'object'", name="override"),
        CheckConstraint("jsonb_typeof(bonus::jsonb) = 'object'", name="bonus"),
        CheckConstraint(
            "(kind = 'unfreeze') = (currency IS NULL) AND (kind = 'unfreeze') = (change_type IS NULL)"
            " AND (kind = 'reversal') = (reverses IS NOT NULL)"
            " AND (kind = 'payment') = (withdrawal_id IS NOT NULL)"
            " AND (kind = 'transfer') = (to_player_id IS NOT NULL)"
            " AND (kind = 'grant') = (bonus IS NOT NULL)"
            " AND (kind = 'unfreeze' OR real_delta <> 0 OR bonus_delta <> 0)",
            name="asked",
        ),
        CheckConstraint("to_player_id <> player_id", name="to_player_id"),
        # Maker is not checker, whatever a page or a forged post says.
        CheckConstraint("decided_by <> requested_by", name="second_person"),
        CheckConstraint(
            "(state IN ('approved', 'declined')) = (decided_by IS NOT NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)"
            " AND (decided_by IS NULL) = (decision_reason IS NULL) AND decision_reason <> ''",
            name="decision",
        ),
        CheckConstraint("(state IN ('held', 'waiting')) = (ended_at IS NULL)", name="ended_at"),
        CheckConstraint("state <> 'held' OR (post_at IS NOT NULL AND kind = 'change')", name="held"),
        CheckConstraint("state <> 'waiting' OR lapses_at IS NOT NULL", name="waiting"),
        CheckConstraint("(state = 'refused') = (outcome IS NOT NULL)", name="outcome"),
        CheckConstraint(
            # A granted bonus that queues has no entry yet.
            "(state IN ('posted', 'approved') AND kind <> 'unfreeze') = (sequence IS NOT NULL)"
            " OR (kind = 'grant' AND state = 'approved')",
            name="entry",
        ),
        # The inbox of those who decide, and its history.
        Index("ix_change_requests_inbox", "operator_id", "state", "requested_at", "player_id", "id"),
        # What the worker posts, and what it lets lapse.
        Index("ix_change_requests_held", "post_at", postgresql_where=text("state = 'held'")),
        Index("ix_change_requests_waiting", "lapses_at", postgresql_where=text("state = 'waiting'")),
        # What a member of staff has under way.
        Index("ix_change_requests_requested_by", "requested_by", "requested_at"),
    )


class WithdrawalState(StrEnum):
    """A withdrawal is requested, then paid or cancelled."""

    REQUESTED = "requested"
    PAID = "paid"
    CANCELLED = "cancelled"


class Withdrawal(Base):
    """Money that a player wants to be paid. While it is requested, the amount is pending."""

    __tablename__ = "withdrawals"

    player_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator_id: Mapped[int]
    currency: Mapped[str]
    amount: Mapped[int]
    """Positive, in minor units."""
    reason: Mapped[str]
    reference: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default=text("'requested'"))
    idempotency_key: Mapped[str]
    fingerprint: Mapped[Digest]
    requested_by: Mapped[str]
    """`staff:<login id>` or `system`."""
    requested_at: Mapped[Instant]
    ended_by: Mapped[str | None]
    ended_at: Mapped[Instant | None]
    end_reason: Mapped[str | None]
    sequence: Mapped[int | None]
    """The entry of the payment."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "currency", "operator_id"],
            ["balances.player_id", "balances.currency", "balances.operator_id"],
        ),
        ForeignKeyConstraint(
            ["player_id", "currency", "sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
        ),
        UniqueConstraint("player_id", "idempotency_key"),
        one_of("state", WithdrawalState),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
        CheckConstraint("length(reference) BETWEEN 1 AND 100", name="reference"),
        CheckConstraint("octet_length(fingerprint) = 32", name="fingerprint"),
        CheckConstraint(
            "(state = 'requested') = (ended_at IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)",
            name="ended",
        ),
        CheckConstraint("(state = 'paid') = (sequence IS NOT NULL)", name="entry"),
        # What waits for payment, and what was paid of late.
        Index("ix_withdrawals_inbox", "operator_id", "state", "requested_at", "player_id", "id"),
        # What is pending on a balance.
        Index(
            "ix_withdrawals_open",
            "player_id",
            "currency",
            postgresql_include=["amount", "requested_at"],
            postgresql_where=text("state = 'requested'"),
        ),
    )


class SettingKind(StrEnum):
    """What of the operator is to be changed."""

    VIP_RULE = "vip_rule"
    ALLOWANCE = "allowance"
    ROLE = "role"
    OPERATOR = "operator"


class SettingRequest(Base):
    """A change of limits, allowances, roles or the operator's settings that waits for a second admin."""

    __tablename__ = "setting_requests"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    kind: Mapped[str]
    subject: Mapped[str]
    """What it is about: a level and currency, or a login."""
    before: Mapped[str]
    """JSON text: the figures that the requester saw; other ones in the meantime make it stale."""
    after: Mapped[str]
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    requested_by: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    requested_at: Mapped[Instant]
    lapses_at: Mapped[Instant]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    decided_at: Mapped[Instant | None]
    decision_reason: Mapped[str | None]
    ended_at: Mapped[Instant | None]

    __table_args__ = (
        one_of("kind", SettingKind),
        CheckConstraint("state IN ('waiting', 'approved', 'declined', 'lapsed')", name="state"),
        CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
        CheckConstraint("decided_by <> requested_by", name="second_person"),
        CheckConstraint(
            "(state IN ('approved', 'declined')) = (decided_by IS NOT NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)"
            " AND (decided_by IS NULL) = (decision_reason IS NULL) AND decision_reason <> ''",
            name="decision",
        ),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="ended_at"),
        CheckConstraint("jsonb_typeof(before::jsonb) = 'object'", name="before"),
        CheckConstraint("jsonb_typeof(after::jsonb) = 'object'", name="after"),
        # One change of the same thing waits at a time.
        Index(
            "uq_setting_requests_waiting",
            "operator_id",
            "kind",
            "subject",
            unique=True,
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_setting_requests_inbox", "operator_id", "state", "requested_at", "id"),
    )
