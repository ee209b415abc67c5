"""Figures as Plotly's JSON; static/js draws them and gives them the colours of the theme.

The browser loads Plotly's basic bundle, which draws what it does not know as something else, silently:
only `scatter`, `bar` and `pie` may stand here. No markup within texts: it would need style attributes.
"""

import datetime as dt
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio
from markupsafe import Markup

from dashboard import money
from dashboard.clock import Span, local
from dashboard.queries.alert_figures import TypeFigures
from dashboard.queries.desk import CashDay
from dashboard.queries.earnings import PeriodRow
from dashboard.queries.fairness_figures import Compared

pio.templates.default = "none"  # the theme comes from the page


def cash_by_day(days: Sequence[tuple[Span, CashDay]], *, currency: str, timezone: str) -> Markup:
    """Deposits up, withdrawals down, what is left as a line; for the inside of a JSON script element."""
    dates = [local(span.start, timezone).date().isoformat() for span, _day in days]

    def series(amounts: Sequence[int]) -> dict[str, Any]:
        return {
            "x": dates,
            "y": [major(amount, currency) for amount in amounts],
            "customdata": [money.show(amount, currency) for amount in amounts],
        }

    figure = go.Figure(
        data=[
            go.Bar(
                **series([day.deposits for _span, day in days]),
                name="Deposits",
                meta="up",
                hovertemplate="Deposits %{customdata}<extra></extra>",
            ),
            go.Bar(
                **series([-day.withdrawals for _span, day in days]),
                name="Withdrawals",
                meta="down",
                hovertemplate="Withdrawals %{customdata}<extra></extra>",
            ),
            go.Scatter(
                **series([day.net for _span, day in days]),
                name="Net",
                meta="line",
                mode="lines",
                hovertemplate="Net %{customdata}<extra></extra>",
            ),
        ],
        layout=go.Layout(
            barmode="relative",
            bargap=0.32,
            hovermode="x unified",
            showlegend=True,
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            margin={"l": 56, "r": 8, "t": 30, "b": 24},
            xaxis={"type": "date", "tickformat": "%-d %b", "hoverformat": "%a %-d %b %Y", "fixedrange": True},
            yaxis={"tickformat": "~s", "zeroline": True, "fixedrange": True},
        ),
    )
    return script(figure)


def alerts_by_day(days: Sequence[Span], figures: Sequence[TypeFigures], *, timezone: str) -> Markup:
    """One stack of alerts per day, a layer for each type that there was."""
    dates = [local(day.start, timezone).date().isoformat() for day in days]
    figure = go.Figure(
        data=[
            go.Bar(
                x=dates,
                y=kind.raised,
                name=kind.type.replace("_", " ").capitalize(),
                meta=kind.type.replace("_", "-"),
                hovertemplate="%{fullData.name} %{y}<extra></extra>",
            )
            for kind in figures
            if kind.total
        ],
        layout=go.Layout(
            barmode="stack",
            bargap=0.32,
            hovermode="x unified",
            showlegend=True,
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
            margin={"l": 40, "r": 8, "t": 30, "b": 24},
            xaxis={"type": "date", "tickformat": "%-d %b", "hoverformat": "%a %-d %b %Y", "fixedrange": True},
            yaxis={"tickformat": "~s", "rangemode": "tozero", "fixedrange": True},
        ),
    )
    return script(figure)


def rounds_by_length(lengths: Sequence[Compared]) -> Markup:
    """How many rounds ended after 1, 2, … cards as bars; what is expected as a line, its band around it."""
    numbers = list(range(1, len(lengths) + 1))
    return script(
        go.Figure(
            data=[
                go.Scatter(
                    x=numbers,
                    y=[each.low for each in lengths],
                    mode="lines",
                    meta="band",
                    showlegend=False,
                    hoverinfo="skip",
                ),
                go.Scatter(
                    x=numbers,
                    y=[each.high for each in lengths],
                    customdata=[f"{each.low:,.1f} to {each.high:,.1f}" for each in lengths],
                    name="4 sigma",
                    mode="lines",
                    fill="tonexty",
                    meta="band",
                    hovertemplate="4 sigma: %{customdata}<extra></extra>",
                ),
                go.Bar(
                    x=numbers,
                    y=[each.observed for each in lengths],
                    name="Observed",
                    meta="bars",
                    hovertemplate="Observed %{y:,}<extra></extra>",
                ),
                go.Scatter(
                    x=numbers,
                    y=[each.expected for each in lengths],
                    name="Exact",
                    meta="line",
                    mode="lines",
                    hovertemplate="Exact %{y:,.1f}<extra></extra>",
                ),
            ],
            layout=_layout(
                xaxis={
                    "title": {"text": "Cards dealt", "font": {"size": 12}},
                    "dtick": 5,
                    "tick0": 0,
                    "range": [0.2, len(lengths) + 0.8],
                },
                yaxis={"tickformat": ",", "rangemode": "tozero"},
            ),
        )
    )


def returns_by_month(months: Sequence[tuple[dt.date, float | None, float | None]]) -> Markup:
    """What was paid of the stakes, in percent, and what the exact edges say."""
    names = [month.strftime("%b %Y") for month, _paid, _expected in months]
    return script(
        go.Figure(
            data=[
                go.Scatter(
                    x=names,
                    y=[paid for _month, paid, _expected in months],
                    name="Paid",
                    meta="line",
                    mode="lines+markers",
                    hovertemplate="Paid %{y:.2f} %<extra></extra>",
                ),
                go.Scatter(
                    x=names,
                    y=[expected for _month, _paid, expected in months],
                    name="In theory",
                    meta="theory",
                    mode="lines+markers",
                    hovertemplate="In theory %{y:.2f} %<extra></extra>",
                ),
            ],
            layout=_layout(xaxis={"type": "category"}, yaxis={"ticksuffix": " %", "range": _around(months)}),
        )
    )


def earned(points: Sequence[tuple[dt.date, PeriodRow | None]], *, currency: str, is_by_day: bool) -> Markup:
    """What a partner earned by day or by month as bars; none where a period is not shown by itself."""
    shown = [(start, row) for start, row in points if row is not None]
    return script(
        go.Figure(
            data=[
                go.Bar(
                    x=[start.isoformat() for start, _row in shown],
                    y=[major(row.earned, currency) for _start, row in shown],
                    customdata=[money.show(row.earned, currency) for _start, row in shown],
                    name="Earned",
                    meta="line",
                    hovertemplate="Earned %{customdata}<extra></extra>",
                )
            ],
            layout=go.Layout(
                bargap=0.32,
                hovermode="x unified",
                showlegend=False,
                margin={"l": 56, "r": 8, "t": 12, "b": 24},
                xaxis={
                    "type": "date",
                    "tickformat": "%-d %b" if is_by_day else "%b %Y",
                    "hoverformat": "%a %-d %b %Y" if is_by_day else "%B %Y",
                    "range": _stretch(points),
                    "fixedrange": True,
                },
                yaxis={"tickformat": "~s", "zeroline": True, "fixedrange": True},
            ),
        )
    )


def _stretch(points: Sequence[tuple[dt.date, PeriodRow | None]]) -> list[str]:
    """From half a bar before the first to half a bar after the last, whether or not these are drawn."""
    first, last = points[0][0], points[-1][0]
    half = (last - first) / (len(points) - 1) / 2
    return [
        (dt.datetime.combine(day, dt.time.min) + sign * half).isoformat()
        for day, sign in ((first, -1), (last, 1))
    ]


def _around(months: Sequence[tuple[dt.date, float | None, float | None]]) -> list[float]:
    """From a little below the least to a little above the most: what matters is how far they lie apart."""
    seen = [part for _month, *parts in months for part in parts if part is not None] or [100.0]
    return [max(0.0, min(seen) - 2), max(seen) + 2]


def _layout(xaxis: dict[str, Any], yaxis: dict[str, Any]) -> go.Layout:
    return go.Layout(
        bargap=0.28,
        hovermode="x unified",
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        margin={"l": 48, "r": 8, "t": 30, "b": 40},
        xaxis={"fixedrange": True, **xaxis},
        yaxis={"fixedrange": True, **yaxis},
    )


def major(minor: int, currency: str) -> float:
    """A height for drawing. Nothing is ever computed from it."""
    return float(Decimal(minor).scaleb(-money.exponent(currency)))


def script(figure: go.Figure) -> Markup:
    """The figure as JSON that cannot end the script element that it stands in."""
    text = json.dumps(json.loads(figure.to_json()), separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - escaped just here
