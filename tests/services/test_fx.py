"""Exchange rates: reading them, which one counts on a day, and converting by it."""

import datetime as dt
import os
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.errors import Rejected
from dashboard.services import fx

ROOT = Path(__file__).parents[2]
HISTORY = (
    Path(os.environ.get("PURSER_DATA") or ROOT.parent / "shared" / "data") / "fx" / "eurofxref-hist.csv.gz"
)
FRIDAY = dt.date(2026, 1, 2)
SMALL = """Date,USD,JPY,CYP,
2026-01-05,1.20,180.5,N/A,
2026-01-02,1.25,,N/A,
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rates.csv"
    path.write_text(SMALL)
    return path


def test_rates_come_in_once(session: Session, file: Path) -> None:
    first = fx.store(session, fx.read(file))
    assert (first.rates, first.known, first.currencies) == (3, 0, 2)
    assert (first.first, first.last) == (FRIDAY, dt.date(2026, 1, 5))
    file.write_text(SMALL.replace("1.20", "1.21"))
    again = fx.store(session, fx.read(file))
    assert (again.rates, again.known) == (1, 2)


def test_the_last_rate_on_or_before_a_day_counts(session: Session, file: Path) -> None:
    fx.store(session, fx.read(file))
    days = [FRIDAY + dt.timedelta(days=at) for at in (-1, 0, 2, 3, 10, 11)]
    rates = fx.rates_of(session, ["USD", "JPY"], days)
    assert {day: rate for (currency, day), (rate, _of) in rates.of.items() if currency == "USD"} == {
        days[1]: Decimal("1.25"),
        days[2]: Decimal("1.25"),
        days[3]: Decimal("1.20"),
        days[4]: Decimal("1.20"),
    }
    assert ("JPY", days[2]) not in rates.of
    assert rates.newest() == dt.date(2026, 1, 5)


def test_an_amount_is_converted_exactly(session: Session, file: Path) -> None:
    fx.store(session, fx.read(file))
    monday = dt.date(2026, 1, 5)
    rates = fx.rates_of(session, ["USD", "JPY"], [FRIDAY, monday])
    # 12.00 USD are 10 euros are 1,805 yen, which have no minor units.
    assert rates.convert(12_00, currency="USD", into="JPY", day=monday) == 1805
    assert rates.convert(1, currency="JPY", into="EUR", day=monday) == Fraction(1000, 1805)
    assert rates.convert(7, currency="GBP", into="GBP", day=monday) == 7
    with pytest.raises(fx.NoRate, match="no exchange rate of JPY for 2026-01-02"):
        rates.convert(1, currency="JPY", into="USD", day=FRIDAY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Day,USD\n", "no column Date"),
        ("Date,USD\nyesterday,1.2\n", "line 2: this begins with no date"),
        ("Date,USD\n2026-01-02,abc\n", "line 2: 'abc' is no rate of USD"),
        ("Date,USD\n2026-01-02,-1\n", "'-1' is no rate of USD"),
        ("Date,USD\n2026-01-02,NaN\n", "'NaN' is no rate of USD"),
        ("Date,USD\n", "no rates"),
    ],
)
def test_a_file_that_is_none_changes_nothing(
    session: Session, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "rates.csv").write_text(content)
    with pytest.raises(Rejected, match=message):
        fx.store(session, fx.read(tmp_path / "rates.csv"))
    assert session.scalar(text("SELECT count(*) FROM fx_rates")) == 0


@pytest.mark.skipif(not HISTORY.exists(), reason=f"the bank's history is not at {HISTORY}: set PURSER_DATA")
def test_the_whole_history_comes_in(session: Session) -> None:
    done = fx.store(session, fx.read(HISTORY))
    assert (done.first, done.last) == (dt.date(1999, 1, 4), dt.date(2026, 4, 13))
    easter = dt.date(2026, 4, 6)
    rates = fx.rates_of(session, ["USD"], [easter])
    assert rates.of["USD", easter][1] == dt.date(2026, 4, 2)
