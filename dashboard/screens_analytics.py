"""Every page of analytics; `screens.py` has the table of all pages."""

from dashboard.screen import Screen

SCREENS = (
    Screen("analytics", "manager", "/analytics"),
    Screen("analytics-year", "auditor", "/analytics?period=yearly"),
    Screen("analytics-hours", "manager", "/analytics?period=daily"),
    Screen("analytics-no-period", "manager", "/analytics?period=custom&since=2026-03-02"),
    Screen("analytics-more", "manager", "/analytics/more"),
    Screen("analytics-agents", "manager", "/analytics/agents"),
    Screen("analytics-games", "manager", "/analytics/games"),
    Screen("analytics-liability", "manager", "/analytics/liability"),
    Screen("analytics-player", "agent", "/players/{player}/analytics"),
    Screen("analytics-player-year", "manager", "/players/{player}/analytics?period=yearly"),
    Screen("anomalies", "agent", "/analytics/anomalies"),
    Screen("anomalies-all", "auditor", "/analytics/anomalies?state=all"),
    Screen("anomalies-none", "manager", "/analytics/anomalies?type=fee&least=100"),
    Screen("odd-hours", "manager", "/analytics/hours"),
    Screen("odd-hours-none", "agent", "/analytics/hours?series=payouts&state=seen"),
)
