"""Loyalty: programmes, tiers, members' points in batches, their journal, cards, notices, outgoing events.

Revision 20261121_0008, after 20261121_0007.
"""

import sqlalchemy as sa
from alembic import op

from dashboard import money

revision = "20261121_0008"
down_revision = "20261121_0007"
branch_labels = None
depends_on = None

APPENDED = ("loyalty_entries", "tier_history", "loyalty_notices", "outgoing_events")
# What was agreed, loaded and asked for stands; only how it goes on changes.
UPDATABLE = {
    "loyalty_programmes": (
        *("conversion_points", "conversion_amount", "refund_policy", "grace_days", "tier_loss"),
        "approval_points",
    ),
    "loyalty_tiers": (
        *("code", "name", "minimum_payment", "points", "discount_bp", "validity_months", "is_active"),
    ),
    "loyalty_wallets": (
        *("status", "status_reason", "status_by", "status_at", "tier_id", "discount_bp", "tier_valid_until"),
        *("balance", "loaded", "redeemed", "expired", "reversed", "refunded", "owed", "amount_paid"),
        *("batches", "version", "head", "updated_at"),
    ),
    "points_batches": (
        *("expires_on", "remaining", "redeemed", "expired", "reversed", "amount_refunded", "owed"),
    ),
    "points_allocations": ("refunded",),
    "loyalty_months": ("loaded", "remaining", "redeemed", "expired", "reversed"),
    "loyalty_cards": ("is_active",),
    "points_requests": (*("state", "decided_by", "decided_at", "decision_reason", "ended_at", "sequence"),),
}
# Beside these nothing is written with a new row: a decision is somebody else's, later.
INSERTABLE = {
    "points_requests": (
        *("player_id", "operator_id", "points", "reason", "idempotency_key", "requested_by", "requested_at"),
        "lapses_at",
    ),
}
ALERT_TYPES = (
    *("warning", "critical", "limit_exceeded", "significant_drop", "negative", "unusual", "held_refused"),
)
# What a proof goes over besides money.
COVERED = ("points_entries", "loyalty_wallets")
SHIPPED = (
    ("silver", "Silver", 22_000, 25_000, 200),
    ("gold", "Gold", 45_000, 50_000, 300),
    ("platinum", "Platinum", 92_000, 100_000, 500),
)


def upgrade() -> None:
    create_tables()
    for table in APPENDED:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO purser_app")
    for table, columns in UPDATABLE.items():
        written = f"INSERT ({', '.join(INSERTABLE[table])})" if table in INSERTABLE else "INSERT"
        op.execute(f"GRANT SELECT, {written}, UPDATE ({', '.join(columns)}) ON {table} TO purser_app")
    op.execute(f"GRANT SELECT ON {', '.join((*APPENDED, *UPDATABLE))} TO purser_report")
    allow_alerts((*ALERT_TYPES, "points_expiring", "tier_ending"))
    for name in COVERED:
        column = sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        op.add_column("verifications", column)
    ship()


def ship() -> None:
    """Operators that are there already get what a new one starts from."""
    connection = op.get_bind()
    connection.execute(sa.text("INSERT INTO loyalty_programmes (operator_id) SELECT id FROM operators"))
    for operator in connection.execute(sa.text("SELECT id, currency FROM operators")).all():
        for code, name, payment, points, discount_bp in SHIPPED:
            connection.execute(
                sa.text(
                    "INSERT INTO loyalty_tiers (operator_id, code, name, minimum_payment, points, discount_bp,"
                    " validity_months) VALUES (:operator, :code, :name, :payment, :points, :discount, 12)"
                ),
                {
                    "operator": operator.id,
                    "code": code,
                    "name": name,
                    "payment": money.from_whole(payment, operator.currency),
                    "points": points,
                    "discount": discount_bp,
                },
            )


def allow_alerts(types: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_alerts_type"), "alerts", type_="check")
    listed = ", ".join(f"'{name}'" for name in types)
    op.create_check_constraint(op.f("ck_alerts_type"), "alerts", f"type IN ({listed})")


def create_tables() -> None:
    op.create_table(
        "loyalty_programmes",
        sa.Column("operator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("conversion_points", sa.BigInteger(), nullable=True),
        sa.Column("conversion_amount", sa.BigInteger(), nullable=True),
        sa.Column("refund_policy", sa.Text(), server_default=sa.text("'grace'"), nullable=False),
        sa.Column("grace_days", sa.SmallInteger(), server_default=sa.text("30"), nullable=False),
        sa.Column("tier_loss", sa.Text(), server_default=sa.text("'one_step'"), nullable=False),
        sa.Column("approval_points", sa.BigInteger(), server_default=sa.text("500"), nullable=False),
        sa.CheckConstraint(
            "refund_policy IN ('grace', 'original', 'extend')",
            name=op.f("ck_loyalty_programmes_refund_policy"),
        ),
        sa.CheckConstraint(
            "tier_loss IN ('one_step', 'qualifying')", name=op.f("ck_loyalty_programmes_tier_loss")
        ),
        sa.CheckConstraint(
            "(conversion_points IS NULL) = (conversion_amount IS NULL) AND conversion_points > 0 AND conversion_amount > 0",
            name=op.f("ck_loyalty_programmes_conversion"),
        ),
        sa.CheckConstraint("approval_points >= 0", name=op.f("ck_loyalty_programmes_approval_points")),
        sa.CheckConstraint("grace_days BETWEEN 1 AND 365", name=op.f("ck_loyalty_programmes_grace_days")),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_loyalty_programmes_operator_id")
        ),
        sa.PrimaryKeyConstraint("operator_id", name=op.f("pk_loyalty_programmes")),
    )
    op.create_table(
        "outgoing_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("player_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "jsonb_typeof(payload::jsonb) = 'object'", name=op.f("ck_outgoing_events_payload")
        ),
        sa.CheckConstraint("kind ~ '^[a-z_]+[.][a-z_]+$'", name=op.f("ck_outgoing_events_kind")),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_outgoing_events_operator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_events")),
    )
    op.create_index(
        "ix_outgoing_events_operator_id_id", "outgoing_events", ["operator_id", "id"], unique=False
    )
    op.create_table(
        "loyalty_months",
        sa.Column("operator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("loaded", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("redeemed", sa.BigInteger(), nullable=False),
        sa.Column("expired", sa.BigInteger(), nullable=False),
        sa.Column("reversed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_loyalty_months_month")),
        sa.CheckConstraint(
            "loaded = remaining + redeemed + expired + reversed", name=op.f("ck_loyalty_months_adds_up")
        ),
        sa.CheckConstraint(
            "remaining >= 0 AND redeemed >= 0 AND expired >= 0 AND reversed >= 0",
            name=op.f("ck_loyalty_months_parts"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["loyalty_programmes.operator_id"], name=op.f("fk_loyalty_months_operator_id")
        ),
        sa.PrimaryKeyConstraint("operator_id", "month", "slot", name=op.f("pk_loyalty_months")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "loyalty_tiers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("minimum_payment", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("discount_bp", sa.SmallInteger(), nullable=False),
        sa.Column("validity_months", sa.SmallInteger(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("code ~ '^[a-z0-9][a-z0-9-]{0,19}$'", name=op.f("ck_loyalty_tiers_code")),
        sa.CheckConstraint("discount_bp BETWEEN 0 AND 10000", name=op.f("ck_loyalty_tiers_discount_bp")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 40", name=op.f("ck_loyalty_tiers_name")),
        sa.CheckConstraint("minimum_payment > 0 AND points > 0", name=op.f("ck_loyalty_tiers_gives")),
        sa.CheckConstraint(
            "validity_months BETWEEN 1 AND 120", name=op.f("ck_loyalty_tiers_validity_months")
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["loyalty_programmes.operator_id"], name=op.f("fk_loyalty_tiers_operator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loyalty_tiers")),
        sa.UniqueConstraint("id", "operator_id", name=op.f("uq_loyalty_tiers_id_operator_id")),
        sa.UniqueConstraint("operator_id", "code", name=op.f("uq_loyalty_tiers_operator_id_code")),
    )
    op.create_index(
        "uq_loyalty_tiers_minimum_payment",
        "loyalty_tiers",
        ["operator_id", "minimum_payment"],
        unique=True,
        postgresql_where=sa.text("is_active"),
    )
    op.create_table(
        "loyalty_wallets",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("status_by", sa.BigInteger(), nullable=True),
        sa.Column("status_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tier_id", sa.BigInteger(), nullable=True),
        sa.Column("discount_bp", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("tier_valid_until", sa.Date(), nullable=True),
        sa.Column("balance", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("loaded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("redeemed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("expired", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reversed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refunded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("owed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("amount_paid", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("batches", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "head",
            sa.LargeBinary(),
            server_default=sa.text("decode(repeat('00', 32), 'hex')"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status <> 'closed' OR (balance = 0 AND tier_id IS NULL)", name=op.f("ck_loyalty_wallets_closed")
        ),
        sa.CheckConstraint(
            "status = 'active' OR (coalesce(status_reason, '') <> '' AND status_at IS NOT NULL)",
            name=op.f("ck_loyalty_wallets_status_reason"),
        ),
        sa.CheckConstraint(
            "status IN ('active', 'suspended', 'closed')", name=op.f("ck_loyalty_wallets_status")
        ),
        sa.CheckConstraint(
            "(tier_id IS NULL) = (tier_valid_until IS NULL) AND (tier_id IS NOT NULL OR discount_bp = 0)",
            name=op.f("ck_loyalty_wallets_tier"),
        ),
        sa.CheckConstraint(
            "balance >= 0 AND loaded >= 0 AND redeemed >= 0 AND expired >= 0 AND reversed >= 0 AND refunded >= 0 AND owed >= 0 AND amount_paid >= 0",
            name=op.f("ck_loyalty_wallets_sums"),
        ),
        sa.CheckConstraint("batches >= 0 AND version >= 0", name=op.f("ck_loyalty_wallets_counts")),
        sa.CheckConstraint("discount_bp BETWEEN 0 AND 10000", name=op.f("ck_loyalty_wallets_discount_bp")),
        sa.CheckConstraint(
            "loaded = balance + redeemed + expired + reversed", name=op.f("ck_loyalty_wallets_adds_up")
        ),
        sa.CheckConstraint("octet_length(head) = 32", name=op.f("ck_loyalty_wallets_head")),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["wallets.player_id", "wallets.operator_id"],
            name=op.f("fk_loyalty_wallets_player_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(["status_by"], ["logins.id"], name=op.f("fk_loyalty_wallets_status_by")),
        sa.ForeignKeyConstraint(
            ["tier_id", "operator_id"],
            ["loyalty_tiers.id", "loyalty_tiers.operator_id"],
            name=op.f("fk_loyalty_wallets_tier_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", name=op.f("pk_loyalty_wallets")),
        sa.UniqueConstraint(
            "operator_id", "player_id", name=op.f("uq_loyalty_wallets_operator_id_player_id")
        ),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "ix_loyalty_wallets_not_active",
        "loyalty_wallets",
        ["operator_id", "status", "player_id"],
        unique=False,
        postgresql_where=sa.text("status <> 'active'"),
    )
    op.create_index(
        "ix_loyalty_wallets_operator_id_tier_id",
        "loyalty_wallets",
        ["operator_id", "tier_id", "player_id"],
        unique=False,
    )
    op.create_index(
        "ix_loyalty_wallets_owed",
        "loyalty_wallets",
        ["operator_id", "player_id"],
        unique=False,
        postgresql_where=sa.text("owed > 0"),
    )
    op.create_index(
        "ix_loyalty_wallets_tier_valid_until",
        "loyalty_wallets",
        ["operator_id", "tier_valid_until"],
        unique=False,
        postgresql_where=sa.text("tier_id IS NOT NULL"),
    )
    op.create_table(
        "loyalty_cards",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("tier_id", sa.BigInteger(), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("number ~ '^[A-Za-z0-9-]{4,40}$'", name=op.f("ck_loyalty_cards_number")),
        sa.CheckConstraint("expires_on >= issued_on", name=op.f("ck_loyalty_cards_expires_on")),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["loyalty_wallets.player_id", "loyalty_wallets.operator_id"],
            name=op.f("fk_loyalty_cards_player_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tier_id", "operator_id"],
            ["loyalty_tiers.id", "loyalty_tiers.operator_id"],
            name=op.f("fk_loyalty_cards_tier_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "id", name=op.f("pk_loyalty_cards")),
    )
    op.create_index(
        "uq_loyalty_cards_active",
        "loyalty_cards",
        ["player_id"],
        unique=True,
        postgresql_where=sa.text("is_active"),
    )
    op.create_index("uq_loyalty_cards_number", "loyalty_cards", ["operator_id", "number"], unique=True)
    op.create_table(
        "loyalty_notices",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("days", sa.SmallInteger(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "subject = 'points' AND days IN (1, 7, 30) OR subject = 'tier' AND days = 30",
            name=op.f("ck_loyalty_notices_days"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["loyalty_wallets.player_id", "loyalty_wallets.operator_id"],
            name=op.f("fk_loyalty_notices_player_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "subject", "ends_on", "days", name=op.f("pk_loyalty_notices")),
    )
    op.create_table(
        "loyalty_entries",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("base_points", sa.BigInteger(), nullable=False),
        sa.Column("bonus_points", sa.BigInteger(), nullable=False),
        sa.Column(
            "points",
            sa.BigInteger(),
            sa.Computed("base_points + bonus_points", persisted=True),
            nullable=False,
        ),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column(
            "balance_before",
            sa.BigInteger(),
            sa.Computed("balance_after - base_points - bonus_points", persisted=True),
            nullable=False,
        ),
        sa.Column("invoice", sa.Text(), nullable=True),
        sa.Column("payment", sa.Text(), nullable=True),
        sa.Column("payment_mode", sa.Text(), nullable=True),
        sa.Column("payment_amount", sa.BigInteger(), nullable=True),
        sa.Column("price", sa.BigInteger(), nullable=True),
        sa.Column("discount_bp", sa.SmallInteger(), nullable=True),
        sa.Column("tier_id", sa.BigInteger(), nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("reverses", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("wallet_sequence", sa.BigInteger(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("performed_by", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'convert') = (wallet_sequence IS NOT NULL) AND (wallet_sequence IS NULL) = (currency IS NULL)",
            name=op.f("ck_loyalty_entries_convert"),
        ),
        sa.CheckConstraint(
            "CASE kind WHEN 'load' THEN base_points > 0 AND bonus_points >= 0 AND payment_amount > 0 WHEN 'redeem' THEN base_points <= 0 AND bonus_points <= 0 AND base_points + bonus_points < 0 WHEN 'refund_service' THEN base_points >= 0 AND bonus_points >= 0  AND base_points + bonus_points > 0 AND reverses IS NOT NULL WHEN 'refund_wallet' THEN base_points <= 0 AND bonus_points <= 0  AND base_points + bonus_points < 0 AND payment_amount >= 0 WHEN 'expire' THEN base_points <= 0 AND bonus_points <= 0 AND base_points + bonus_points < 0 WHEN 'adjustment' THEN base_points + bonus_points <> 0 AND sign(base_points) * sign(bonus_points) >= 0 WHEN 'convert' THEN base_points <= 0 AND bonus_points <= 0 AND base_points + bonus_points < 0  AND wallet_sequence IS NOT NULL AND payment_amount > 0 WHEN 'transfer_tier' THEN base_points = 0 AND bonus_points = 0 WHEN 'reversal' THEN base_points <= 0 AND bonus_points <= 0 AND reverses IS NOT NULL  AND (coalesce(payment_amount, 0) > 0 OR base_points + bonus_points < 0) END",
            name=op.f("ck_loyalty_entries_direction"),
        ),
        sa.CheckConstraint(
            "CASE kind WHEN 'load' THEN expires_on IS NOT NULL WHEN 'adjustment' THEN (expires_on IS NOT NULL) = (base_points + bonus_points > 0) WHEN 'transfer_tier' THEN (expires_on IS NULL) = (tier_id IS NULL) WHEN 'refund_service' THEN true ELSE expires_on IS NULL END",
            name=op.f("ck_loyalty_entries_expires_on"),
        ),
        sa.CheckConstraint(
            "CASE kind WHEN 'redeem' THEN (price IS NULL) = (discount_bp IS NULL)  AND (price IS NULL) = (payment_amount IS NULL) WHEN 'transfer_tier' THEN price IS NULL AND (discount_bp IS NULL) = (tier_id IS NULL) ELSE price IS NULL AND discount_bp IS NULL END",
            name=op.f("ck_loyalty_entries_service"),
        ),
        sa.CheckConstraint(
            "kind IN ('load', 'redeem', 'refund_service', 'refund_wallet', 'expire', 'adjustment', 'convert', 'transfer_tier', 'reversal')",
            name=op.f("ck_loyalty_entries_kind"),
        ),
        sa.CheckConstraint(
            "kind IN ('refund_service', 'reversal') = (reverses IS NOT NULL) AND reverses < sequence",
            name=op.f("ck_loyalty_entries_reverses"),
        ),
        sa.CheckConstraint("performed_by <> ''", name=op.f("ck_loyalty_entries_performed_by")),
        sa.CheckConstraint("balance_after >= 0", name=op.f("ck_loyalty_entries_balance_after")),
        sa.CheckConstraint("discount_bp BETWEEN 0 AND 10000", name=op.f("ck_loyalty_entries_discount_bp")),
        sa.CheckConstraint(
            "length(idempotency_key) BETWEEN 1 AND 100", name=op.f("ck_loyalty_entries_idempotency_key")
        ),
        sa.CheckConstraint(
            "length(invoice) BETWEEN 1 AND 100 AND length(payment) BETWEEN 1 AND 100 AND length(payment_mode) BETWEEN 1 AND 40",
            name=op.f("ck_loyalty_entries_references"),
        ),
        sa.CheckConstraint("length(notes) BETWEEN 1 AND 500", name=op.f("ck_loyalty_entries_notes")),
        sa.CheckConstraint(
            "octet_length(fingerprint) = 32 AND octet_length(hash) = 32",
            name=op.f("ck_loyalty_entries_digests"),
        ),
        sa.CheckConstraint("payment_amount >= 0 AND price > 0", name=op.f("ck_loyalty_entries_amounts")),
        sa.CheckConstraint("sequence > 0", name=op.f("ck_loyalty_entries_sequence")),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "wallet_sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
            name=op.f("fk_loyalty_entries_player_id_currency_wallet_sequence"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["loyalty_wallets.player_id", "loyalty_wallets.operator_id"],
            name=op.f("fk_loyalty_entries_player_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "reverses"],
            ["loyalty_entries.player_id", "loyalty_entries.sequence"],
            name=op.f("fk_loyalty_entries_player_id_reverses"),
        ),
        sa.ForeignKeyConstraint(
            ["tier_id", "operator_id"],
            ["loyalty_tiers.id", "loyalty_tiers.operator_id"],
            name=op.f("fk_loyalty_entries_tier_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "sequence", name=op.f("pk_loyalty_entries")),
        sa.UniqueConstraint(
            "player_id", "idempotency_key", name=op.f("uq_loyalty_entries_player_id_idempotency_key")
        ),
    )
    op.create_index(
        "ix_loyalty_entries_adjustments",
        "loyalty_entries",
        ["player_id", "performed_by", "created_at"],
        unique=False,
        postgresql_where=sa.text("kind = 'adjustment'"),
    )
    op.create_index(
        "ix_loyalty_entries_recent",
        "loyalty_entries",
        ["operator_id", "created_at", "player_id", "sequence"],
        unique=False,
        postgresql_include=["kind", "points", "payment_amount"],
    )
    op.create_index(
        "uq_loyalty_entries_wallet_sequence",
        "loyalty_entries",
        ["player_id", "currency", "wallet_sequence"],
        unique=True,
        postgresql_where=sa.text("wallet_sequence IS NOT NULL"),
    )
    op.create_index(
        "ix_loyalty_entries_reverses",
        "loyalty_entries",
        ["player_id", "reverses"],
        unique=False,
        postgresql_where=sa.text("reverses IS NOT NULL"),
    )
    op.create_table(
        "points_batches",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Integer(), nullable=True),
        sa.Column("loaded_on", sa.Date(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("base_loaded", sa.BigInteger(), nullable=False),
        sa.Column("bonus_loaded", sa.BigInteger(), nullable=False),
        sa.Column(
            "loaded",
            sa.BigInteger(),
            sa.Computed("base_loaded + bonus_loaded", persisted=True),
            nullable=False,
        ),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("redeemed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("expired", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reversed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("amount_paid", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("amount_refunded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("owed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "amount_refunded BETWEEN 0 AND amount_paid", name=op.f("ck_points_batches_amount_refunded")
        ),
        sa.CheckConstraint(
            "base_loaded >= 0 AND bonus_loaded >= 0 AND loaded > 0", name=op.f("ck_points_batches_loaded")
        ),
        sa.CheckConstraint("expires_on >= loaded_on", name=op.f("ck_points_batches_expires_on")),
        sa.CheckConstraint(
            "loaded = remaining + redeemed + expired + reversed", name=op.f("ck_points_batches_adds_up")
        ),
        sa.CheckConstraint("number > 0 AND origin < number", name=op.f("ck_points_batches_number")),
        sa.CheckConstraint("origin IS NULL OR amount_paid = 0", name=op.f("ck_points_batches_origin")),
        sa.CheckConstraint("owed BETWEEN 0 AND loaded", name=op.f("ck_points_batches_owed")),
        sa.CheckConstraint(
            "remaining >= 0 AND redeemed >= 0 AND expired >= 0 AND reversed >= 0",
            name=op.f("ck_points_batches_parts"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["loyalty_wallets.player_id", "loyalty_wallets.operator_id"],
            name=op.f("fk_points_batches_player_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "origin"],
            ["points_batches.player_id", "points_batches.number"],
            name=op.f("fk_points_batches_player_id_origin"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "sequence"],
            ["loyalty_entries.player_id", "loyalty_entries.sequence"],
            name=op.f("fk_points_batches_player_id_sequence"),
        ),
        sa.PrimaryKeyConstraint("player_id", "number", name=op.f("pk_points_batches")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "ix_points_batches_expires_on",
        "points_batches",
        ["operator_id", "expires_on", "player_id", "number"],
        unique=False,
        postgresql_include=["remaining"],
        postgresql_where=sa.text("remaining > 0"),
    )
    op.create_index(
        "ix_points_batches_open",
        "points_batches",
        ["player_id", "expires_on", "number"],
        unique=False,
        postgresql_where=sa.text("remaining > 0"),
    )
    op.create_index("ix_points_batches_sequence", "points_batches", ["player_id", "sequence"], unique=False)
    op.create_table(
        "points_requests",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("requested_by", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lapses_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'approved') = (sequence IS NOT NULL)", name=op.f("ck_points_requests_sequence")
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (ended_at IS NULL)", name=op.f("ck_points_requests_ended_at")
        ),
        sa.CheckConstraint(
            "(state IN ('approved', 'declined')) = (decided_by IS NOT NULL) AND (decided_by IS NULL) = (decided_at IS NULL) AND (decided_by IS NULL) = (decision_reason IS NULL) AND decision_reason <> ''",
            name=op.f("ck_points_requests_decision"),
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'declined', 'lapsed')", name=op.f("ck_points_requests_state")
        ),
        sa.CheckConstraint("decided_by <> requested_by", name=op.f("ck_points_requests_second_person")),
        sa.CheckConstraint(
            "length(idempotency_key) BETWEEN 1 AND 100", name=op.f("ck_points_requests_idempotency_key")
        ),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_points_requests_reason")),
        sa.CheckConstraint("points <> 0", name=op.f("ck_points_requests_points")),
        sa.ForeignKeyConstraint(["decided_by"], ["logins.id"], name=op.f("fk_points_requests_decided_by")),
        sa.ForeignKeyConstraint(
            ["player_id", "operator_id"],
            ["loyalty_wallets.player_id", "loyalty_wallets.operator_id"],
            name=op.f("fk_points_requests_player_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "sequence"],
            ["loyalty_entries.player_id", "loyalty_entries.sequence"],
            name=op.f("fk_points_requests_player_id_sequence"),
        ),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["logins.id"], name=op.f("fk_points_requests_requested_by")
        ),
        sa.PrimaryKeyConstraint("player_id", "id", name=op.f("pk_points_requests")),
        sa.UniqueConstraint(
            "player_id", "idempotency_key", name=op.f("uq_points_requests_player_id_idempotency_key")
        ),
    )
    op.create_index(
        "ix_points_requests_inbox",
        "points_requests",
        ["operator_id", "state", "requested_at", "player_id", "id"],
        unique=False,
    )
    op.create_index(
        "ix_points_requests_waiting",
        "points_requests",
        ["player_id"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "tier_history",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("previous_tier_id", sa.BigInteger(), nullable=True),
        sa.Column("tier_id", sa.BigInteger(), nullable=True),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "CASE change WHEN 'new' THEN previous_tier_id IS NULL AND tier_id IS NOT NULL WHEN 'renewal' THEN tier_id = previous_tier_id AND tier_id IS NOT NULL WHEN 'manual' THEN true ELSE previous_tier_id IS NOT NULL AND tier_id IS DISTINCT FROM previous_tier_id END",
            name=op.f("ck_tier_history_steps"),
        ),
        sa.CheckConstraint(
            "change IN ('new', 'upgrade', 'downgrade', 'renewal', 'manual')",
            name=op.f("ck_tier_history_change"),
        ),
        sa.CheckConstraint(
            "(tier_id IS NULL) = (valid_until IS NULL)", name=op.f("ck_tier_history_valid_until")
        ),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_tier_history_reason")),
        sa.ForeignKeyConstraint(
            ["player_id", "sequence"],
            ["loyalty_entries.player_id", "loyalty_entries.sequence"],
            name=op.f("fk_tier_history_player_id_sequence"),
        ),
        sa.ForeignKeyConstraint(
            ["previous_tier_id", "operator_id"],
            ["loyalty_tiers.id", "loyalty_tiers.operator_id"],
            name=op.f("fk_tier_history_previous_tier_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tier_id", "operator_id"],
            ["loyalty_tiers.id", "loyalty_tiers.operator_id"],
            name=op.f("fk_tier_history_tier_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("player_id", "id", name=op.f("pk_tier_history")),
        sa.UniqueConstraint("player_id", "sequence", name=op.f("uq_tier_history_player_id_sequence")),
    )
    op.create_table(
        "points_allocations",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("base_points", sa.BigInteger(), nullable=False),
        sa.Column("bonus_points", sa.BigInteger(), nullable=False),
        sa.Column(
            "points",
            sa.BigInteger(),
            sa.Computed("base_points + bonus_points", persisted=True),
            nullable=False,
        ),
        sa.Column("refunded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("prolonged_to", sa.Date(), nullable=True),
        sa.CheckConstraint("place > 0", name=op.f("ck_points_allocations_place")),
        sa.CheckConstraint(
            "prolonged_to IS NULL OR points < 0", name=op.f("ck_points_allocations_prolonged_to")
        ),
        sa.CheckConstraint(
            "points <> 0 AND (base_points >= 0 AND bonus_points >= 0 OR base_points <= 0 AND bonus_points <= 0)",
            name=op.f("ck_points_allocations_points"),
        ),
        sa.CheckConstraint(
            "refunded BETWEEN 0 AND greatest(points, 0)", name=op.f("ck_points_allocations_refunded")
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "number"],
            ["points_batches.player_id", "points_batches.number"],
            name=op.f("fk_points_allocations_player_id_number"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "sequence"],
            ["loyalty_entries.player_id", "loyalty_entries.sequence"],
            name=op.f("fk_points_allocations_player_id_sequence"),
        ),
        sa.PrimaryKeyConstraint("player_id", "sequence", "number", name=op.f("pk_points_allocations")),
        sa.UniqueConstraint(
            "player_id", "sequence", "place", name=op.f("uq_points_allocations_player_id_sequence_place")
        ),
    )
    op.create_index(
        "ix_points_allocations_number",
        "points_allocations",
        ["player_id", "number", "sequence"],
        unique=False,
    )


def downgrade() -> None:
    for name in COVERED:
        op.drop_column("verifications", name)
    op.execute("DELETE FROM alerts WHERE type IN ('points_expiring', 'tier_ending')")
    allow_alerts(ALERT_TYPES)
    op.drop_table("points_allocations")
    op.drop_table("tier_history")
    op.drop_table("points_requests")
    op.drop_table("points_batches")
    op.drop_table("loyalty_entries")
    op.drop_table("loyalty_notices")
    op.drop_table("loyalty_cards")
    op.drop_table("loyalty_wallets")
    op.drop_table("loyalty_tiers")
    op.drop_table("loyalty_months")
    op.drop_table("outgoing_events")
    op.drop_table("loyalty_programmes")
