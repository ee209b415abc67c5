"""Analytics by game: stakes, payouts, what was returned against theory, and how fair the deals look."""

import datetime as dt
from typing import Any, NamedTuple

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.forms.analytics import MonthsForm
from dashboard.queries import fairness_figures
from dashboard.queries import game_figures as queries
from dashboard.queries.game_figures import Months
from dashboard.queries.games import MonthRow
from dashboard.services.exports import Amount, Column
from dashboard.views import access, analytics_charts, analytics_pages, charts, lists
from dashboard.views.access import requires
from dashboard.views.analytics_charts import Series

bp = Blueprint("analytics_games", __name__)


class _Asked(NamedTuple):
    form: MonthsForm
    currency: str
    found: Months


@bp.get("/analytics/games")
@requires("analytics:view")
def index() -> ResponseReturnValue:
    """The page; for htmx the part that its filters change."""
    with db.reading() as session:
        asked = _read(session)
    return analytics_pages.answer(
        "analytics/games.html", "analytics/_games.html", asked.form, _context(asked)
    )


@bp.get("/analytics/games.csv")
@requires("analytics:view")
def show_csv() -> Response:
    """All games by month, as a file."""
    with db.reading() as session:
        asked = _read(session)
    name = f"games-{asked.currency}-{asked.found.months[0].month:%Y-%m}"
    return analytics_pages.file(_columns(asked.currency), asked.found.months, name)


def _read(session: Session) -> _Asked:
    operator = access.current_operator()
    form = MonthsForm(request.args, currencies=analytics_pages.currencies(session))
    form.validate()
    currency = form.good("currency") or operator.currency
    month = clock.local(clock.now(), operator.timezone).date().replace(day=1)
    found = queries.read(session, operator_id=operator.id, currency=currency, last=month, count=form.count)
    return _Asked(form, currency, found)


def _context(asked: _Asked) -> dict[str, Any]:
    found, currency = asked.found, asked.currency
    names = [_name(row.month) for row in found.months]
    series = (
        Series("Stakes", "wager", [row.wagered for row in found.months]),
        Series("Payouts", "settlement", [row.paid for row in found.months]),
        Series("Hold", "up", [row.profit for row in found.months]),
    )
    whole, before = found.whole, found.before
    return {
        "form": asked.form,
        "found": found,
        "currency": currency,
        "names": names,
        "tiles": [
            analytics_pages.tile(
                label,
                getattr(whole, name),
                getattr(before, name),
                [getattr(queries.played([row]), name) for row in found.months],
                is_count=name in {"rounds", "bets"},
            )
            for label, name in (
                ("Stakes", "wagered"),
                ("Payouts", "paid"),
                ("Hold", "hold"),
                ("Rounds", "rounds"),
                ("Bets", "bets"),
            )
        ],
        "volume": analytics_charts.by_name(names, series, currency=currency),
        "returns": charts.returns_by_month(fairness_figures.in_order(found.months)),
        "csv_href": lists.address("analytics_games.show_csv", asked.form.asked()),
    }


def _name(month: dt.date) -> str:
    return f"{month:%b %Y}"


def _columns(currency: str) -> list[Column]:
    def amount(label: str, name: str) -> Column:
        return Column(label, "amount", lambda row: Amount(getattr(row, name), currency))

    def month(row: MonthRow) -> str:
        return f"{row.month:%Y-%m}"

    return [
        Column("Month", "text", month),
        Column("Rounds", "number", lambda row: row.rounds),
        Column("Voided", "number", lambda row: row.voided),
        Column("Bets", "number", lambda row: row.bets),
        amount("Stakes", "wagered"),
        amount("Payouts", "paid"),
        amount("Payouts in theory", "expected"),
        amount("Hold", "profit"),
    ]
