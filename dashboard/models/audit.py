"""What staff did, what anchors hold, and what verification found."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Digest, Id, Instant


class StaffLog(Base):
    """Everything staff did besides moving money. Append-only."""

    __tablename__ = "staff_log"

    id: Mapped[Id]
    operator_id: Mapped[int | None] = mapped_column(ForeignKey("operators.id"))
    """None where nobody was signed in yet and no login matched."""
    performed_by: Mapped[str]
    action: Mapped[str]
    """A noun and what became of it, such as `wallet.frozen`."""
    player_id: Mapped[int | None]
    details: Mapped[str] = mapped_column(server_default=text("'{}'"))
    """JSON text; never a secret."""
    address: Mapped[str | None] = mapped_column(INET)
    request_id: Mapped[str | None]
    logged_at: Mapped[Instant]

    __table_args__ = (
        CheckConstraint("performed_by <> '' AND action <> ''", name="who_and_what"),
        CheckConstraint("jsonb_typeof(details::jsonb) = 'object'", name="details"),
        # The log of one operator, latest first.
        Index("ix_staff_log_operator_id_id", "operator_id", "id"),
        # What happened around one player.
        Index("ix_staff_log_player_id_id", "player_id", "id"),
    )


class Anchor(Base):
    """A sealed statement of every chain's head at one moment. Append-only.

    `root` covers the heads that moved since the anchor before and that anchor's root; `seal` is an
    HMAC over all of it with a key that is not in the database.
    """

    __tablename__ = "anchors"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1, 2, 3 … without a gap."""
    taken_at: Mapped[Instant]
    balances: Mapped[int]
    """How many journals had entries then: balances, and members' points."""
    entries: Mapped[int]
    """How many entries these had together."""
    heads: Mapped[int]
    """How many of them had moved since the anchor before."""
    root: Mapped[Digest]
    seal: Mapped[Digest]

    __table_args__ = (
        CheckConstraint("id > 0", name="id"),
        CheckConstraint("octet_length(root) = 32 AND octet_length(seal) = 32", name="digests"),
    )


class AnchorHead(Base):
    """The head of one chain when an anchor was taken; only chains that had moved. Append-only."""

    __tablename__ = "anchor_heads"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    """Or `points`, for the journal of a member's points."""
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    anchor_id: Mapped[int] = mapped_column(ForeignKey("anchors.id"))
    head: Mapped[Digest]

    __table_args__ = (
        CheckConstraint("octet_length(head) = 32", name="head"),
        Index("ix_anchor_heads_anchor_id", "anchor_id"),
    )


class Verification(Base):
    """The outcome of one proof of all journals. Append-only."""

    __tablename__ = "verifications"

    id: Mapped[Id]
    started_at: Mapped[Instant]
    finished_at: Mapped[Instant]
    ok: Mapped[bool]
    entries: Mapped[int]
    balances: Mapped[int]
    points_entries: Mapped[int] = mapped_column(server_default=text("0"))
    loyalty_wallets: Mapped[int] = mapped_column(server_default=text("0"))
    anchors: Mapped[int]
    findings: Mapped[str]
    """JSON text: a list of what differs, empty when nothing does."""

    __table_args__ = (
        CheckConstraint("jsonb_typeof(findings::jsonb) = 'array'", name="findings"),
        CheckConstraint("ok = (findings::jsonb = '[]'::jsonb)", name="ok"),
    )
