"""What imports of old tables made: which run, which players and members, and what each old row became.

Append-only for the application; taking a run back, which only the owner can, removes its rows again.
"""

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Digest, Id, Instant


class LegacyRun(Base):
    """One set of old tables that moved in. A run that was stopped goes on under the same row."""

    __tablename__ = "legacy_runs"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    folder: Mapped[str]
    """The name of the folder that the tables lay in."""
    digest: Mapped[str]
    """First 16 hexadecimal digits of a SHA-256 over all its files."""
    begun_at: Mapped[Instant]

    __table_args__ = (
        UniqueConstraint("operator_id", "digest"),
        UniqueConstraint("id", "operator_id"),
        CheckConstraint("digest ~ '^[0-9a-f]{16}$'", name="digest"),
    )


class LegacyPlayer(Base):
    """A player whom a run made, with everything that hangs on the wallet as it was then."""

    __tablename__ = "legacy_players"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    operator_id: Mapped[int]
    run_id: Mapped[int]
    made: Mapped[str]
    """JSON text by which taking back sees whether anything has moved since."""

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "operator_id"], ["wallets.player_id", "wallets.operator_id"]),
        ForeignKeyConstraint(["run_id", "operator_id"], ["legacy_runs.id", "legacy_runs.operator_id"]),
        CheckConstraint("jsonb_typeof(made::jsonb) = 'object'", name="made"),
        # Whom a run made.
        Index("ix_legacy_players_run_id", "run_id"),
    )


class LegacyRow(Base):
    """A row of an old table: its id there, what it became, and those columns that have no other home."""

    __tablename__ = "legacy_rows"

    player_id: Mapped[int] = mapped_column(ForeignKey("legacy_players.player_id"), primary_key=True)
    old_table: Mapped[str] = mapped_column(primary_key=True)
    old_id: Mapped[str] = mapped_column(primary_key=True)
    line: Mapped[int]
    """Of its file, where it began."""
    digest: Mapped[Digest]
    """SHA-256 over its cells: a row that has changed since is not the one that moved in."""
    kept: Mapped[str] = mapped_column(server_default=text("'{}'"))
    """JSON text: column and cell, as they stood in the file."""
    currency: Mapped[str | None]
    """Of a balance: which of the player's it is."""
    bonus_id: Mapped[int | None]
    """Of a bonus: the grant that it became."""

    __table_args__ = (
        ForeignKeyConstraint(["player_id", "bonus_id"], ["bonuses.player_id", "bonuses.id"]),
        CheckConstraint(
            "old_table IN ('users', 'wallets', 'balances', 'vip_infos', 'player_bonuses')", name="old_table"
        ),
        CheckConstraint("line > 0", name="line"),
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        CheckConstraint("jsonb_typeof(kept::jsonb) = 'object'", name="kept"),
    )


class LegacyMember(Base):
    """A member whose points an import made, and how the old figures became ours. In points.

    `made` and the sums of the wallet are read from our tables, the others from the old rows: that the row
    stands is the proof that nothing is missing.
    """

    __tablename__ = "legacy_members"

    player_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    operator_id: Mapped[int]
    run_id: Mapped[int]
    is_new: Mapped[bool]
    """Whether the run made the player too."""
    digest: Mapped[Digest]
    """SHA-256 over all that the import knew of the member."""
    loaded: Mapped[int]
    """All old loads together, whether they moved in or not; negative where more was taken off."""
    redeemed: Mapped[int]
    """All old redemptions together. Loads less redemptions are the old balance."""
    inactive: Mapped[int]
    """Loads that were switched off there: none of ours."""
    deleted: Mapped[int]
    """Loads less redemptions that were deleted there: none of ours."""
    expired: Mapped[int]
    """Lapsed on their last day, before they moved in."""
    short: Mapped[int]
    """Redeemed or taken off there, where there were no points to take."""
    balance: Mapped[int]
    """With which the member moved in."""
    made: Mapped[str]
    """JSON text by which taking back sees whether anything has moved since."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "operator_id"], ["loyalty_wallets.player_id", "loyalty_wallets.operator_id"]
        ),
        ForeignKeyConstraint(["run_id", "operator_id"], ["legacy_runs.id", "legacy_runs.operator_id"]),
        CheckConstraint("loaded - redeemed - inactive - deleted - expired + short = balance", name="adds_up"),
        CheckConstraint("redeemed >= 0 AND expired >= 0 AND short >= 0 AND balance >= 0", name="parts"),
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        CheckConstraint("jsonb_typeof(made::jsonb) = 'object'", name="made"),
        # Whom a run made.
        Index("ix_legacy_members_run_id", "run_id", "player_id"),
        # Whose redemptions were larger than what there was.
        Index("ix_legacy_members_short", "run_id", "player_id", postgresql_where=text("short > 0")),
    )


class LegacyLoyaltyRow(Base):
    """A row of an old table of loyalty: its id there, what became of it, and cells without another home."""

    __tablename__ = "legacy_loyalty_rows"

    player_id: Mapped[int] = mapped_column(ForeignKey("legacy_members.player_id"), primary_key=True)
    old_table: Mapped[str] = mapped_column(primary_key=True)
    old_id: Mapped[str] = mapped_column(primary_key=True)
    line: Mapped[int]
    """Of its file, where it began."""
    digest: Mapped[Digest]
    """SHA-256 over its cells: a row that has changed since is not the one that moved in."""
    kept: Mapped[str] = mapped_column(server_default=text("'{}'"))
    """JSON text: column and cell, as they stood in the file."""
    outcome: Mapped[str]
    """Whether it `moved`; or was `inactive` or `deleted` there; or was `left_out`, as the report says."""
    short: Mapped[int] = mapped_column(server_default=text("0"))
    """Points that it asked for and that were not there."""
    sequence: Mapped[int | None]
    """The entry that it became."""
    card_id: Mapped[int | None]
    """The card that it became."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["player_id", "sequence"], ["loyalty_entries.player_id", "loyalty_entries.sequence"]
        ),
        ForeignKeyConstraint(["player_id", "card_id"], ["loyalty_cards.player_id", "loyalty_cards.id"]),
        CheckConstraint(
            "old_table IN ('loyalty_points', 'loyalty_redemptions', 'patient_loyalty_cards',"
            " 'loyalty_card_tier_history')",
            name="old_table",
        ),
        CheckConstraint("line > 0", name="line"),
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        CheckConstraint("jsonb_typeof(kept::jsonb) = 'object'", name="kept"),
        CheckConstraint("outcome IN ('moved', 'inactive', 'deleted', 'left_out')", name="outcome"),
        CheckConstraint("short >= 0", name="short"),
    )


class LegacyTier(Base):
    """A tier that an import made of an old type of card."""

    __tablename__ = "legacy_tiers"

    tier_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    operator_id: Mapped[int]
    run_id: Mapped[int]
    old_id: Mapped[str]
    made: Mapped[str]
    """JSON text: the tier as it was made."""

    __table_args__ = (
        ForeignKeyConstraint(["tier_id", "operator_id"], ["loyalty_tiers.id", "loyalty_tiers.operator_id"]),
        ForeignKeyConstraint(["run_id", "operator_id"], ["legacy_runs.id", "legacy_runs.operator_id"]),
        CheckConstraint("jsonb_typeof(made::jsonb) = 'object'", name="made"),
        Index("ix_legacy_tiers_run_id", "run_id"),
    )


class LegacyReport(Base):
    """What an import of loyalty had to say when it was done."""

    __tablename__ = "legacy_reports"

    id: Mapped[Id]
    operator_id: Mapped[int]
    run_id: Mapped[int]
    command: Mapped[str]
    report: Mapped[str]
    """JSON text, as the command prints it, each list cut to its first thousand."""
    finished_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(["run_id", "operator_id"], ["legacy_runs.id", "legacy_runs.operator_id"]),
        CheckConstraint("command IN ('legacy-loyalty', 'loyalty-coupons')", name="command"),
        CheckConstraint("jsonb_typeof(report::jsonb) = 'object'", name="report"),
        # Of an operator, the latest first.
        Index("ix_legacy_reports_operator_id", "operator_id", "id"),
        Index("ix_legacy_reports_run_id", "run_id"),
    )
