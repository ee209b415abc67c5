"""Every page of reports; `screens.py` has the table of all pages."""

from dashboard.screen import Screen, open_dialog, press

SCREENS = (
    Screen("reports", "manager", "/reports"),
    Screen("report-days", "manager", "/reports/player-days?period=weekly"),
    Screen("report-changes", "auditor", "/reports/balance-changes?period=weekly"),
    Screen(
        "report-changes-columns",
        "manager",
        "/reports/balance-changes?period=weekly",
        press(".report-options:last-of-type summary"),
    ),
    Screen("report-adjustments", "manager", "/reports/adjustments"),
    Screen("report-trial-balance", "auditor", "/reports/trial-balance"),
    Screen("report-partners", "manager", "/reports/partner-earnings?period=yearly"),
    Screen("report-loyalty", "manager", "/reports/loyalty-liability"),
    Screen(
        "report-refused",
        "manager",
        "/reports/balance-changes?period=custom&since=2026-03-02&least_real=10",
    ),
    Screen("report-none", "manager", "/reports/refusals?period=custom&since=2001-03-02&until=2001-03-05"),
    Screen("report-export", "manager", "/reports/balances", press("#report-preview .drop summary")),
    Screen("report-save", "manager", "/reports/balances/saved/new"),
    Screen(
        "report-save-dialog", "manager", "/reports/balances", open_dialog("#report-preview [data-dialog]")
    ),
    Screen("report-player", "manager", "/players/{player}/balance-report"),
    Screen("report-files", "manager", "/reports/runs"),
    Screen("report-schedules", "manager", "/reports/schedules"),
    Screen("report-schedule-new", "manager", "/reports/schedules/new"),
    Screen("report-schedules-read-only", "auditor", "/reports/schedules"),
)
