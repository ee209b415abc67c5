"""/bulk: a list comes in, is checked, looked at, posted or cancelled, and its refused rows go out."""

import io
from typing import Any

import pytest
from sqlalchemy import func, select, text

from dashboard import db
from dashboard.jobs import bulk_work
from dashboard.models import BulkRow, BulkRun, StaffLog, WalletEntry
from dashboard.models.login import Role
from dashboard.views import bulk as views
from tests import builders
from tests.pages import Page, checked
from tests.web.desk import Browser, Desk

ROWS = "K-1, 25.00, deposit, Bank transfer\nnobody, 5, deposit, Card\nK-2, -10, adjustment, Goodwill"


@pytest.fixture
def manager(desk: Desk) -> Browser:
    """A manager who has signed in, with two players to change."""
    for number in (1, 2):
        desk.player(100_00, external_id=f"K-{number}", name=f"Mira Holm {number}")
    return desk.sign_in(Role.MANAGER, name="Ana Reyes")


def send(browser: Browser, rows: str = ROWS, *, htmx: bool = False, **given: Any) -> Any:
    return browser.post(
        "/bulk", {"rows": rows, "change_type": "adjustment", "reason": "", **given}, htmx=htmx
    )


def check(browser: Browser, rows: str = ROWS, **given: Any) -> str:
    """The address of a list that is checked."""
    answer = send(browser, rows, **given)
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def start(browser: Browser, url: str, *, htmx: bool = False, **given: Any) -> Any:
    return browser.post(f"{url}/posting", {"mode": "best_effort", **given}, htmx=htmx)


def work(desk: Desk, url: str) -> None:
    """What the worker does."""
    with desk.app.app_context():
        bulk_work.go_on(int(url.rpartition("/")[2]), should_stop=lambda: False)


def count(desk: Desk, model: Any = BulkRun) -> int:
    return desk.read(lambda session: session.scalar(select(func.count()).select_from(model))) or 0


def facts(page: Page) -> dict[str, str]:
    """Of the list: label and value."""
    box = page.by_id("run")
    labels = [each.text for each in page.all("dt") if each.is_within(box)]
    values = [each.text for each in page.all("dd") if each.is_within(box)]
    return dict(zip(labels, values, strict=True))


# Coming in


@pytest.mark.parametrize("htmx", [True, False])
def test_a_pasted_list_is_checked_and_nothing_is_posted(desk: Desk, manager: Browser, htmx: bool) -> None:
    before = count(desk, WalletEntry)
    answer = send(manager, htmx=htmx)
    url = answer.headers["HX-Redirect"] if htmx else answer.location
    page = manager.page(url)

    assert page.one("h1").text == "List 1"
    said = facts(page)
    assert (said["Rows"], said["To be posted"], said["Refused"]) == ("3", "2", "1")
    assert (said["In"], said["Out"]) == ("25.00 USD", "−10.00 USD")
    assert "Mira Holm 1 Deposit · Bank transfer +25.00 100.00 → becomes 125.00" in page.by_id("line-1").text
    assert "There is no player of that external id" in page.by_id("line-2").text
    assert "Post 2 rows" in page.text
    assert count(desk, WalletEntry) == before


def test_a_file_is_checked(manager: Browser) -> None:
    data = "player;amount;reason\r\nK-1;1,234.50;Prämie\r\n".encode("cp1252")
    url = check(manager, "", file=(io.BytesIO(data), "prizes.csv"), change_type="deposit")
    page = manager.page(url)

    assert "prizes.csv" in page.text
    assert "Deposit · Prämie +1,234.50" in page.by_id("line-2").text


def test_what_rows_do_not_say_comes_from_the_form(manager: Browser) -> None:
    page = manager.page(check(manager, "K-1,5", change_type="fee", reason="Monthly fee"))
    assert "Fee · Monthly fee −5.00" in page.by_id("line-1").text


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({"rows": ""}, "rows", "Paste rows, or choose a file."),
        ({"file": (b"K-1,5", "a.csv")}, "rows", "Paste rows or choose a file, not both."),
        ({"rows": "player,amount"}, "rows", "There are no rows in it."),
        ({"rows": "", "file": (b"PK\x00", "a.xlsx")}, "file", "save the sheet as CSV first"),
        ({"rows": 'K-1,5,deposit,"x'}, "rows", "Line 1: a quotation mark"),
        ({"reason": "x" * 201}, "reason", "at most 200 characters"),
    ],
)
def test_what_cannot_be_read_stays_with_its_message(
    desk: Desk, manager: Browser, given: dict[str, Any], field: str, message: str
) -> None:
    for htmx in (True, False):
        sent = dict(given)
        if "file" in given:
            sent["file"] = (io.BytesIO(given["file"][0]), given["file"][1])
        answer = send(manager, **{"rows": ROWS, **sent}, htmx=htmx)
        page = Page(answer) if htmx else checked(answer)

        assert answer.status_code == 422
        assert message in page.by_id(f"{field}-error").text
        assert page.one("textarea", name="rows").text == " ".join(str(given.get("rows", ROWS)).split())
    assert count(desk) == 0


def test_it_takes_more_than_other_pages_do(desk: Desk, manager: Browser) -> None:
    rows = "\n".join(f"K-1,{number}.00,deposit,{'x' * 40}" for number in range(1, 9_000))
    assert len(rows) > 500_000
    url = check(manager, rows)
    page = manager.page(url)
    assert "Being checked" in page.by_id("run").text
    assert "none is running" in page.by_id("run").text
    assert send(manager, "x" * 3_000_000).status_code == 413
    assert manager.post("/account", {"x": "y" * 300_000}).status_code in {405, 413}


def test_a_long_list_is_left_to_the_worker(desk: Desk, manager: Browser) -> None:
    url = check(manager, "K-1,1.00,deposit,x\n" * (views.CHECKED_AT_ONCE + 1))
    page = manager.page(url)
    assert "0 of 201 rows" in page.by_id("run").text
    assert page.by_id("run")["hx-trigger"] == "every 1s"

    work(desk, url)

    answer = manager.get(f"{url}/progress?seen=checking", htmx=True)
    assert "bulk:moved" in answer.headers["HX-Trigger"]
    assert "Post 201 rows" in Page(answer).by_id("run").text
    assert "HX-Trigger" not in manager.get(f"{url}/progress?seen=checked", htmx=True).headers
    assert manager.get(f"{url}/progress").location == url


def test_a_list_whose_balance_somebody_holds_is_left_to_the_worker(
    desk: Desk, manager: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "LOCK_TIMEOUT_MS", 50)
    with desk.app.app_context(), db.writing() as session:
        session.execute(text("SELECT FROM balances FOR UPDATE"))
        url = check(manager)
    assert "Being checked" in manager.page(url).by_id("run").text


# Looking


def test_rows_are_shown_by_what_is_said_of_them(desk: Desk, manager: Browser) -> None:
    desk.write(lambda session: session.execute(text("UPDATE vip_rules SET approval_threshold = 50000")))
    url = check(manager, f"{ROWS}\nK-1,600,deposit,Card\nK-1,30000,deposit,Card")

    def lines(show: str) -> list[str]:
        page = manager.page(f"{url}?show={show}")
        return [row["id"] for row in page.all("tr") if (row.get("id") or "").startswith("line-")]

    assert lines("all") == lines("nonsense") == [f"line-{number}" for number in range(1, 6)]
    assert lines("refused") == ["line-2", "line-5"]
    assert lines("waits") == ["line-4"]
    assert "needs approval" in manager.page(url).by_id("line-4").text


def test_a_long_list_goes_on(manager: Browser) -> None:
    url = check(manager, "K-1,1.00,deposit,x\n" * 120)
    page = manager.page(url)
    assert len(page.all("tr")) == 1 + 50 + 1
    more = page.one("a", class_="is-plain", **{"hx-target": "closest tr"})["href"]
    part = manager.get(more, htmx=True)
    assert part.text.count('id="line-') == 50
    assert 'id="line-51"' in part.text
    assert manager.page(more).by_id("line-100")


def test_others_look_and_do_not_act(desk: Desk, manager: Browser) -> None:
    url = check(manager)
    auditor = desk.sign_in(Role.AUDITOR)
    page = auditor.page(url)
    assert not [
        button for button in page.all("button") if button.text.startswith(("Post", "Discard", "Check"))
    ]
    assert not auditor.page("/bulk").all("textarea")
    for path in ("posting", "cancellation", "check", "refused-rows"):
        assert auditor.post(f"{url}/{path}", {}).status_code == 403
    other = desk.sign_in(Role.ADMIN, name="Ruth Castellano")
    assert "Only Ana Reyes can post this list" in other.page(url).text
    refused = start(other, url)
    assert refused.status_code == 422
    assert "Only the person who made this list" in refused.text
    assert desk.sign_in(Role.AGENT).get(url).status_code == 403


def test_another_operators_list_is_not_found(desk: Desk, manager: Browser) -> None:
    url = check(manager)
    elsewhere = Desk(desk.app, desk.write(builders.make_operator)).sign_in(Role.MANAGER)
    assert [elsewhere.get(f"{url}{part}").status_code for part in ("", "/progress")] == [404, 303]
    for path in ("posting", "cancellation", "check", "refused-rows"):
        answer = elsewhere.post(f"{url}/{path}", {"mode": "best_effort"})
        assert answer.status_code == 404, path
    assert "No lists yet" in elsewhere.page("/bulk").text


# Posting


@pytest.mark.parametrize("htmx", [True, False])
def test_it_is_posted_by_the_worker(desk: Desk, manager: Browser, htmx: bool) -> None:
    url = check(manager)
    answer = start(manager, url, htmx=htmx)
    assert (answer.headers.get("HX-Redirect") or answer.location) == url
    assert "Being posted" in manager.page(url).by_id("run").text

    work(desk, url)

    page = manager.page(url)
    assert facts(page)["Posted"] == "2"
    assert "Entry 2" in page.by_id("line-1").text
    assert "1 · Pasted list posted Ana Reyes" in manager.page("/bulk").by_id("list-1").text


@pytest.mark.parametrize("htmx", [True, False])
def test_all_or_nothing_with_a_refused_row_posts_nothing_and_says_which(
    desk: Desk, manager: Browser, htmx: bool
) -> None:
    url = check(manager)
    answer = start(manager, url, mode="all_or_nothing", htmx=htmx)
    page = Page(answer) if htmx else checked(answer)
    assert answer.status_code == 422
    assert "Nothing was posted: 1 row is refused (line 2)." in page.by_id("run").text
    assert "Being posted" not in manager.page(url).text


def test_unusual_amounts_and_the_same_list_again_need_a_tick(desk: Desk, manager: Browser) -> None:
    rows = "K-1,2000,deposit,Prize"
    url = check(manager, rows)
    assert "20 × the largest" in manager.page(url).by_id("line-1").text
    answer = start(manager, url)
    assert "Look at the unusually large amounts" in checked(answer).by_id("means_amounts-error").text
    assert start(manager, url, means_amounts="y").status_code == 303
    work(desk, url)

    again = check(manager, rows)
    page = manager.page(again)
    assert "The same rows were posted as list 1." in page.text
    assert "The same list was posted before" in start(manager, again).text
    assert start(manager, again, means_twice="y").status_code == 303


def test_sent_twice_it_is_told(manager: Browser) -> None:
    url = check(manager)
    assert start(manager, url).status_code == 303
    again = start(manager, url)
    assert again.status_code == 409
    assert "being posted already" in again.text


@pytest.mark.parametrize("mode", ["", "some"])
def test_a_damaged_form_starts_nothing(manager: Browser, mode: str) -> None:
    url = check(manager)
    assert start(manager, url, mode=mode).status_code == 422
    assert "Checked, nothing is posted" in manager.page(url).text


def test_it_can_be_cancelled(desk: Desk, manager: Browser) -> None:
    url = check(manager)
    start(manager, url)
    assert manager.post(f"{url}/cancellation", {}).location == url
    work(desk, url)
    page = manager.page(url)
    assert "Cancelled" in page.by_id("run").text
    assert "not posted" in page.by_id("line-1").text
    assert manager.post(f"{url}/cancellation", {}).status_code == 409


def test_it_can_be_checked_again(desk: Desk, manager: Browser) -> None:
    url = check(manager)
    desk.write(lambda session: session.execute(text("UPDATE allowances SET per_change = 0, per_day = 0")))
    assert manager.post(f"{url}/check", {}).status_code == 303
    assert facts(manager.page(url))["Refused"] == "3"


# Going out


def test_refused_rows_come_back_as_they_were_and_can_be_sent_again(desk: Desk, manager: Browser) -> None:
    url = check(manager, 'K-1;5;deposit;Card\nnobody;-5;adjustment;=1+1\n;x;gift;"Cash; by hand"')
    answer = manager.post(f"{url}/refused-rows", {})

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="list-1-refused.csv"'
    again = check(manager, "", file=(io.BytesIO(answer.data), "list-1-refused.csv"))
    assert (
        typed(desk, url)
        == typed(desk, again)
        == ["nobody\t-5\t\tadjustment\t=1+1", "\tx\t\tgift\tCash; by hand"]
    )
    logged = desk.read(
        lambda session: session.scalars(select(StaffLog.details).filter_by(action="data.exported")).one()
    )
    assert '"list": "list-1-refused"' in logged


def typed(desk: Desk, url: str) -> list[str]:
    """The refused rows of a list as they were typed."""
    wanted = select(BulkRow.typed).filter_by(run_id=int(url.rpartition("/")[2]), state="refused")
    return desk.read(lambda session: list(session.scalars(wanted.order_by(BulkRow.line))))


def test_they_take_few_statements(desk: Desk, manager: Browser) -> None:
    url = check(manager)
    works = (
        lambda: manager.get("/bulk"),
        lambda: manager.get(url),
        lambda: manager.get(f"{url}/progress", htmx=True),
        lambda: manager.post(f"{url}/refused-rows", {}),
        lambda: start(manager, url),
    )
    for each in works:
        assert desk.count_queries(each) <= 14, desk.queries
