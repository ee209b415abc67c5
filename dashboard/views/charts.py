"""Figures as Plotly's JSON; static/js draws them and gives them the colours of the theme.

The browser loads Plotly's basic bundle, which draws what it does not know as something else, silently:
only `scatter`, `bar` and `pie` may stand here. No markup within texts: it would need style attributes.
"""

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

pio.templates.default = "none"  # the theme comes from the page


def cash_by_day(days: Sequence[tuple[Span, CashDay]], *, currency: str, timezone: str) -> Markup:
    """Deposits up, withdrawals down, what is left as a line; for the inside of a JSON script element."""
    dates = [local(span.start, timezone).date().isoformat() for span, _day in days]

    def series(amounts: Sequence[int]) -> dict[str, Any]:
        return {
            "x": dates,
            "y": [_major(amount, currency) for amount in amounts],
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
    return _script(figure)


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
    return _script(figure)


def _major(minor: int, currency: str) -> float:
    """A height for drawing. Nothing is ever computed from it."""
    return float(Decimal(minor).scaleb(-money.exponent(currency)))


def _script(figure: go.Figure) -> Markup:
    """The figure as JSON that cannot end the script element that it stands in."""
    text = json.dumps(json.loads(figure.to_json()), separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - escaped just here
