"""Every page of analytics; `screens.py` has the table of all pages."""

from dashboard.screen import Screen

SCREENS = (
    Screen("analytics", "manager", "/analytics"),
    Screen("analytics-year", "auditor", "/analytics?period=yearly"),
    Screen("analytics-hours", "manager", "/analytics?period=daily"),
    Screen("analytics-no-period", "manager", "/analytics?period=custom&since=2026-03-02"),
)
