"""Lists arrive in PostgreSQL as they are, whatever stands in them."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from dashboard import arrays
from dashboard.models.wallet import ChangeType

_SUMMER = dt.datetime(2026, 7, 1, 12, 30, 0, 5, tzinfo=ZoneInfo("Europe/Prague"))


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("bigint", [1, -2, 10**15, 0]),
        ("bigint", [None, 7, None]),
        ("bigint", []),
        (
            "text",
            ["plain", "a, b", 'say "x"', "back\\slash", "{braces}", "", " ", "NULL", "null", "ž 花\n\t"],
        ),
        ("text", [None, 'a"b', None]),
        ("text", [ChangeType.DEPOSIT, ChangeType.WAGER]),
        ("bytea", [b"", bytes(range(256)), b'\\"{},']),
        ("bytea", [None, b"x"]),
        ("timestamptz", [_SUMMER, dt.datetime(1, 1, 1, tzinfo=dt.UTC), None]),
        ("date", [dt.date(2026, 2, 28), None]),
        ("bigint", [[1, 2], [3, 4]]),
    ],
)
def test_a_list_arrives_as_it_is(session: Session, kind: str, items: list[Any]) -> None:
    assert session.scalar(text(f"SELECT CAST(:items AS {kind}[])"), {"items": items}) == items


def test_connections_write_whole_lists() -> None:
    """The test above would pass without ours, too."""
    assert psycopg.adapters.get_dumper(list, psycopg.adapt.PyFormat.AUTO) is arrays.WholeListDumper


def test_a_text_with_nul_is_refused(session: Session) -> None:
    with pytest.raises(DBAPIError, match="NUL"):
        session.execute(text("SELECT CAST(:items AS text[])"), {"items": ["a", "b\0c"]})
