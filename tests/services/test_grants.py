"""What each database role may do, as one matrix: append-only tables are so by grant."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

# What the application and reports may do with each table, and nothing else: a new table needs a row here.
READ, APPEND, KEEP, PASS = "SELECT", "INSERT SELECT", "INSERT SELECT UPDATE", "DELETE INSERT SELECT UPDATE"
FOLD = "DELETE INSERT SELECT"
GRANTS = {
    "alembic_version": (READ, ""),
    "alerts": (KEEP, READ),
    "allowances": (KEEP, READ),
    "anchor_heads": (APPEND, READ),
    "anchors": (APPEND, READ),
    "anomalies": (KEEP, READ),
    "anomaly_models": (KEEP, READ),
    "balances": (KEEP, READ),
    "bets": (KEEP, READ),
    "bonus_offer_terms": (PASS, READ),
    "bonus_offers": (KEEP, READ),
    "bonus_stakes": (KEEP, READ),
    "bonus_terms": (APPEND, READ),
    "bonuses": (KEEP, READ),
    "bulk_rows": (KEEP, READ),
    "bulk_runs": (KEEP, READ),
    "change_requests": (KEEP, READ),
    "daily_activity": (PASS, READ),
    "daily_balances": (PASS, READ),
    "daily_totals": (PASS, READ),
    "deal_statistics": (KEEP, READ),
    "fx_rates": (PASS, READ),
    "game_statistics": (KEEP, READ),
    "games": (KEEP, READ),
    "hourly_totals": (PASS, READ),
    "legacy_loyalty_rows": (APPEND, READ),
    "legacy_members": (APPEND, READ),
    "legacy_players": (APPEND, READ),
    "legacy_reports": (APPEND, READ),
    "legacy_rows": (APPEND, READ),
    "legacy_runs": (APPEND, READ),
    "legacy_tiers": (APPEND, READ),
    "logins": (KEEP, ""),
    "loyalty_cards": (KEEP, READ),
    "loyalty_days": (FOLD, READ),
    "loyalty_entries": (APPEND, READ),
    "loyalty_months": (KEEP, READ),
    "loyalty_notices": (APPEND, READ),
    "loyalty_programmes": (KEEP, READ),
    "loyalty_tiers": (KEEP, READ),
    "loyalty_wallets": (KEEP, READ),
    "one_time_links": (KEEP, ""),
    "operators": (KEEP, READ),
    "outgoing_events": (APPEND, READ),
    "partner_accounts": (KEEP, READ),
    "partner_contracts": (KEEP, READ),
    "partner_game_earnings": (APPEND, READ),
    "partner_minimums": (APPEND, READ),
    "partner_payouts": (KEEP, READ),
    "partner_period_players": (APPEND, READ),
    "partner_shown_earnings": (KEEP, READ),
    "partner_shown_periods": (KEEP, READ),
    "partner_statement_lines": (APPEND, READ),
    "partner_statements": (KEEP, READ),
    "partner_status_changes": (APPEND, READ),
    "partners": (KEEP, READ),
    "player_game_statistics": (KEEP, READ),
    "player_handles": (KEEP, READ),
    "player_notes": (APPEND, READ),
    "players": (KEEP, READ),
    "points_allocations": (KEEP, READ),
    "points_batches": (KEEP, READ),
    "points_requests": (KEEP, READ),
    "procrastinate_events": (PASS, ""),
    "procrastinate_jobs": (PASS, ""),
    "procrastinate_periodic_defers": (PASS, ""),
    "procrastinate_workers": (PASS, ""),
    "recovery_codes": (PASS, ""),
    "referrals": (APPEND, READ),
    "refusals": (APPEND, READ),
    "report_letters": (KEEP, READ),
    "report_parts": (PASS, READ),
    "report_runs": (KEEP, READ),
    "report_schedules": (KEEP, READ),
    "rollup_marks": (PASS, READ),
    "rollup_passes": (PASS, READ),
    "round_closings": (APPEND, READ),
    "round_requests": (KEEP, READ),
    "round_settlements": (KEEP, READ),
    "rounds": (KEEP, READ),
    "rule_sets": (KEEP, READ),
    "saved_reports": (KEEP, READ),
    "saved_views": (PASS, ""),
    "second_factors": (PASS, ""),
    "series_alerts": (KEEP, READ),
    "setting_requests": (KEEP, READ),
    "sign_in_addresses": (PASS, ""),
    "sign_in_sessions": (PASS, ""),
    "staff_log": (APPEND, READ),
    "tier_history": (APPEND, READ),
    "tier_members": (FOLD, READ),
    "verifications": (APPEND, READ),
    "vip_level_changes": (APPEND, READ),
    "vip_levels": (KEEP, READ),
    "vip_rule_versions": (APPEND, READ),
    "vip_rules": (KEEP, READ),
    "wallet_entries": (APPEND, READ),
    "wallets": (KEEP, READ),
    "withdrawals": (KEEP, READ),
}
# What partners read, under row-level security: tables of shown figures, and views that know who asks.
SHOWN_TABLES = {
    *("partner_accounts", "partner_payouts", "partner_shown_earnings", "partner_shown_periods"),
    *("partner_statement_lines", "partner_statements"),
}
SHOWN_VIEWS = {
    *("partner_games", "partner_referred", "partner_self", "partner_term_minimums", "partner_terms"),
}
_GRANTED = text("""
SELECT relname, ARRAY(
  SELECT privilege
  FROM unnest(ARRAY['DELETE', 'INSERT', 'REFERENCES', 'SELECT', 'TRIGGER', 'TRUNCATE', 'UPDATE']) AS privilege
  WHERE has_table_privilege(:role, pg_class.oid, privilege)
     OR (privilege IN ('INSERT', 'REFERENCES', 'SELECT', 'UPDATE')
         AND has_any_column_privilege(:role, pg_class.oid, privilege))) AS granted
FROM pg_class
WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relnamespace = 'public'::regnamespace
""")


@pytest.mark.parametrize(
    ("role", "column"), [("purser_app", 0), ("purser_report", 1), ("purser_partner", None)]
)
def test_a_role_may_do_this_and_nothing_else(session: Session, role: str, column: int | None) -> None:
    granted = {row.relname: " ".join(row.granted) for row in session.execute(_GRANTED, {"role": role})}

    if column is None:
        shown = SHOWN_TABLES | SHOWN_VIEWS
        assert granted == {name: READ if name in shown else "" for name in GRANTS.keys() | SHOWN_VIEWS}
    else:
        tables = {table: grants[column] for table, grants in GRANTS.items()}
        assert granted == {**tables, **dict.fromkeys(SHOWN_VIEWS, "")}


@pytest.mark.parametrize("role", ["purser_app", "purser_report", "purser_partner"])
def test_a_role_is_nothing_but_what_it_was_granted(session: Session, role: str) -> None:
    row = session.execute(text("SELECT * FROM pg_roles WHERE rolname = :role"), {"role": role}).one()
    powers = (row.rolsuper, row.rolcreatedb, row.rolcreaterole, row.rolreplication, row.rolbypassrls)
    groups = session.scalars(
        text("SELECT roleid::regrole::text FROM pg_auth_members WHERE member = CAST(:role AS regrole)"),
        {"role": role},
    ).all()
    makes_tables = session.scalar(
        text("SELECT has_schema_privilege(:role, 'public', 'CREATE')"), {"role": role}
    )

    assert powers == (False,) * 5
    assert groups == []
    assert makes_tables is False


@pytest.mark.parametrize("table", [table for table, (app, _) in GRANTS.items() if app == APPEND])
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0}"])
def test_what_was_appended_stays(session: Session, table: str, statement: str) -> None:
    column = session.scalar(
        text("""
        SELECT attname FROM pg_attribute
        WHERE attrelid = CAST(:t AS regclass) AND attnum > 0 AND attidentity = '' ORDER BY attnum LIMIT 1
        """),
        {"t": table},
    )

    with pytest.raises(ProgrammingError, match="permission denied"):
        session.execute(text(statement.format(table, column)))


@pytest.mark.parametrize("table", ["balances", "wallets", "players", "operators", "alerts"])
def test_what_money_hangs_on_is_not_deleted(session: Session, table: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        session.execute(text(f"DELETE FROM {table}"))
