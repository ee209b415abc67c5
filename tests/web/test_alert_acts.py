"""What one does about alerts: /players/<id>/alerts/<id>/<act>, /alerts/selection, /alerts/next."""

import datetime as dt
from typing import Any

import pytest

from dashboard.models import Alert
from dashboard.models.login import Role
from tests import builders
from tests.pages import Page, checked
from tests.web.desk import AT, Browser, Desk
from tests.web.test_alerts import alert_of, low, path_of


@pytest.fixture
def agent(desk: Desk) -> Browser:
    """An agent who has signed in."""
    return desk.sign_in()


def key_of(alert: Alert) -> str:
    """How a selection names it."""
    return f"{alert.player_id}-{alert.id}"


def colleague(desk: Desk, role: Role = Role.AGENT, name: str = "Bo Lind") -> int:
    """Somebody else's login id."""
    return desk.write(lambda s: builders.make_login(s, operator_id=desk.operator_id, role=role, name=name).id)


def fresh(desk: Desk, alert: Alert) -> Alert:
    """The alert as it is now."""
    return alert_of(desk, alert.player_id)


ACTS: dict[str, tuple[dict[str, str], str]] = {
    "acknowledgement": ({"note": "Rang them"}, "The alert is acknowledged."),
    "resolution": ({"note": "Told the player"}, "The alert is resolved."),
    "snooze": ({"until": "hour", "reason": "Pays soon"}, "The alert is snoozed."),
    "taking": ({}, "The alert is yours: you are working on it."),
}


@pytest.mark.parametrize("noun", ACTS)
def test_by_htmx_it_is_done_and_what_stands_open_looks_again(desk: Desk, agent: Browser, noun: str) -> None:
    alert, (data, said) = alert_of(desk, low(desk)), ACTS[noun]
    answer = agent.post(f"{path_of(alert)}/{noun}", data, htmx=True)
    assert answer.status_code == 204
    for event in (said, "dialog:close", "live:alerts", "live:player"):
        assert event in answer.headers["HX-Trigger"]
    assert fresh(desk, alert) != alert


@pytest.mark.parametrize("noun", ACTS)
@pytest.mark.parametrize(
    ("came_from", "goes_to"),
    [("/alerts?type=warning", "/alerts?type=warning"), ("", None), ("//evil.test/", None)],
)
def test_plainly_it_leads_back_to_where_one_was(
    desk: Desk, agent: Browser, noun: str, came_from: str, goes_to: str | None
) -> None:
    alert, (data, said) = alert_of(desk, low(desk)), ACTS[noun]
    goes_to = goes_to or path_of(alert)
    answer = agent.post(f"{path_of(alert)}/{noun}", {**data, "next": came_from})
    assert (answer.status_code, answer.location) == (303, goes_to)
    assert said in agent.page(goes_to).text


@pytest.mark.parametrize(
    ("noun", "title"),
    [
        ("acknowledgement", "Acknowledge an alert"),
        ("resolution", "Resolve an alert"),
        ("snooze", "Snooze an alert"),
        ("assignment", "Assign an alert"),
    ],
)
def test_what_needs_words_has_a_form(desk: Desk, agent: Browser, noun: str, title: str) -> None:
    alert = alert_of(desk, low(desk, name="Priya Raman"))
    page = agent.page(f"{path_of(alert)}/{noun}?next=/alerts")
    assert page.one("h1").text == title
    assert "Priya Raman" in page.text
    assert page.one("input", name="next")["value"] == "/alerts"
    dialog = Page(agent.get(f"{path_of(alert)}/{noun}", htmx=True))
    assert dialog.one("h2").text == title
    assert not dialog.all("html")


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize(
    "wrong",
    [
        ("acknowledgement", {"note": "x" * 501}, "note", "A note has at most 500 characters."),
        ("resolution", {"note": " "}, "note", "Say what became of it."),
        ("resolution", {"note": "x" * 501}, "note", "A note has at most 500 characters."),
        ("snooze", {"until": "hour", "reason": ""}, "reason", "Enter a reason."),
        (
            "snooze",
            {"until": "other", "until_at": "", "reason": "Later"},
            "until_at",
            "Choose when it shall come back.",
        ),
        (
            "snooze",
            {"until": "other", "until_at": "2026-03-02T13:00", "reason": "Later"},
            "until_at",
            "Choose a time within the next 31 days.",
        ),
        (
            "snooze",
            {"until": "other", "until_at": "2026-03-29T02:30", "reason": "Later"},
            "until_at",
            "The clocks go forward over that time: choose another.",
        ),
        ("assignment", {"assignee": ""}, "assignee", "Choose somebody."),
        ("assignment", {"assignee": "999999"}, "assignee", "Choose somebody."),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_done(
    desk: Desk, agent: Browser, wrong: tuple[str, dict[str, str], str, str], htmx: bool
) -> None:
    noun, data, field, message = wrong
    alert = alert_of(desk, low(desk))
    answer = agent.post(f"{path_of(alert)}/{noun}", data, htmx=htmx)
    page = Page(answer) if htmx else checked(answer)
    assert answer.status_code == 422
    assert page.by_id(f"{field}-error").text == message
    for name, typed in data.items():
        if name in {"note", "reason"} and typed.strip():
            assert typed in answer.text
    now = fresh(desk, alert)
    assert (now.state, now.snoozed_until, now.assigned_to) == ("open", None, None)


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        ({"until": "hour"}, AT + dt.timedelta(hours=1)),
        ({"until": "hours"}, AT + dt.timedelta(hours=4)),
        # AT is a Monday at 14:00 in Malta, an hour ahead of UTC.
        ({"until": "tomorrow"}, dt.datetime(2026, 3, 3, 7, tzinfo=dt.UTC)),
        ({"until": "monday"}, dt.datetime(2026, 3, 9, 7, tzinfo=dt.UTC)),
        (
            {"until": "other", "until_at": "2026-03-30T08:00"},  # summer time by then
            dt.datetime(2026, 3, 30, 6, tzinfo=dt.UTC),
        ),
    ],
)
def test_the_ends_of_a_snooze_are_the_operators_calendar(
    desk: Desk, agent: Browser, given: dict[str, str], ends: dt.datetime
) -> None:
    alert = alert_of(desk, low(desk))
    assert agent.post(f"{path_of(alert)}/snooze", {**given, "reason": "Later"}).status_code == 303
    assert fresh(desk, alert).snoozed_until == ends


@pytest.mark.parametrize("htmx", [True, False])
def test_the_second_is_told_who_was_first(desk: Desk, agent: Browser, htmx: bool) -> None:
    alert = alert_of(desk, low(desk))
    second = desk.sign_in(name="Bo Lind")
    for noun, data, told in (
        ("taking", {}, "Ana Reyes is working on this already."),
        ("acknowledgement", {"note": "Mine"}, "Ana Reyes has already acknowledged this alert."),
        ("resolution", {"note": "Done"}, "This alert is already resolved."),
    ):
        agent.post(f"{path_of(alert)}/{noun}", data)
        answer = second.post(f"{path_of(alert)}/{noun}", {"note": "No, mine"}, htmx=htmx)
        assert answer.status_code == 409
        assert told in answer.text
    now = fresh(desk, alert)
    assert (now.note, now.resolution) == ("Mine", "Done")


def test_it_can_be_given_taken_and_given_back(desk: Desk, agent: Browser) -> None:
    alert, bo = alert_of(desk, low(desk)), colleague(desk)
    agent.post(path_of(alert) + "/assignment", {"assignee": str(bo)})
    assert fresh(desk, alert).assigned_to == bo
    refused = agent.post(path_of(alert) + "/release", {})
    assert refused.status_code == 409
    assert "This alert is Bo Lind&#39;s: they or a manager can pass it on." in refused.text
    manager = desk.sign_in(Role.MANAGER, name="Cy Tan")
    assert "Release" in manager.page(path_of(alert)).text
    assert manager.post(path_of(alert) + "/release", {}).status_code == 303
    assert fresh(desk, alert).assigned_to is None


def test_only_who_works_on_alerts_is_offered(desk: Desk, agent: Browser) -> None:
    colleague(desk)
    for role in (Role.AUDITOR, Role.PARTNER):
        colleague(desk, role, name="Not Me")
    page = agent.page(path_of(alert_of(desk, low(desk))) + "/assignment")
    assert [option.text for option in page.all("option")] == ["Choose somebody", "Me (Ana Reyes)", "Bo Lind"]


def test_what_is_not_there_or_not_ours_is_not_found(desk: Desk, agent: Browser) -> None:
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    theirs = alert_of(elsewhere, low(elsewhere))
    for noun, (data, _said) in ACTS.items():
        assert agent.post(f"{path_of(theirs)}/{noun}", data).status_code == 404
    assert agent.get(f"{path_of(theirs)}/snooze").status_code == 404
    now = fresh(elsewhere, theirs)
    assert (now.state, now.assigned_to, now.snoozed_until) == ("open", None, None)


def test_auditors_do_nothing(desk: Desk) -> None:
    alert, auditor = alert_of(desk, low(desk)), desk.sign_in(Role.AUDITOR)
    for noun, (data, _said) in ACTS.items():
        assert auditor.post(f"{path_of(alert)}/{noun}", data).status_code == 403
    bulk = {"act": "resolution", "alert": key_of(alert), "note": "Done"}
    assert auditor.post("/alerts/selection", bulk).status_code == 403
    assert auditor.post("/alerts/next", {}).status_code == 403
    assert fresh(desk, alert).state == "open"


# Take next


@pytest.mark.parametrize("htmx", [True, False])
def test_next_opens_the_oldest_that_is_nobodys(desk: Desk, agent: Browser, htmx: bool) -> None:
    low(desk)
    oldest = alert_of(desk, low(desk, AT - dt.timedelta(hours=3)))
    answer = agent.post("/alerts/next", {}, htmx=htmx)
    where = answer.headers["HX-Redirect"] if htmx else answer.location
    assert where == path_of(oldest)
    page = agent.page(where)
    assert "Ana Reyes is working on this since 14:00" in page.text


@pytest.mark.parametrize("htmx", [True, False])
def test_where_nothing_is_left_it_says_so(desk: Desk, agent: Browser, htmx: bool) -> None:
    low(desk)
    agent.post("/alerts/next", {})
    answer = agent.post("/alerts/next", {}, htmx=htmx)
    if htmx:
        assert "There is nothing to take" in answer.headers["HX-Trigger"]
    else:
        assert answer.location == "/alerts"
        assert "There is nothing to take" in agent.page("/alerts").text


# A selection


def test_a_selection_has_one_form_and_says_of_each_what_became_of_it(desk: Desk, agent: Browser) -> None:
    free, taken, ended = (alert_of(desk, low(desk, name=name)) for name in ("Free", "Taken", "Ended"))
    bo = colleague(desk)
    desk.sign_in(Role.MANAGER, name="Cy Tan").post(path_of(taken) + "/assignment", {"assignee": str(bo)})
    agent.post(path_of(ended) + "/resolution", {"note": "Done"})
    chosen = [key_of(alert) for alert in (free, taken, ended)]

    form = agent.page("/alerts/selection?act=assignment&next=/alerts?type=warning&" + named(chosen))
    assert form.one("h1").text == "Assign 3 alerts"
    assert sorted(field["value"] for field in form.all("input", name="alert")) == sorted(chosen)
    me = next(option["value"] for option in form.all("option") if option.text.startswith("Me"))
    sent = {"act": "assignment", "alert": chosen, "assignee": me, "next": "/alerts?type=warning"}
    page = checked(agent.post("/alerts/selection", sent))

    assert page.one("h1").text == "1 of 3 alerts assigned"
    lines = [line.text for line in page.all("li") if line.text.startswith("Warning")]
    assert sorted(lines) == [
        "Warning Ended This alert is already resolved.",
        "Warning Free Assigned.",
        "Warning Taken This alert is Bo Lind's: they or a manager can pass it on.",
    ]
    assert fresh(desk, free).assigned_to == int(me)
    assert fresh(desk, taken).assigned_to == bo
    assert page.all("a", href="/alerts?type=warning")


def named(keys: list[str]) -> str:
    """The keys as a query."""
    return "&".join(f"alert={key}" for key in keys)


@pytest.mark.parametrize(
    ("act", "data", "done"),
    [
        ("acknowledgement", {"note": "All known"}, "2 alerts acknowledged"),
        ("resolution", {"note": "All done"}, "2 alerts resolved"),
        ("snooze", {"until": "tomorrow", "reason": "Payday"}, "2 alerts snoozed"),
    ],
)
def test_a_selection_by_htmx_answers_in_the_dialog_and_the_list_looks_again(
    desk: Desk, agent: Browser, act: str, data: dict[str, Any], done: str
) -> None:
    alerts = [alert_of(desk, low(desk)) for _ in range(2)]
    chosen = [key_of(alert) for alert in alerts]
    dialog = Page(agent.get(f"/alerts/selection?act={act}&{named(chosen)}", htmx=True))
    assert dialog.one("button", type="submit").text.endswith("2 alerts")
    answer = agent.post("/alerts/selection", {"act": act, "alert": chosen, **data}, htmx=True)
    assert Page(answer).one("h2").text == done
    assert "live:alerts" in answer.headers["HX-Trigger"]
    assert all(fresh(desk, alert) != alert for alert in alerts)


def test_a_selection_that_is_refused_keeps_what_was_typed_and_chosen(desk: Desk, agent: Browser) -> None:
    alert = alert_of(desk, low(desk))
    sent = {"act": "snooze", "alert": key_of(alert), "until": "hour", "reason": "x" * 201}
    page = checked(agent.post("/alerts/selection", sent))
    assert page.by_id("reason-error").text == "A reason has at most 200 characters."
    assert page.one("input", name="reason")["value"] == "x" * 201
    assert page.one("input", name="alert")["value"] == key_of(alert)
    past = {"until": "other", "until_at": "2026-03-01T10:00", "reason": "Later"}
    page = checked(agent.post("/alerts/selection", {**sent, **past}))
    assert page.by_id("until_at-error").text == "Choose a time within the next 31 days."
    assert fresh(desk, alert).snoozed_until is None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("act=snooze", "Select at least one alert"),
        ("act=snooze&alert=nonsense&alert=1-2-3&alert=1-²", "Select at least one alert"),
        ("act=flying&alert=1-1", "Choose what to do with the alerts."),
        ("act=taking&alert=1-1", "Choose what to do with the alerts."),
        (
            "act=snooze&" + "&".join(f"alert=1-{number}" for number in range(201)),
            "Select at most 200 alerts at a time; these are 201.",
        ),
    ],
)
def test_a_selection_of_nothing_or_too_much_is_refused(agent: Browser, query: str, message: str) -> None:
    answer = agent.get(f"/alerts/selection?{query}")
    assert answer.status_code == 422
    assert message in answer.text


def test_strangers_alerts_are_left_out_of_a_selection(desk: Desk, agent: Browser) -> None:
    ours = alert_of(desk, low(desk))
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    theirs = alert_of(elsewhere, low(elsewhere, name="Not Ours"))
    chosen = [key_of(ours), key_of(theirs)]
    assert "Not Ours" not in agent.page(f"/alerts/selection?act=resolution&{named(chosen)}").text
    sent = {"act": "resolution", "alert": chosen, "note": "Done"}
    page = checked(agent.post("/alerts/selection", sent))
    assert page.one("h1").text == "1 of 2 alerts resolved"
    assert f"Alert {theirs.id} There is no such alert." in page.text
    assert fresh(elsewhere, theirs).state == "open"


def test_a_selection_takes_as_many_statements_as_one(desk: Desk, agent: Browser) -> None:
    chosen = [key_of(alert_of(desk, low(desk))) for _ in range(60)]

    def resolve(keys: list[str]) -> int:
        sent = {"act": "resolution", "alert": keys, "note": "Done"}
        return desk.count_queries(lambda: agent.post("/alerts/selection", sent, htmx=True))

    assert resolve(chosen[:1]) == resolve(chosen[1:]) <= 12
