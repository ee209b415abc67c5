"""Figures of the loyalty programme as Plotly's JSON, by the rules of `charts`."""

from collections.abc import Sequence

import plotly.graph_objects as go
from markupsafe import Markup

from dashboard.queries.loyalty import MonthRow
from dashboard.views.charts import script

# The year stands below the first month of each.
_MONTHS: dict[str, object] = {"type": "date", "tickformat": "%b\n%Y", "hoverformat": "%B %Y"}


def outstanding(months: Sequence[MonthRow]) -> Markup:
    """Points that are still there, by the month in which they expire."""
    return script(
        _bars([row.month.isoformat() for row in months], [row.remaining for row in months], "Points", _MONTHS)
    )


def members(names: Sequence[str], counts: Sequence[int]) -> Markup:
    """Members by tier, the lowest first."""
    return script(_bars(names, counts, "Members", {"type": "category", "automargin": True}))


def breakage(months: Sequence[MonthRow]) -> Markup:
    """Which part expired of the points of months that are over, in percent."""
    shown = [row for row in months if row.breakage is not None]
    figure = go.Figure(
        data=[
            go.Scatter(
                x=[row.month.isoformat() for row in shown],
                # A height for drawing. Nothing is ever computed from it.
                y=[round(float(row.breakage or 0) * 100, 4) for row in shown],
                name="Expired",
                meta="line",
                mode="lines+markers",
                hovertemplate="Expired %{y:.2f} %<extra></extra>",
            )
        ],
        layout=_layout(_MONTHS, {"ticksuffix": " %", "rangemode": "tozero"}),
    )
    return script(figure)


def _bars(names: Sequence[str], heights: Sequence[int], name: str, xaxis: dict[str, object]) -> go.Figure:
    return go.Figure(
        data=[
            go.Bar(
                x=list(names),
                y=list(heights),
                name=name,
                meta="bars",
                hovertemplate=f"{name} %{{y:,}}<extra></extra>",
            )
        ],
        layout=_layout(xaxis, {"tickformat": "~s", "rangemode": "tozero"}),
    )


def _layout(xaxis: dict[str, object], yaxis: dict[str, object]) -> go.Layout:
    return go.Layout(
        bargap=0.32,
        hovermode="x unified",
        showlegend=False,
        margin={"l": 48, "r": 8, "t": 12, "b": 40},
        xaxis={"fixedrange": True, **xaxis},
        yaxis={"zeroline": True, "fixedrange": True, **yaxis},
    )
