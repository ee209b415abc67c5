"""/analytics/anomalies and /analytics/hours: what was found, why, and what people say of it."""

import datetime as dt
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.jobs import anomalies as jobs
from dashboard.jobs.anomalies import Watch
from dashboard.models import Anomaly, AnomalyModel, SeriesAlert
from dashboard.models.anomaly import Mark
from dashboard.models.login import Role
from dashboard.services import anomalies, anomaly_model, anomaly_scoring, hourly, rollups
from dashboard.services.anomalies import AnomalyKey
from dashboard.services.hourly import Counted
from tests import builders
from tests.pages import Page
from tests.services import anomaly_history
from tests.services.anomaly_history import DAY, USUAL, Posted
from tests.services.test_hourly import AT as ODD_HOUR
from tests.services.test_hourly import usual_weeks
from tests.web.desk import AT, Browser, Desk

HOUR = dt.timedelta(hours=1)


def find(desk: Desk, *amounts: int, name: str = "Mira Holm", now: dt.datetime = AT) -> int:
    """A player whose large amounts were posted, an hour apart, and scored; an hour ago the last."""
    player_id = desk.player(name=name)

    def work(session: Session) -> None:
        anomaly_history.install(session, desk.operator_id, at=now)
        posted = [Posted(now - (len(amounts) - at) * HOUR, amount) for at, amount in enumerate(amounts)]
        anomaly_history.write(session, player_id, posted)
        anomaly_history.roll(session, at=now)
        loaded = anomaly_scoring.load(session, operator_id=desk.operator_id)
        assert loaded is not None
        anomaly_scoring.score(session, loaded, now=now)

    desk.write(work)
    return player_id


def address(player_id: int, sequence: int = 1) -> str:
    return f"/analytics/anomalies/{player_id}/USD/{sequence}/mark"


def mark_of(desk: Desk, player_id: int) -> tuple[str | None, str | None]:
    wanted = select(Anomaly.mark, Anomaly.note).filter_by(player_id=player_id).order_by(Anomaly.sequence)
    return desk.read(lambda session: tuple(session.execute(wanted).first() or ()))  # type: ignore[return-value]


@pytest.fixture
def agent(desk: Desk) -> Browser:
    return desk.sign_in(Role.AGENT)


def hrefs(page: Page) -> set[str]:
    return {link.get("href") or "" for link in page.all("a")}


def listed(browser: Browser, query: str = "") -> str:
    return browser.page(f"/analytics/anomalies{query}").by_id("anomalies").text


def test_an_anomaly_says_what_and_why(desk: Desk, agent: Browser) -> None:
    player_id = find(desk, 20 * USUAL)
    page = agent.page("/analytics/anomalies")
    text = page.by_id(f"anomaly-{player_id}-USD-1").text
    for part in ("Adjustment", "+200.00", "93", "Mira Holm", "20.0 times what is usual at the house"):
        assert part in text
    assert f"/players/{player_id}/entries/USD/1" in hrefs(page)
    assert "nobody has looked yet" in page.by_id("anomalies").text


def test_without_a_model_the_page_says_what_is_missing(desk: Desk, agent: Browser) -> None:
    player_id = desk.player()
    desk.write(
        lambda session: anomaly_history.write(session, player_id, anomaly_history.ordinary(1, days=40))
    )
    desk.write(lambda session: anomaly_history.roll(session, at=AT))
    text = listed(agent)
    assert "40 of 1,000 entries of the last 90 days" in text
    assert "Nothing is scored yet" in text
    assert "once there are 1,000 entries within 90 days" in text


def test_until_the_first_model_is_fitted_the_page_says_so(desk: Desk, agent: Browser) -> None:
    desk.write(lambda session: anomaly_history.make_history(session, desk.operator_id))
    text = listed(agent)
    assert "fits the first one within the hour, on 1,200 entries of the last 90 days" in text
    assert "the first model is on its way" in text


@pytest.mark.parametrize(
    ("said", "words", "tab"),
    [
        ("right", "Something was wrong", "amiss"),
        ("wrong", "It was in order", "in_order"),
    ],
)
def test_a_mark_by_a_plain_form(desk: Desk, agent: Browser, said: str, words: str, tab: str) -> None:
    player_id = find(desk, 20 * USUAL)
    answer = agent.post(address(player_id), {"said": said, "was": "", "next": "/analytics/anomalies"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/analytics/anomalies")
    assert mark_of(desk, player_id) == (said, None)
    assert "Mira Holm" not in listed(agent)
    text = listed(agent, f"?state={tab}")
    assert f"{words} Ana Reyes" in text
    assert f"Precision so far {'100' if said == 'right' else '0'} %" in text


def test_a_mark_by_htmx_has_the_list_fetch_itself(desk: Desk, agent: Browser) -> None:
    player_id = find(desk, 20 * USUAL)
    answer = agent.post(address(player_id), {"said": "right", "was": "", "note": "Twice"}, htmx=True)
    assert answer.status_code == 204
    assert {"toast", "dialog:close", "anomalies:marked"} == set(json.loads(answer.headers["HX-Trigger"]))
    assert mark_of(desk, player_id) == ("right", "Twice")


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"note": "Looked"}, "Choose what it was."),
        ({"said": "perhaps", "note": "Looked"}, "Not a valid choice."),
        ({"said": "right", "note": "n" * 501}, "A note has at most 500 characters."),
    ],
)
def test_a_mark_that_is_none_changes_nothing(
    desk: Desk, agent: Browser, sent: dict[str, str], message: str
) -> None:
    player_id = find(desk, 20 * USUAL)
    answer = agent.post(address(player_id), sent)
    assert answer.status_code == 422
    text = answer.get_data(as_text=True)
    assert message in text
    assert sent["note"] in text
    assert mark_of(desk, player_id) == (None, None)


def test_whoever_comes_second_is_told(desk: Desk, agent: Browser) -> None:
    player_id = find(desk, 20 * USUAL)
    agent.post(address(player_id), {"said": "right", "was": ""})
    other = desk.sign_in(Role.MANAGER, name="Ben Osei")
    answer = other.post(address(player_id), {"said": "wrong", "was": ""})
    assert answer.status_code == 409
    assert "Ana Reyes has marked it meanwhile" in answer.get_data(as_text=True)
    page = other.page(address(player_id))
    assert page.one("input", name="was")["value"] == "right"
    assert other.post(address(player_id), {"said": "wrong", "was": "right"}).status_code == 303
    assert mark_of(desk, player_id) == ("wrong", None)


def test_filters_stand_in_the_url(desk: Desk, agent: Browser) -> None:
    one = find(desk, 20 * USUAL, name="Mira Holm")
    find(desk, -30 * USUAL, name="Jonas Berg")
    everybody = listed(agent, f"?since={(AT - DAY).date()}&least=50&type=adjustment")
    assert "Mira Holm" in everybody
    assert "Jonas Berg" in everybody
    assert "Jonas Berg" not in listed(agent, f"?player={one}")
    assert "No anomaly fits" in listed(agent, "?least=94")
    assert "No anomaly fits" in listed(agent, "?type=fee")
    assert "No anomaly fits" in listed(agent, f"?until={(AT - DAY).date()}")
    assert "Enter a score from 0 to 100." in agent.page("/analytics/anomalies?least=101").text
    # What is no filter asks for nothing.
    assert "Mira Holm" in listed(agent, "?least=101&type=nothing&state=nothing&player=x&since=x&after=x.y")


def test_a_long_list_comes_in_pages(desk: Desk, agent: Browser) -> None:
    find(desk, *[20 * USUAL] * 60)
    page = agent.page("/analytics/anomalies")
    assert len([row for row in page.all("tr") if (row.get("id") or "").startswith("anomaly-")]) == 50
    more = page.by_id("more-anomalies")
    (link,) = [link for link in page.all("a") if link.is_within(more)]
    rest = agent.get(link["href"], htmx=True).get_data(as_text=True)
    assert rest.count('<tr id="anomaly-') == 10
    assert "more-anomalies" not in rest


def test_who_only_reads_marks_nothing(desk: Desk) -> None:
    player_id = find(desk, 20 * USUAL)
    auditor = desk.sign_in(Role.AUDITOR)
    assert "Nobody has looked" in listed(auditor)
    assert auditor.post(address(player_id), {"said": "right", "was": ""}).status_code == 403


def test_another_operators_anomalies_do_not_exist(desk: Desk) -> None:
    player_id = find(desk, 20 * USUAL)
    elsewhere = Desk(desk.app, desk.write(builders.make_operator)).sign_in(Role.MANAGER)
    assert "Mira Holm" not in listed(elsewhere, "?state=all")
    assert elsewhere.get(address(player_id)).status_code == 404
    assert elsewhere.post(address(player_id), {"said": "right", "was": ""}).status_code == 404


def test_an_agent_comes_here_by_the_navigation(desk: Desk, agent: Browser) -> None:
    assert "/analytics/anomalies" in hrefs(agent.page("/"))
    assert "/analytics/hours" in hrefs(agent.page("/analytics/anomalies"))
    assert "/analytics/agents" not in hrefs(agent.page("/analytics/anomalies"))
    manager = desk.sign_in(Role.MANAGER)
    assert {"/analytics", "/analytics/agents"} <= hrefs(manager.page("/analytics/anomalies"))


def test_few_statements(desk: Desk, agent: Browser) -> None:
    find(desk, *[20 * USUAL] * 30)
    agent.get("/analytics/anomalies")
    for query in (
        "/analytics/anomalies",
        "/analytics/anomalies?state=all&type=adjustment",
        "/analytics/hours",
    ):
        assert desk.count_queries(lambda query=query: agent.get(query)) <= 12, desk.queries  # type: ignore[misc]


def test_a_round_of_the_worker(desk: Desk) -> None:
    """Posted, counted and scored; what was found by an older model stays."""
    player_id = find(desk, 20 * USUAL)
    watch = Watch()
    with desk.app.app_context():
        assert watch.score(AT) == 0
    desk.write(
        lambda session: anomaly_history.write(session, player_id, [Posted(AT - HOUR / 60, 30 * USUAL)])
    )
    desk.write(lambda session: anomaly_history.roll(session, at=AT))
    desk.write(lambda session: anomaly_history.install(session, desk.operator_id))
    with desk.app.app_context():
        assert watch.score(AT) == 1
        assert watch.score(AT) == 0
    who = desk.write(lambda session: builders.make_actor(session, operator_id=desk.operator_id))
    key = AnomalyKey(player_id, "USD", 2)
    desk.write(
        lambda session: anomalies.mark(
            session, key=key, said=Mark.RIGHT, was=None, note="", actor=who, now=AT
        )
    )


def test_the_worker_fits_once_a_night_and_whoever_has_none(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that comes up does both at once: the second finds what the first has fitted."""
    monkeypatch.setattr(anomaly_model, "FOREST_TREES", 10)
    desk.write(lambda session: anomaly_history.make_history(session, desk.operator_id))

    def fitted(fit: Callable[[dt.datetime], int], at: dt.datetime) -> int:
        with desk.app.app_context():
            return fit(at)

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(fitted, fit, AT) for fit in (jobs.fit_first, jobs.fit_all)]
        assert sum(each.result() for each in both) == 1
    tomorrow = AT + DAY
    assert [fitted(fit, tomorrow) for fit in (jobs.fit_first, jobs.fit_all, jobs.fit_all)] == [0, 1, 0]
    wanted = select(AnomalyModel.fitted_at).order_by(AnomalyModel.id)
    assert desk.read(lambda session: session.scalars(wanted).all()) == [AT, tomorrow]


# Odd hours


@pytest.fixture
def odd_hour(desk: Desk) -> int:
    """An hour in which deposits stayed away; the id of its alert."""

    def work(session: Session) -> int:
        usual_weeks(session, desk.operator_id)
        of = Counted(desk.operator_id, "Europe/Malta", AT)
        hourly.watch(session, of, since=ODD_HOUR, until=ODD_HOUR + HOUR, now=AT)
        wanted = select(SeriesAlert.id).filter_by(operator_id=desk.operator_id, series="deposits")
        return session.scalars(wanted).one()

    return desk.write(work)


def test_the_worker_judges_each_hour_once(desk: Desk) -> None:
    """Not before it is counted, and after a stop the last 48."""
    desk.write(rollups.begin)
    desk.write(lambda session: usual_weeks(session, desk.operator_id))
    watch, counted = Watch(), AT + hourly.SETTLED
    with desk.app.app_context():
        assert watch.judge_hours(counted) == 0
    desk.write(lambda session: rollups.passed(session, at=counted))
    with desk.app.app_context():
        assert watch.judge_hours(counted) == 2
        assert watch.judge_hours(counted) == 0
        assert Watch().judge_hours(counted) == 0


def test_an_odd_hour_stands_beside_its_usual(agent: Browser, odd_hour: int) -> None:
    page = agent.page("/analytics/hours")
    text = page.by_id(f"hour-{odd_hour}").text
    for part in ("Mon 2 Mar 2026, 12:00–13:00", "Deposits", "0.00 USD", "500.00 ± 75.00 USD"):
        assert part in text
    labels = [figure["aria-label"] for figure in page.all("svg", class_="week-line")]
    assert any("Deposits" in label and "far less than usual, 6.7 deviations" in label for label in labels)
    assert "Entries" in page.by_id("hours").text


def test_the_hours_page_without_any(agent: Browser) -> None:
    assert "No odd hour" in agent.page("/analytics/hours").text
    assert "No hour fits" in agent.page("/analytics/hours?series=payouts").text


def test_hours_by_filter(agent: Browser, odd_hour: int) -> None:
    row = f'id="hour-{odd_hour}"'
    for query, is_there in (
        ("?series=deposits&state=open", True),
        ("?series=stakes", False),
        ("?state=seen", False),
        ("?since=2026-03-02&until=2026-03-02", True),
        ("?since=2026-03-03", False),
    ):
        assert (row in agent.get(f"/analytics/hours{query}").get_data(as_text=True)) is is_there, query


def test_somebody_looks_into_an_hour(desk: Desk, agent: Browser, odd_hour: int) -> None:
    noted = f"/analytics/hours/{odd_hour}/note"
    assert agent.page(noted).by_id("note-form")
    too_long = agent.post(noted, {"note": "n" * 501})
    assert too_long.status_code == 422
    assert "A note has at most 500 characters." in too_long.get_data(as_text=True)
    assert agent.post(noted, {"note": "The bank was down"}).status_code == 303
    assert "“The bank was down”" in agent.page("/analytics/hours?state=seen").text
    other = desk.sign_in(Role.MANAGER, name="Ben Osei")
    assert other.post(noted, {"note": ""}).status_code == 409
    assert desk.sign_in(Role.AUDITOR).post(noted, {"note": ""}).status_code == 403
    elsewhere = Desk(desk.app, desk.write(builders.make_operator)).sign_in(Role.MANAGER)
    assert elsewhere.get(noted).status_code == 404
    assert elsewhere.post(noted, {"note": ""}).status_code == 404
