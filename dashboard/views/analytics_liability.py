"""Analytics of what the operator owes: to players, members and partners."""

from typing import Any, NamedTuple

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.forms.analytics import PeriodForm
from dashboard.queries import liability_figures as queries
from dashboard.queries.liability_figures import Liability, Standing
from dashboard.queries.rollups import Scope
from dashboard.services.exports import Amount, Column
from dashboard.views import access, analytics_charts, analytics_pages, lists
from dashboard.views.access import requires
from dashboard.views.analytics_charts import Series
from dashboard.views.analytics_pages import Bucket

bp = Blueprint("analytics_liability", __name__)

_LAYERS = (
    ("Real money", "line", "real"),
    ("Bonuses", "bonus-grant", "bonus"),
    ("Points", "points-conversion", "points_worth"),
    ("Partners", "transfer", "partners"),
)


class _Asked(NamedTuple):
    form: PeriodForm
    currency: str
    found: Liability


class _Line(NamedTuple):
    """A bucket as a row of the file."""

    bucket: Bucket
    standing: Standing


@bp.get("/analytics/liability")
@requires("analytics:view")
def index() -> ResponseReturnValue:
    """The page; for htmx the part that its filters change."""
    with db.reading() as session:
        asked = _read(session)
    return analytics_pages.answer(
        "analytics/liability.html", "analytics/_liability.html", asked.form, _context(asked)
    )


@bp.get("/analytics/liability.csv")
@requires("analytics:view")
def show_csv() -> Response:
    """What stood at the end of each bucket, as a file."""
    with db.reading() as session:
        asked = _read(session)
    buckets = analytics_pages.buckets(asked.found.period)
    lines = [_Line(*line) for line in zip(buckets, asked.found.closings, strict=True)]
    name = f"liability-{asked.currency}-{asked.found.period.span.start:%Y-%m-%d}"
    return analytics_pages.file(_columns(asked.currency), lines, name)


def _read(session: Session) -> _Asked:
    operator = access.current_operator()
    form = PeriodForm(request.args, currencies=analytics_pages.currencies(session))
    form.validate()
    scope = Scope(operator.id, operator.timezone, form.good("currency") or operator.currency)
    now = clock.now()
    period = form.wanted(now=now, zone=operator.timezone)
    found = queries.read(session, scope, period, home=operator.currency, now=now)
    return _Asked(form, scope.currency, found)


def _context(asked: _Asked) -> dict[str, Any]:
    found = asked.found
    layers = [layer for layer in _LAYERS if found.has_points or layer[2] != "points_worth"]
    series = [
        Series(name, colour, [getattr(stood, field) for stood in found.closings])
        for name, colour, field in layers
    ]
    return {
        "form": asked.form,
        "found": found,
        "currency": asked.currency,
        "buckets": analytics_pages.buckets(found.period),
        "columns": [
            *((each.name, each.values, "amount") for each in series),
            ("In all", [stood.whole for stood in found.closings], "amount"),
        ],
        "owed": analytics_charts.bars(
            found.period, series, currency=asked.currency, timezone=access.current_operator().timezone
        ),
        "csv_href": lists.address("analytics_liability.show_csv", asked.form.asked()),
    }


def _columns(currency: str) -> list[Column]:
    def amount(label: str, name: str) -> Column:
        return Column(label, "amount", lambda line: Amount(getattr(line.standing, name), currency))

    return [
        Column("From", "time", lambda line: line.bucket.start),
        amount("Real money at the end", "real"),
        amount("Bonus money", "bonus"),
        Column("Points", "number", lambda line: line.standing.points),
        amount("What points come to", "points_worth"),
        amount("Owed to partners", "partners"),
        amount("In all", "whole"),
    ]
