"""The figures of analytics pages, as Plotly's JSON; `charts` says what may stand in one."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go
from markupsafe import Markup

from dashboard import clock, money
from dashboard.forms.filters import spoken
from dashboard.queries.player_figures import BucketCourse
from dashboard.queries.rollups import BucketSum
from dashboard.services.periods import Period, Unit
from dashboard.services.trends import Trend
from dashboard.views import charts

_TICKS = {Unit.HOUR: "%H:%M\n%-d %b", Unit.DAY: "%-d %b", Unit.WEEK: "%-d %b", Unit.MONTH: "%b %Y"}
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


SMALL = 0.02
"""Of real money: bonus money of less is not drawn by itself."""


class Series(NamedTuple):
    """What one line, or one layer of bars, shows: a value for each bucket."""

    name: str
    colour: str
    """A class of chart tokens, in static/css."""
    values: Sequence[int]
    """Minor units; numbers where no currency is given."""


def balances(
    period: Period, real: Sequence[int], bonus: Sequence[int], trend: Trend, *, currency: str, timezone: str
) -> Markup:
    """What balances held at the end of each bucket, with the line of the trend through real money."""
    starts = _starts(period, timezone)
    traces = [
        _line(starts, Series("Real", "line", real), currency),
        _trend(starts, real, trend, currency),
        _bonus(starts, real, bonus, currency),
    ]
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
    """What each change type moved, in or out of balances, as bars on one another: what moved most first."""
    moved: Counter[str] = Counter()
    for rows in by_type:
        for row in rows:
            moved[row.change_type] += abs(row.real + row.bonus)
    kinds = sorted(moved, key=lambda kind: (-moved[kind], kind))
    series = [
        Series(
            spoken(kind),
            kind.replace("_", "-"),
            [sum(row.real + row.bonus for row in rows if row.change_type == kind) for rows in by_type],
        )
        for kind in kinds
    ]
    return bars(period, series, currency=currency, timezone=timezone)


def course(
    period: Period, courses: Sequence[BucketCourse], trend: Trend, *, currency: str, timezone: str
) -> Markup:
    """A balance at the end of each bucket as a line, its trend, and the band of where it was meanwhile."""
    starts = _starts(period, timezone)
    lows = [charts.major(each.low, currency) for each in courses]
    highs = [charts.major(each.high, currency) for each in courses]
    spans = [f"{money.show(each.low, currency)} to {money.show(each.high, currency)}" for each in courses]
    band: dict[str, Any] = {"x": starts, "mode": "lines", "meta": "band"}
    closings = [each.closing for each in courses]
    bonus = [each.bonus for each in courses]
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
        _line(starts, Series("Real", "line", closings), currency),
        _trend(starts, closings, trend, currency),
        _bonus(starts, closings, bonus, currency),
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


def _line(starts: list[str], series: Series, currency: str, **more: Any) -> go.Scatter:
    return go.Scatter(x=starts, mode="lines", **_drawn(series, currency), **more)


def _trend(starts: list[str], closings: Sequence[int], trend: Trend, currency: str) -> go.Scatter:
    """The least-squares line: through the mean at the middle bucket, by its slope."""
    middle, mean = (len(closings) - 1) / 2, sum(closings) / len(closings)
    fitted = [round(mean + trend.slope * (at - middle)) for at in range(len(closings))]
    return _line(starts, Series("Trend", "trend", fitted), currency, line={"dash": "dot"})


def _bonus(starts: list[str], real: Sequence[int], bonus: Sequence[int], currency: str) -> go.Scatter:
    """Bonus money; little of it is only named, until somebody asks for it: it would flatten the rest."""
    size = max(map(abs, bonus))
    is_small = size < SMALL * max(map(abs, real))
    more = {"visible": "legendonly"} if is_small or not size else {}
    return _line(starts, Series("Bonus", "theory", bonus), currency, **more)


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
