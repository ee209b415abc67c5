"""The figures of analytics pages, as Plotly's JSON; `charts` says what may stand in one."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go
from markupsafe import Markup

from dashboard import clock, money
from dashboard.forms.filters import spoken
from dashboard.queries.player_figures import BucketCourse
from dashboard.queries.rollups import BucketSum
from dashboard.services.periods import Period, Unit
from dashboard.views import charts

_TICKS = {Unit.HOUR: "%H:%M", Unit.DAY: "%-d %b", Unit.WEEK: "%-d %b", Unit.MONTH: "%b %Y"}
_HOVER = {
    Unit.HOUR: "%a %-d %b, %H:%M",
    Unit.DAY: "%a %-d %b %Y",
    Unit.WEEK: "week from %-d %b %Y",
    Unit.MONTH: "%B %Y",
}
_COMMON: dict[str, Any] = {
    "bargap": 0.28,
    "hovermode": "x unified",
    "showlegend": True,
    "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    "margin": {"l": 56, "r": 8, "t": 30, "b": 32},
    "yaxis": {"tickformat": "~s", "zeroline": True, "fixedrange": True},
}


class Series(NamedTuple):
    """What one line, or one layer of bars, shows: a value for each bucket."""

    name: str
    colour: str
    """A class of chart tokens, in static/css."""
    values: Sequence[int]
    """Minor units; numbers where no currency is given."""


def lines(period: Period, series: Sequence[Series], *, currency: str, timezone: str) -> Markup:
    """Amounts at the end of each bucket, as lines."""
    starts = _starts(period, timezone)
    traces = [go.Scatter(x=starts, mode="lines", **_drawn(each, currency)) for each in series]
    return charts.script(go.Figure(data=traces, layout=_layout(period)))


def bars(period: Period, series: Sequence[Series], *, currency: str = "", timezone: str) -> Markup:
    """What each bucket brought, as bars; of several series on one another."""
    starts = _starts(period, timezone)
    traces = [go.Bar(x=starts, **_drawn(each, currency)) for each in series]
    layout = _layout(period, barmode="relative", showlegend=len(series) > 1)
    return charts.script(go.Figure(data=traces, layout=layout))


def activity(
    period: Period, by_type: Sequence[Sequence[BucketSum]], *, currency: str, timezone: str
) -> Markup:
    """What each change type moved, in or out of balances, as bars on one another."""
    kinds = sorted({row.change_type for rows in by_type for row in rows})
    series = [
        Series(
            spoken(kind),
            kind.replace("_", "-"),
            [sum(row.real + row.bonus for row in rows if row.change_type == kind) for rows in by_type],
        )
        for kind in kinds
    ]
    return bars(period, series, currency=currency, timezone=timezone)


def course(period: Period, courses: Sequence[BucketCourse], *, currency: str, timezone: str) -> Markup:
    """A balance at the end of each bucket as a line, with the band of where it was meanwhile."""
    starts = _starts(period, timezone)
    lows = [charts.major(each.low, currency) for each in courses]
    highs = [charts.major(each.high, currency) for each in courses]
    spans = [f"{money.show(each.low, currency)} to {money.show(each.high, currency)}" for each in courses]
    band: dict[str, Any] = {"x": starts, "mode": "lines", "meta": "band"}
    closings = Series("Real", "line", [each.closing for each in courses])
    bonus = Series("Bonus", "theory", [each.bonus for each in courses])
    traces = [
        go.Scatter(y=lows, showlegend=False, hoverinfo="skip", **band),
        go.Scatter(
            y=highs,
            customdata=spans,
            name="Lowest to highest",
            fill="tonexty",
            hovertemplate="Between %{customdata}<extra></extra>",
            **band,
        ),
        go.Scatter(x=starts, mode="lines", **_drawn(closings, currency)),
        go.Scatter(x=starts, mode="lines", **_drawn(bonus, currency)),
    ]
    return charts.script(go.Figure(data=traces, layout=_layout(period)))


def by_name(names: Sequence[str], series: Sequence[Series], *, currency: str = "") -> Markup:
    """A group of bars for each name, in their order."""
    traces = [go.Bar(x=list(names), **_drawn(each, currency)) for each in series]
    layout = go.Layout(
        **{
            **_COMMON,
            "showlegend": len(series) > 1,
            "xaxis": {"type": "category", "fixedrange": True, "automargin": True},
        }
    )
    return charts.script(go.Figure(data=traces, layout=layout))


def sparkline(values: Sequence[int]) -> str:
    """The points of a line in a box of 100 by 24, the newest at its right; empty of fewer than two."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    spread = high - low or 1
    step = 100 / (len(values) - 1)
    return " ".join(
        f"{at * step:.1f},{22 - 20 * (value - low) / spread:.1f}" for at, value in enumerate(values)
    )


def _drawn(series: Series, currency: str) -> dict[str, Any]:
    said = [money.show(value, currency) if currency else f"{value:,}" for value in series.values]
    return {
        "name": series.name,
        "meta": series.colour,
        "y": [charts.major(value, currency) if currency else value for value in series.values],
        "customdata": said,
        "hovertemplate": f"{series.name} %{{customdata}}<extra></extra>",
    }


def _starts(period: Period, timezone: str) -> list[str]:
    """Where each bucket begins on the operator's wall: a chart knows no zones."""
    walls: list[dt.datetime] = [clock.local(bucket.start, timezone) for bucket in period.buckets]
    return [wall.replace(tzinfo=None).isoformat() for wall in walls]


def _layout(period: Period, **more: Any) -> go.Layout:
    axis = {"type": "date", "tickformat": _TICKS[period.unit], "hoverformat": _HOVER[period.unit]}
    return go.Layout(**{**_COMMON, "xaxis": axis, **more})
