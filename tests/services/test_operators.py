"""A new operator: the VIP table it starts from, in each of its currencies."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, Rejected
from dashboard.models.operator import MoneyMode
from dashboard.models.vip import Level
from dashboard.services import operators
from tests.builders import NOW, make_operator
from tests.vip_table import APPROVAL_THRESHOLD, CRITICAL_THRESHOLD, DROP_PERCENT, TABLE, WARNING_THRESHOLD

FIGURES = (
    "min_balance",
    "max_balance",
    "daily_limit",
    "weekly_limit",
    "warning_threshold",
    "critical_threshold",
    "drop_percent",
    "approval_threshold",
)
QUIET: dict[str, Any] = {
    "slug": "harbour",
    "name": "Harbour Games",
    "currency": "USD",
    "timezone": "Europe/Malta",
    "money_mode": MoneyMode.PLAY,
    "currencies": (),
    "defaults": operators.Defaults(),
    "now": NOW,
}


def rules(session: Session, operator_id: int, currency: str, table: str = "vip_rules") -> dict[str, Any]:
    rows = session.execute(
        text(f"SELECT * FROM {table} WHERE operator_id = :o AND currency = :c"),
        {"o": operator_id, "c": currency},
    ).all()
    assert {row.version for row in rows} <= {1}
    return {row.level: tuple(getattr(row, name) for name in FIGURES) for row in rows}


@pytest.mark.parametrize(("currency", "unit"), [("USD", 100), ("JPY", 1), ("KWD", 1000), ("CLF", 10_000)])
@pytest.mark.parametrize("home", [True, False], ids=["home", "further"])
def test_the_rules_are_the_table_in_whole_units(
    session: Session, currency: str, unit: int, home: bool
) -> None:
    operator = make_operator(
        session,
        currency=currency if home else "EUR",
        currencies=() if home else (currency,),
        approval_threshold=None,
    )

    expected = {
        str(row.level): (
            row.min_balance * unit,
            row.max_balance * unit,
            row.daily_limit * unit,
            row.weekly_limit * unit,
            WARNING_THRESHOLD * unit,
            CRITICAL_THRESHOLD * unit,
            DROP_PERCENT,
            APPROVAL_THRESHOLD * unit,
        )
        for row in TABLE
    }
    assert rules(session, operator, currency) == expected
    assert rules(session, operator, currency, "vip_rule_versions") == expected


def test_the_levels_have_the_tables_xp(session: Session) -> None:
    operator = make_operator(session)

    levels = session.execute(
        text("SELECT level, xp_from FROM vip_levels WHERE operator_id = :o"), {"o": operator}
    )

    assert {row.level: row.xp_from for row in levels} == {str(row.level): row.xp_from for row in TABLE}


def test_the_environment_sets_the_default_level_alone(session: Session) -> None:
    defaults = operators.Defaults(
        min_balance=-5_000, max_balance=70_000, warning_threshold=300, critical_threshold=30
    )

    copied = rules(session, make_operator(session, defaults=defaults, approval_threshold=None), "USD")

    # The limits have no variable: they stay the table's.
    assert copied.pop("default") == (-5_000_00, 70_000_00, 25_000_00, 100_000_00, 300_00, 30_00, 50, 500_00)
    assert copied == {
        level: figures
        for level, figures in rules(session, make_operator(session, approval_threshold=None), "USD").items()
        if level != Level.DEFAULT
    }


def test_a_currency_named_twice_has_one_set_of_rules(session: Session) -> None:
    operator = make_operator(session, currency="USD", currencies=("EUR", "USD", "EUR"))

    assert len(rules(session, operator, "USD")) == len(rules(session, operator, "EUR")) == 6
    assert (
        session.scalar(text("SELECT count(*) FROM vip_rules WHERE operator_id = :o"), {"o": operator}) == 12
    )


def test_it_is_kept_as_given(session: Session) -> None:
    operator = operators.create(session, **{**QUIET, "money_mode": MoneyMode.REAL})

    row = session.execute(text("SELECT * FROM operators WHERE id = :o"), {"o": operator}).one()
    assert (row.slug, row.name, row.currency, row.timezone) == (
        "harbour",
        "Harbour Games",
        "USD",
        "Europe/Malta",
    )
    assert (row.money, row.created_at) == ("real", NOW)


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"currency": "USDT"}, "currency", "USDT is no currency code."),
        ({"currency": "usd"}, "currency", "usd is no currency code."),
        ({"currencies": ("EUR", "ZZZ")}, "currency", "ZZZ is no currency code."),
        ({"timezone": "Europe/Atlantis"}, "timezone", "Europe/Atlantis is no time zone."),
        ({"timezone": ""}, "timezone", " is no time zone."),
        ({"slug": ""}, "slug", "1 to 40 lower-case letters"),
        ({"slug": "Harbour"}, "slug", "1 to 40 lower-case letters"),
        ({"slug": "-harbour"}, "slug", "1 to 40 lower-case letters"),
        ({"slug": "h" * 41}, "slug", "1 to 40 lower-case letters"),
        ({"slug": "harbour games"}, "slug", "1 to 40 lower-case letters"),
        ({"name": " "}, "name", "Give the operator a name."),
    ],
)
def test_what_is_no_operator_is_refused_at_its_field(
    session: Session, wrong: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(Rejected, match=message) as refused:
        operators.create(session, **{**QUIET, **wrong})

    assert refused.value.field == field


def test_a_slug_is_taken_once(session: Session) -> None:
    operators.create(session, **QUIET)

    with pytest.raises(Conflict, match="already an operator called harbour") as refused:
        operators.create(session, **QUIET)

    assert refused.value.field == "slug"


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_balance": 1},
        {"max_balance": 0},
        {"critical_threshold": -1},
        {"warning_threshold": 50},
    ],
)
def test_the_database_refuses_defaults_that_contradict_themselves(
    session: Session, wrong: dict[str, int]
) -> None:
    with pytest.raises(IntegrityError):
        operators.create(session, **{**QUIET, "defaults": operators.Defaults(**wrong)})
