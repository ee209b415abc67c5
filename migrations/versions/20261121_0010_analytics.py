"""Analytics: rollups of the journals, exchange rates, anomalies, reports.

Revision 20261121_0010, after 20261121_0009.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "20261121_0010"
down_revision = "20261121_0009"
branch_labels = None
depends_on = None

# What was rolled up is made again from the entries, where an operator's days become others; files are kept
# for a while; rates are published anew.
REMAKEABLE = (
    *("daily_totals", "hourly_totals", "daily_activity", "daily_balances", "rollup_marks", "rollup_passes"),
    *("fx_rates", "report_parts"),
)
# What was found and asked for stands; only how it goes on changes.
UPDATABLE = {
    "anomaly_models": ("content",),
    "anomalies": ("mark", "marked_by", "marked_at", "note"),
    "series_alerts": ("seen_by", "seen_at", "note"),
    "saved_reports": ("name", "subject", "definition", "is_shared", "changed_at", "is_deleted"),
    "report_schedules": (
        *("format", "every", "at", "on_day", "mail_to", "next_at", "is_active", "ended_because", "made_by"),
    ),
    "report_runs": (
        *("state", "rows_done", "rows_in_all", "size", "problem", "started_at", "ended_at", "tries"),
    ),
    "report_letters": ("tries", "next_at", "sent_at", "problem"),
}


# So that the agent of an entry is read with its sums.
RECENT = ("change_type", "contra_account", "real_delta", "bonus_delta")


def upgrade() -> None:
    create_tables()
    index_recent((*RECENT, "agent_id"))
    op.create_index(
        "ix_wallet_entries_adjustments",
        "wallet_entries",
        ["operator_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("contra_account = 'adjustments'"),
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(REMAKEABLE)} TO purser_app")
    for table, columns in UPDATABLE.items():
        update = f", UPDATE ({', '.join(columns)})" if columns else ""
        op.execute(f"GRANT SELECT, INSERT{update} ON {table} TO purser_app")
    op.execute(f"GRANT SELECT ON {', '.join((*REMAKEABLE, *UPDATABLE))} TO purser_report")


def index_recent(included: Sequence[str]) -> None:
    op.drop_index("ix_wallet_entries_recent", table_name="wallet_entries")
    op.create_index(
        "ix_wallet_entries_recent",
        "wallet_entries",
        ["operator_id", "created_at", "player_id", "currency", "sequence"],
        unique=False,
        postgresql_include=list(included),
    )


def create_tables() -> None:
    op.create_table(
        "fx_rates",
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("per_eur", sa.Numeric(precision=20, scale=10), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_fx_rates_currency")),
        sa.CheckConstraint("per_eur > 0", name=op.f("ck_fx_rates_per_eur")),
        sa.PrimaryKeyConstraint("currency", "day", name=op.f("pk_fx_rates")),
    )
    op.create_table(
        "anomaly_models",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("marked", sa.BigInteger(), nullable=False),
        sa.Column("threshold", sa.SmallInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("metrics", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint("jsonb_typeof(metrics::jsonb) = 'object'", name=op.f("ck_anomaly_models_metrics")),
        sa.CheckConstraint("kind IN ('unlabelled', 'marked')", name=op.f("ck_anomaly_models_kind")),
        sa.CheckConstraint(
            "entries > 0 AND marked BETWEEN 0 AND entries", name=op.f("ck_anomaly_models_entries")
        ),
        sa.CheckConstraint("threshold BETWEEN 0 AND 100", name=op.f("ck_anomaly_models_threshold")),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_anomaly_models_operator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anomaly_models")),
        sa.UniqueConstraint("id", "operator_id", name=op.f("uq_anomaly_models_id_operator_id")),
    )
    op.create_index("ix_anomaly_models_operator_id_id", "anomaly_models", ["operator_id", "id"], unique=False)
    op.create_table(
        "daily_activity",
        sa.Column("operator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("agent_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("change_type", sa.Text(), nullable=False),
        sa.Column("contra_account", sa.Text(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("real", sa.BigInteger(), nullable=False),
        sa.Column("bonus", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "change_type IN ('deposit', 'withdrawal', 'adjustment', 'fee', 'wager', 'settlement', 'refund', 'bonus_grant', 'bonus_forfeit', 'bonus_expiry', 'bonus_conversion', 'transfer', 'opening', 'points_conversion', 'reversal')",
            name=op.f("ck_daily_activity_change_type"),
        ),
        sa.CheckConstraint(
            "contra_account IN ('cash', 'adjustments', 'fees', 'gaming', 'promotions', 'transfers', 'opening')",
            name=op.f("ck_daily_activity_contra_account"),
        ),
        sa.CheckConstraint(
            "level IN ('default', 'bronze', 'silver', 'gold', 'platinum', 'diamond')",
            name=op.f("ck_daily_activity_level"),
        ),
        sa.CheckConstraint("entries > 0 AND credits >= 0", name=op.f("ck_daily_activity_counts")),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_daily_activity_operator_id")
        ),
        sa.PrimaryKeyConstraint(
            "operator_id",
            "currency",
            "day",
            "agent_id",
            "level",
            "change_type",
            "contra_account",
            name=op.f("pk_daily_activity"),
        ),
    )
    op.create_table(
        "daily_totals",
        sa.Column("operator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("change_type", sa.Text(), nullable=False),
        sa.Column("contra_account", sa.Text(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("real", sa.BigInteger(), nullable=False),
        sa.Column("bonus", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "change_type IN ('deposit', 'withdrawal', 'adjustment', 'fee', 'wager', 'settlement', 'refund', 'bonus_grant', 'bonus_forfeit', 'bonus_expiry', 'bonus_conversion', 'transfer', 'opening', 'points_conversion', 'reversal')",
            name=op.f("ck_daily_totals_change_type"),
        ),
        sa.CheckConstraint(
            "contra_account IN ('cash', 'adjustments', 'fees', 'gaming', 'promotions', 'transfers', 'opening')",
            name=op.f("ck_daily_totals_contra_account"),
        ),
        sa.CheckConstraint("entries > 0 AND credits >= 0", name=op.f("ck_daily_totals_counts")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_daily_totals_operator_id")),
        sa.PrimaryKeyConstraint(
            "operator_id", "currency", "day", "change_type", "contra_account", name=op.f("pk_daily_totals")
        ),
    )
    op.create_table(
        "hourly_totals",
        sa.Column("operator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("change_type", sa.Text(), nullable=False),
        sa.Column("contra_account", sa.Text(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("real", sa.BigInteger(), nullable=False),
        sa.Column("bonus", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "change_type IN ('deposit', 'withdrawal', 'adjustment', 'fee', 'wager', 'settlement', 'refund', 'bonus_grant', 'bonus_forfeit', 'bonus_expiry', 'bonus_conversion', 'transfer', 'opening', 'points_conversion', 'reversal')",
            name=op.f("ck_hourly_totals_change_type"),
        ),
        sa.CheckConstraint(
            "contra_account IN ('cash', 'adjustments', 'fees', 'gaming', 'promotions', 'transfers', 'opening')",
            name=op.f("ck_hourly_totals_contra_account"),
        ),
        sa.CheckConstraint("entries > 0 AND credits >= 0", name=op.f("ck_hourly_totals_counts")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_hourly_totals_operator_id")),
        sa.PrimaryKeyConstraint(
            "operator_id", "currency", "hour", "change_type", "contra_account", name=op.f("pk_hourly_totals")
        ),
    )
    op.create_table(
        "rollup_passes",
        sa.Column("operator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("passed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_rollup_passes_operator_id")),
        sa.PrimaryKeyConstraint("operator_id", name=op.f("pk_rollup_passes")),
    )
    op.create_table(
        "saved_reports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "jsonb_typeof(definition::jsonb) = 'object'", name=op.f("ck_saved_reports_definition")
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 80", name=op.f("ck_saved_reports_name")),
        sa.ForeignKeyConstraint(["made_by"], ["logins.id"], name=op.f("fk_saved_reports_made_by")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_saved_reports_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_reports")),
        sa.UniqueConstraint("id", "operator_id", name=op.f("uq_saved_reports_id_operator_id")),
    )
    op.create_index(
        "uq_saved_reports_name",
        "saved_reports",
        ["operator_id", "made_by", "name"],
        unique=True,
        postgresql_where=sa.text("NOT is_deleted"),
    )
    op.create_table(
        "series_alerts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=False),
        sa.Column("deviation", sa.BigInteger(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_by", sa.BigInteger(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "series IN ('deposits', 'withdrawals', 'stakes', 'payouts', 'entries')",
            name=op.f("ck_series_alerts_series"),
        ),
        sa.CheckConstraint("(seen_by IS NULL) = (seen_at IS NULL)", name=op.f("ck_series_alerts_seen")),
        sa.CheckConstraint("deviation >= 0", name=op.f("ck_series_alerts_deviation")),
        sa.CheckConstraint("length(note) BETWEEN 1 AND 500", name=op.f("ck_series_alerts_note")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_series_alerts_operator_id")),
        sa.ForeignKeyConstraint(["seen_by"], ["logins.id"], name=op.f("fk_series_alerts_seen_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series_alerts")),
        sa.UniqueConstraint(
            "operator_id",
            "series",
            "currency",
            "hour",
            name=op.f("uq_series_alerts_operator_id_series_currency_hour"),
        ),
    )
    op.create_index(
        "ix_series_alerts_operator_id_hour", "series_alerts", ["operator_id", "hour", "id"], unique=False
    )
    op.create_table(
        "report_schedules",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("report_id", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("every", sa.Text(), nullable=False),
        sa.Column("at", sa.Time(), nullable=False),
        sa.Column("on_day", sa.SmallInteger(), nullable=False),
        sa.Column("mail_to", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "CASE every WHEN 'day' THEN on_day = 0 WHEN 'week' THEN on_day BETWEEN 1 AND 7 ELSE on_day BETWEEN 1 AND 31 END",
            name=op.f("ck_report_schedules_on_day"),
        ),
        sa.CheckConstraint("every IN ('day', 'week', 'month')", name=op.f("ck_report_schedules_every")),
        sa.CheckConstraint("format IN ('csv', 'xlsx', 'pdf')", name=op.f("ck_report_schedules_format")),
        sa.CheckConstraint("cardinality(mail_to) <= 20", name=op.f("ck_report_schedules_mail_to")),
        sa.CheckConstraint(
            "ended_because IS NULL OR NOT is_active", name=op.f("ck_report_schedules_ended_because")
        ),
        sa.ForeignKeyConstraint(["made_by"], ["logins.id"], name=op.f("fk_report_schedules_made_by")),
        sa.ForeignKeyConstraint(
            ["report_id", "operator_id"],
            ["saved_reports.id", "saved_reports.operator_id"],
            name=op.f("fk_report_schedules_report_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_schedules")),
        sa.UniqueConstraint("id", "operator_id", name=op.f("uq_report_schedules_id_operator_id")),
    )
    op.create_index(
        "ix_report_schedules_next_at",
        "report_schedules",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("is_active"),
    )
    op.create_table(
        "report_runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("report_id", sa.BigInteger(), nullable=True),
        sa.Column("schedule_id", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("rows_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_in_all", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "(state IN ('done', 'failed', 'cancelled')) = (ended_at IS NOT NULL) AND (state = 'done') = (size IS NOT NULL) AND (state = 'failed') = (problem IS NOT NULL)",
            name=op.f("ck_report_runs_ended"),
        ),
        sa.CheckConstraint("format IN ('csv', 'xlsx', 'pdf')", name=op.f("ck_report_runs_format")),
        sa.CheckConstraint(
            "jsonb_typeof(definition::jsonb) = 'object'", name=op.f("ck_report_runs_definition")
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_report_runs_state")
        ),
        sa.CheckConstraint("(schedule_id IS NULL) = (due_at IS NULL)", name=op.f("ck_report_runs_due_at")),
        sa.CheckConstraint(
            "rows_done >= 0 AND rows_in_all >= 0 AND size >= 0", name=op.f("ck_report_runs_counts")
        ),
        sa.ForeignKeyConstraint(["asked_by"], ["logins.id"], name=op.f("fk_report_runs_asked_by")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_report_runs_operator_id")),
        sa.ForeignKeyConstraint(
            ["report_id", "operator_id"],
            ["saved_reports.id", "saved_reports.operator_id"],
            name=op.f("fk_report_runs_report_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["schedule_id", "operator_id"],
            ["report_schedules.id", "report_schedules.operator_id"],
            name=op.f("fk_report_runs_schedule_id_operator_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_runs")),
    )
    op.create_index("ix_report_runs_operator_id_id", "report_runs", ["operator_id", "id"], unique=False)
    op.create_index(
        "ix_report_runs_waiting",
        "report_runs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index(
        "uq_report_runs_due_at",
        "report_runs",
        ["schedule_id", "due_at"],
        unique=True,
        postgresql_where=sa.text("schedule_id IS NOT NULL"),
    )
    op.create_table(
        "daily_balances",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("opening", sa.BigInteger(), nullable=False),
        sa.Column("closing", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("bonus_closing", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("entries > 0", name=op.f("ck_daily_balances_entries")),
        sa.CheckConstraint(
            "low <= least(opening, closing) AND high >= greatest(opening, closing)",
            name=op.f("ck_daily_balances_range"),
        ),
        sa.PrimaryKeyConstraint("player_id", "currency", "day", name=op.f("pk_daily_balances")),
    )
    op.create_index(
        "ix_daily_balances_operator_id_day",
        "daily_balances",
        ["operator_id", "currency", "day", "player_id"],
        unique=False,
        postgresql_include=["opening", "closing"],
    )
    op.create_table(
        "report_parts",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("number > 0 AND octet_length(content) > 0", name=op.f("ck_report_parts_content")),
        sa.ForeignKeyConstraint(["run_id"], ["report_runs.id"], name=op.f("fk_report_parts_run_id")),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_report_parts")),
    )
    op.create_table(
        "report_letters",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "sent_at IS NULL OR next_at IS NULL AND problem IS NULL", name=op.f("ck_report_letters_sent_at")
        ),
        sa.CheckConstraint("tries >= 0", name=op.f("ck_report_letters_tries")),
        sa.ForeignKeyConstraint(["run_id"], ["report_runs.id"], name=op.f("fk_report_letters_run_id")),
        sa.PrimaryKeyConstraint("run_id", "address", name=op.f("pk_report_letters")),
    )
    op.create_index(
        "ix_report_letters_next_at",
        "report_letters",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_table(
        "anomalies",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mark", sa.Text(), nullable=True),
        sa.Column("marked_by", sa.BigInteger(), nullable=True),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint("jsonb_typeof(reasons::jsonb) = 'array'", name=op.f("ck_anomalies_reasons")),
        sa.CheckConstraint("mark IN ('right', 'wrong')", name=op.f("ck_anomalies_mark")),
        sa.CheckConstraint(
            "(mark IS NULL) = (marked_by IS NULL) AND (mark IS NULL) = (marked_at IS NULL)",
            name=op.f("ck_anomalies_marked"),
        ),
        sa.CheckConstraint("length(note) BETWEEN 1 AND 500", name=op.f("ck_anomalies_note")),
        sa.CheckConstraint("score BETWEEN 0 AND 100", name=op.f("ck_anomalies_score")),
        sa.ForeignKeyConstraint(["marked_by"], ["logins.id"], name=op.f("fk_anomalies_marked_by")),
        sa.ForeignKeyConstraint(
            ["model_id", "operator_id"],
            ["anomaly_models.id", "anomaly_models.operator_id"],
            name=op.f("fk_anomalies_model_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
            name=op.f("fk_anomalies_player_id_currency_sequence"),
        ),
        sa.PrimaryKeyConstraint("player_id", "currency", "sequence", name=op.f("pk_anomalies")),
    )
    op.create_index(
        "ix_anomalies_recent",
        "anomalies",
        ["operator_id", "happened_at", "player_id", "currency", "sequence"],
        unique=False,
    )
    op.create_index(
        "ix_anomalies_unmarked",
        "anomalies",
        ["operator_id", "happened_at"],
        unique=False,
        postgresql_where=sa.text("mark IS NULL"),
    )
    op.create_table(
        "rollup_marks",
        sa.Column("player_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("scored", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("scored BETWEEN 0 AND sequence", name=op.f("ck_rollup_marks_scored")),
        sa.ForeignKeyConstraint(
            ["player_id", "currency", "sequence"],
            ["wallet_entries.player_id", "wallet_entries.currency", "wallet_entries.sequence"],
            name=op.f("fk_rollup_marks_player_id_currency_sequence"),
        ),
        sa.PrimaryKeyConstraint("player_id", "currency", name=op.f("pk_rollup_marks")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "ix_rollup_marks_unscored",
        "rollup_marks",
        ["player_id", "currency"],
        unique=False,
        postgresql_where=sa.text("scored < sequence"),
    )


def downgrade() -> None:
    op.drop_index("ix_wallet_entries_adjustments", table_name="wallet_entries")
    index_recent(RECENT)
    op.drop_table("rollup_marks")
    op.drop_table("anomalies")
    op.drop_table("report_letters")
    op.drop_table("report_parts")
    op.drop_table("daily_balances")
    op.drop_table("report_runs")
    op.drop_table("report_schedules")
    op.drop_table("series_alerts")
    op.drop_table("saved_reports")
    op.drop_table("rollup_passes")
    op.drop_table("hourly_totals")
    op.drop_table("daily_totals")
    op.drop_table("daily_activity")
    op.drop_table("anomaly_models")
    op.drop_table("fx_rates")
