"""The figures of analytics pages, as Plotly's JSON; `charts` says what may stand in one."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

from dashboard import clock, money
from dashboard.forms.filters import spoken
from dashboard.queries.overview import Overview
from dashboard.services.periods import Period, Unit
from dashboard.views import charts

_TICKS = {Unit.HOUR: "%H:%M", Unit.DAY: "%-d %b", Unit.WEEK: "%-d %b", Unit.MONTH: "%b %Y"}
_HOVER = {
    Unit.HOUR: "%a %-d %b, %H:%M",
    Unit.DAY: "%a %-d %b %Y",
    Unit.WEEK: "week from %-d %b %Y",
    Unit.MONTH: "%B %Y",
}


def balances(overview: Overview, *, currency: str, timezone: str) -> Markup:
    """Real and bonus money of all balances at the end of each bucket, as lines."""
    starts = _starts(overview.period, timezone)
    lines = (("Real", "line", overview.real_closings), ("Bonus", "theory", overview.bonus_closings))
    traces = [
        go.Scatter(x=starts, name=name, meta=meta, mode="lines", **_amounts(name, values, currency))
        for name, meta, values in lines
    ]
    return charts.script(go.Figure(data=traces, layout=_layout(overview.period)))


def activity(overview: Overview, *, currency: str, timezone: str) -> Markup:
    """What each change type moved, in or out of balances, as bars on one another."""
    starts = _starts(overview.period, timezone)
    kinds = sorted({row.change_type for rows in overview.by_type for row in rows})
    traces = []
    for kind in kinds:
        moved = [
            sum(row.real + row.bonus for row in rows if row.change_type == kind) for rows in overview.by_type
        ]
        name, meta = spoken(kind), kind.replace("_", "-")
        traces.append(go.Bar(x=starts, name=name, meta=meta, **_amounts(name, moved, currency)))
    return charts.script(go.Figure(data=traces, layout=_layout(overview.period, barmode="relative")))


def revenue(overview: Overview, *, currency: str, timezone: str) -> Markup:
    """Net gaming revenue of each bucket as bars."""
    values = [bucket.revenue for bucket in overview.buckets]
    bars = go.Bar(
        x=_starts(overview.period, timezone),
        name="Net gaming revenue",
        meta="line",
        **_amounts("Net gaming revenue", values, currency),
    )
    return charts.script(go.Figure(data=[bars], layout=_layout(overview.period, showlegend=False)))


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


def _amounts(name: str, values: Sequence[int], currency: str) -> dict[str, Any]:
    return {
        "y": [charts.major(value, currency) for value in values],
        "customdata": [money.show(value, currency) for value in values],
        "hovertemplate": f"{name} %{{customdata}}<extra></extra>",
    }


def _starts(period: Period, timezone: str) -> list[str]:
    """Where each bucket begins on the operator's wall: a chart knows no zones."""
    walls: list[dt.datetime] = [clock.local(bucket.start, timezone) for bucket in period.buckets]
    return [wall.replace(tzinfo=None).isoformat() for wall in walls]


def _layout(period: Period, **more: Any) -> go.Layout:
    return go.Layout(
        **{
            "bargap": 0.28,
            "hovermode": "x unified",
            "showlegend": True,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
            "margin": {"l": 56, "r": 8, "t": 30, "b": 32},
            "xaxis": {"type": "date", "tickformat": _TICKS[period.unit], "hoverformat": _HOVER[period.unit]},
            "yaxis": {"tickformat": "~s", "zeroline": True, "fixedrange": True},
            **more,
        }
    )
