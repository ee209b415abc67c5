"""Analytics: what an operator's entries come to over a period, drawn and as tables."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.forms.analytics import OverviewForm
from dashboard.models.vip import Level
from dashboard.queries import bonus_offers, staff
from dashboard.queries import overview as queries
from dashboard.queries.overview import Overview
from dashboard.queries.rollups import Scope
from dashboard.services import exports, figures, trends
from dashboard.services.exports import Amount, Column, Sheet
from dashboard.services.figures import Figures
from dashboard.services.periods import Unit
from dashboard.views import access, analytics_charts, htmx, lists
from dashboard.views.access import requires

bp = Blueprint("analytics", __name__)


class Tile(NamedTuple):
    """One figure of the period, what it was in the one before, and how it went."""

    label: str
    now: int
    before: int
    percent: float | None
    line: str
    """Points of its sparkline."""
    is_count: bool = False


class Line(NamedTuple):
    """A bucket in the tables below the charts."""

    start: dt.datetime
    name: str
    """When it began, by the operator's calendar."""
    figures: Figures
    real: int
    """What all balances held at its end."""
    bonus: int


_TILES = (
    ("Deposits", "deposits"),
    ("Withdrawals", "withdrawals"),
    ("Net cash", "cash"),
    ("Stakes", "stakes"),
    ("Payouts", "payouts"),
    ("Net gaming revenue", "revenue"),
    ("Bonuses granted", "bonuses"),
    ("Adjustments", "adjustments"),
    ("Changes", "entries"),
)


@bp.get("/analytics")
@requires("analytics:view")
def index() -> ResponseReturnValue:
    """The overview; for htmx the part that its filters change."""
    with db.reading() as session:
        form, found, scope = _read(session)
    context = _context(form, found, scope)
    if not htmx.wants_partial():
        return render_template("analytics/index.html", **context)
    answer = make_response(render_template("analytics/_overview.html", **context))
    return lists.with_address(answer, "analytics.index", form)


@bp.get("/analytics.csv")
@requires("analytics:view")
def show_csv() -> ResponseReturnValue:
    """The figures of each bucket, as a file."""
    with db.reading() as session:
        _form, found, scope = _read(session)
    sheet = Sheet(_columns(scope.currency), _lines(found), scope.timezone)
    answer = Response(exports.csv_pieces(sheet), mimetype="text/csv")
    name = f"overview-{scope.currency}-{found.period.span.start:%Y-%m-%d}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _read(session: Session) -> tuple[OverviewForm, Overview, Scope]:
    operator, actor = access.current_operator(), access.current_actor()
    form = OverviewForm(
        request.args,
        names=staff.names_by_id(session, operator_id=operator.id),
        me=actor.id,
        currencies=bonus_offers.list_currencies(session, operator_id=operator.id),
    )
    form.validate()
    level = form.good("level")
    scope = Scope(
        operator.id,
        operator.timezone,
        form.good("currency") or operator.currency,
        form.chosen_id("agent"),
        Level(level) if level else None,
    )
    period = form.wanted(now=clock.now(), zone=operator.timezone)
    return form, queries.read(session, scope, period), scope


def _context(form: OverviewForm, found: Overview, scope: Scope) -> dict[str, Any]:
    drawn: dict[str, Any] = {"currency": scope.currency, "timezone": scope.timezone}
    return {
        "form": form,
        "overview": found,
        "currency": scope.currency,
        "tiles": [_tile(label, name, found) for label, name in _TILES],
        "lines": _lines(found),
        "trend": trends.trend(found.real_closings),
        "swings": trends.volatility(found.opening_real, found.real_closings),
        "balances": analytics_charts.balances(found, **drawn),
        "activity": analytics_charts.activity(found, **drawn),
        "revenue": analytics_charts.revenue(found, **drawn),
        "csv_href": lists.address("analytics.show_csv", form.asked()),
    }


def _tile(label: str, name: str, found: Overview) -> Tile:
    now, before = getattr(found.whole, name), getattr(found.before, name)
    values: Sequence[int] = [getattr(bucket, name) for bucket in found.buckets]
    line = analytics_charts.sparkline(values)
    return Tile(label, now, before, figures.change_percent(now, before), line, is_count=name == "entries")


def _lines(found: Overview) -> list[Line]:
    closings = zip(
        found.period.buckets, found.buckets, found.real_closings, found.bonus_closings, strict=True
    )
    zone = access.current_operator().timezone
    return [
        Line(bucket.start, _name(clock.local(bucket.start, zone), found.period.unit), named, real, bonus)
        for bucket, named, real, bonus in closings
    ]


def _name(wall: dt.datetime, unit: Unit) -> str:
    if unit == Unit.HOUR:
        return f"{wall:%a} {wall.day} {wall:%b, %H:%M}"
    return f"{wall:%B %Y}" if unit == Unit.MONTH else f"{wall:%a} {wall.day} {wall:%b %Y}"


def _columns(currency: str) -> list[Column]:
    def amount(label: str, name: str) -> Column:
        return Column(label, "amount", lambda line: Amount(getattr(line.figures, name), currency))

    named = [amount(label, name) for label, name in _TILES if name != "entries"]
    return [
        Column("From", "time", lambda line: line.start),
        *named,
        Column("Changes", "number", lambda line: line.figures.entries),
        Column("Real money at the end", "amount", lambda line: Amount(line.real, currency)),
        Column("Bonus money at the end", "amount", lambda line: Amount(line.bonus, currency)),
    ]
