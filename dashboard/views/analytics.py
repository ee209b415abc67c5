"""Analytics: what an operator's entries come to over a period, drawn and as tables."""

from operator import itemgetter
from typing import Any, NamedTuple

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.forms.analytics import OverviewForm
from dashboard.forms.filters import spoken
from dashboard.models.vip import Level
from dashboard.queries import overview as queries
from dashboard.queries import overview_more as more
from dashboard.queries import staff
from dashboard.queries.overview import Overview
from dashboard.queries.rollups import Part, Scope
from dashboard.services import trends
from dashboard.services.exports import Amount, Column
from dashboard.services.figures import Figures
from dashboard.services.fx import SOURCE, NoRate
from dashboard.services.periods import Period
from dashboard.views import access, analytics_charts, analytics_pages, htmx, lists
from dashboard.views.access import requires
from dashboard.views.analytics_charts import Series
from dashboard.views.analytics_pages import Bucket, Tile

bp = Blueprint("analytics", __name__)

_TILES = (
    ("Deposits", "deposits"),
    ("Withdrawals", "withdrawals"),
    ("Net cash", "cash"),
    ("Net gaming revenue", "revenue"),
    ("Stakes", "stakes"),
    ("Payouts", "payouts"),
    ("Bonuses granted", "bonuses"),
    ("Adjustments", "adjustments"),
    ("Changes", "entries"),
)
_SIGNED = {"cash", "revenue", "adjustments"}


class _Asked(NamedTuple):
    form: OverviewForm
    scope: Scope
    period: Period


class _Line(NamedTuple):
    """A bucket as a row of the file."""

    bucket: Bucket
    figures: Figures
    real: int
    """What all balances held at its end."""
    bonus: int


@bp.get("/analytics")
@requires("analytics:view")
def index() -> ResponseReturnValue:
    """The overview; for htmx the part that its filters change."""
    with db.reading() as session:
        asked = _ask(session)
        found = _read(session, asked)
    return analytics_pages.answer(
        "analytics/index.html", "analytics/_overview.html", asked.form, _context(asked, found)
    )


@bp.get("/analytics.csv")
@requires("analytics:view")
def show_csv() -> Response:
    """The figures of each bucket, as a file."""
    with db.reading() as session:
        asked = _ask(session)
        found = _read(session, asked)
    lines = [
        _Line(*line)
        for line in zip(
            analytics_pages.buckets(found.period),
            found.buckets,
            found.real_closings,
            found.bonus_closings,
            strict=True,
        )
    ]
    kind = "converted-" if found.rates_of else ""
    name = f"overview-{kind}{asked.scope.currency}-{found.period.span.start:%Y-%m-%d}"
    return analytics_pages.file(_columns(asked.scope.currency), lines, name)


@bp.get("/analytics/more")
@requires("analytics:view")
def show_more() -> ResponseReturnValue:
    """Alerts, whose balances moved, levels and agents beside each other: a part that comes after the sums."""
    with db.reading() as session:
        asked = _ask(session)
        scope, period = asked.scope, asked.period
        raised = more.list_raised(session, scope, period)
        names = [spoken(each.type) for each in raised]
        movers = more.list_movers(session, scope, period) if more.has_movers(period) else None
        context = {
            "form": asked.form,
            "currency": scope.currency,
            "period": period,
            "buckets": analytics_pages.buckets(period),
            "raised": raised,
            "alerts": analytics_charts.bars(
                period,
                [
                    Series(name, each.type.replace("_", "-"), each.by_bucket)
                    for name, each in zip(names, raised, strict=True)
                ],
                timezone=scope.timezone,
            ),
            "alert_columns": [
                (name, each.by_bucket, "count") for name, each in zip(names, raised, strict=True)
            ],
            "movers": movers,
            "movers_days": more.MOVERS_DAYS,
            "bands": more.list_bands(session, scope),
            "levels": more.compare(session, scope, period, Part.LEVEL),
            "csv_href": lists.address("analytics.show_more_csv", asked.form.asked()),
        }
    template = "analytics/_more.html" if htmx.wants_partial() else "analytics/more.html"
    return render_template(template, **context)


@bp.get("/analytics/more.csv")
@requires("analytics:view")
def show_more_csv() -> Response:
    """The alerts of each bucket by type, as a file."""
    with db.reading() as session:
        asked = _ask(session)
        raised = more.list_raised(session, asked.scope, asked.period)
    counts = [each.by_bucket for each in raised]
    lines = [
        (bucket, *(of_type[at] for of_type in counts))
        for at, bucket in enumerate(analytics_pages.buckets(asked.period))
    ]
    columns = [
        Column("From", "time", lambda line: line[0].start),
        *(Column(spoken(each.type), "number", itemgetter(at)) for at, each in enumerate(raised, start=1)),
        Column("In all", "number", lambda line: sum(line[1:])),
    ]
    name = f"alerts-{asked.scope.currency}-{asked.period.span.start:%Y-%m-%d}"
    return analytics_pages.file(columns, lines, name)


def _ask(session: Session) -> _Asked:
    operator, actor = access.current_operator(), access.current_actor()
    form = OverviewForm(
        request.args,
        names=staff.names_by_id(session, operator_id=operator.id),
        me=actor.id,
        currencies=analytics_pages.currencies(session),
    )
    form.validate()
    level = form.good("level")
    currency = operator.currency if form.is_converted else form.good("currency") or operator.currency
    scope = Scope(
        operator.id,
        operator.timezone,
        currency,
        form.chosen_id("agent"),
        Level(level) if level else None,
    )
    return _Asked(form, scope, form.wanted(now=clock.now(), zone=operator.timezone))


def _read(session: Session, asked: _Asked) -> Overview:
    """All currencies in one where that is asked for, and there are the rates; else those of one."""
    if asked.form.is_converted:
        try:
            return queries.read_converted(session, asked.scope, asked.period, now=clock.now())
        except NoRate as missing:
            asked.form.complain("currency", missing.message)
    return queries.read(session, asked.scope, asked.period)


def _context(asked: _Asked, found: Overview) -> dict[str, Any]:
    currency, period = asked.scope.currency, found.period
    drawn = {"currency": currency, "timezone": asked.scope.timezone}
    trend = trends.trend(found.real_closings)
    revenue = Series("Net gaming revenue", "line", [bucket.revenue for bucket in found.buckets])
    return {
        "form": asked.form,
        "overview": found,
        "currency": currency,
        "source": SOURCE,
        "tiles": [
            analytics_pages.tile(
                "Real money", found.real_closings[-1], found.opening_real, found.real_closings
            ),
            *(_tile(label, name, found) for label, name in _TILES),
        ],
        "buckets": analytics_pages.buckets(period),
        "columns": [
            (label, [getattr(bucket, name) for bucket in found.buckets], _kind(name))
            for label, name in _TILES
        ],
        "trend": trend,
        "swings": trends.volatility(found.opening_real, found.real_closings),
        "balances": analytics_charts.balances(
            period, found.real_closings, found.bonus_closings, trend, **drawn
        ),
        "activity": analytics_charts.activity(period, found.by_type, **drawn),
        "revenue": analytics_charts.bars(period, [revenue], **drawn),
        "csv_href": lists.address("analytics.show_csv", asked.form.asked()),
        "more_href": lists.address("analytics.show_more", asked.form.asked()),
    }


def _tile(label: str, name: str, found: Overview) -> Tile:
    now, before = getattr(found.whole, name), getattr(found.before, name)
    values = [getattr(bucket, name) for bucket in found.buckets]
    return analytics_pages.tile(label, now, before, values, is_count=name == "entries")


def _kind(name: str) -> str:
    if name == "entries":
        return "count"
    return "delta" if name in _SIGNED else "amount"


def _columns(currency: str) -> list[Column]:
    def amount(label: str, name: str) -> Column:
        return Column(label, "amount", lambda line: Amount(getattr(line.figures, name), currency))

    named = [amount(label, name) for label, name in _TILES if name != "entries"]
    return [
        Column("From", "time", lambda line: line.bucket.start),
        *named,
        Column("Changes", "number", lambda line: line.figures.entries),
        Column("Real money at the end", "amount", lambda line: Amount(line.real, currency)),
        Column("Bonus money at the end", "amount", lambda line: Amount(line.bonus, currency)),
    ]
