"""What all lists share: chips, order and columns in the URL, views that are kept, the way to a file."""

from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Browser, Desk, fields

LISTS = ["/players", "/", "/alerts", "/audit"]


@pytest.fixture
def manager(desk: Desk) -> Browser:
    """A manager who has signed in."""
    return desk.sign_in(Role.MANAGER, name="Bo Lindqvist")


def heads(page: Page) -> list[str]:
    """The heads of the page's last table."""
    table = page.all("table")[-1]
    return [head.text for head in page.all("th") if head.is_within(table)]


def names(page: Page) -> list[str]:
    """The first cells of the players' rows."""
    return [cell.text for cell in page.all("td", class_="lead")]


def query(href: str) -> dict[str, str]:
    """What stands in an address behind the question mark."""
    return dict(parse_qsl(urlsplit(href).query))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/players?q=mir&status=active&sort=name", ["Search: mir", "Status: Active"]),
        ("/?change_type=deposit&cols=by", ["Type: Deposit"]),
        (
            "/audit?q=wallet&since=2026-03-01&by=system",
            ["Action or details: wallet", "Who: System", "From 1 Mar 2026"],
        ),
        ("/players/{player}?change_type=deposit&least=20", ["Type: Deposit", "At least 20.00"]),
    ],
)
def test_each_filter_has_a_chip_that_takes_it_off(
    desk: Desk, manager: Browser, path: str, said: list[str]
) -> None:
    path = path.format(player=desk.player(5_000_00))
    page = manager.page(path)
    chips = page.all("li", class_="chip")
    assert sorted(chip.text for chip in chips) == sorted(said)
    for chip in chips:
        (link,) = [link for link in page.all("a") if link.is_within(chip)]
        left = query(link["href"])
        assert len(left.keys() & query(path).keys()) == len(query(path)) - 1
        assert [other.text for other in manager.page(link["href"]).all("li", class_="chip")] == [
            other.text for other in chips if other is not chip
        ]
    (clear,) = [link for link in page.all("a", class_="quiet-link") if link.text == "Clear all"]
    assert query(clear["href"]).keys() <= {"sort", "cols", "currency"}


def test_columns_are_chosen_in_the_url(desk: Desk, manager: Browser) -> None:
    player = desk.player(5_000_00, name="Mira Holm", external_id="C-7")
    desk.write(lambda s: builders.change(s, player, 1_00, ChangeType.DEPOSIT, now=AT))
    for path, found in (
        ("/players?cols=real,email", ["Player", "E-mail", "Real, USD"]),
        ("/players?cols=name&cols=status", ["Player", "Status"]),
        ("/?cols=external_id,risk", ["Time", "Player", "External id", "Change", "Risk"]),
        ("/audit?cols=request", ["Time", "What", "Request"]),
        (f"/players/{player}?cols=entry,reference", ["Entry", "Type", "Reference", "Change"]),
    ):
        page = manager.page(path)
        assert heads(page) == found
        table = page.all("table")[-1]
        rows = [row for row in page.all("tr") if row.is_within(table) and row.get("id")]
        assert rows
        for row in rows:
            assert len([cell for cell in page.all("td") if cell.is_within(row)]) == len(found)
        boxes = [box for box in page.all("input", name="cols") if box.get("type") == "checkbox"]
        checked = {box["value"] for box in boxes if "checked" in box.attributes}
        assert checked == set(",".join(parse_qs(urlsplit(path).query)["cols"]).split(",")) - {"name"}


@pytest.mark.parametrize("cols", ["", "nothing,of,this", "%00,<script>"[3:]])
def test_columns_that_are_none_show_the_usual_ones(desk: Desk, manager: Browser, cols: str) -> None:
    desk.player()
    assert heads(manager.page(f"/players?cols={cols}")) == heads(manager.page("/players"))


def test_a_filter_keeps_order_and_columns(desk: Desk, manager: Browser) -> None:
    for number in range(60):
        desk.player(name=f"Mira Holm {number}")
    page = manager.page("/players?sort=name&cols=real")
    search = next(form for form in page.all("form") if form.get("aria-label") == "Find players")
    kept = {e["name"]: e["value"] for e in page.all("input", type="hidden") if e.is_within(search)}
    assert kept == {"sort": "name", "cols": "name,real"}
    (more,) = [link["href"] for link in page.all("a") if "after=" in link["href"]]
    assert heads(manager.page(more)) == ["Player", "Real, USD"]


@pytest.mark.parametrize("search", ["", "q=mira", "level=default"])
@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("", lambda n: -n),
        ("added", lambda n: n),
        ("name", lambda n: f"{n % 7}-{n:03}"),
        ("-real", lambda n: (-(n % 5), -n)),
        ("real", lambda n: (n % 5, n)),
    ],
)
def test_players_come_in_that_order_without_gap_or_repeat(
    desk: Desk, manager: Browser, search: str, order: str, key: object
) -> None:
    for number in range(55):
        desk.player((number % 5) * 100, name=f"Mira {number % 7}-{number:03}")
    page, seen = manager.page(f"/players?{search}&sort={order}"), []
    seen += names(page)
    while further := [link["href"] for link in page.all("a") if "after=" in link["href"]]:
        page = manager.page(further[0])
        seen += names(page)
    assert callable(key)
    expected = sorted(range(55), key=key)
    assert seen == [f"Mira {number % 7}-{number:03}" for number in expected]


def test_the_last_change_orders_too_and_never_is_the_longest_ago(desk: Desk, manager: Browser) -> None:
    first, never, last = (desk.player(name=name) for name in ("First", "Never", "Last"))
    desk.write(lambda s: builders.change(s, first, 1_00, ChangeType.DEPOSIT, now=builders.NOW))
    desk.write(lambda s: builders.change(s, last, 5, ChangeType.DEPOSIT, currency="JPY", now=AT))
    assert names(manager.page("/players?sort=-changed")) == ["Last", "First", "Never"]
    assert names(manager.page("/players?sort=changed")) == ["Never", "First", "Last"]
    assert never


def test_a_head_sorts_once_the_other_way_and_not_at_all(desk: Desk, manager: Browser) -> None:
    desk.player()
    path, seen = "/players?status=active", []
    for _press in range(3):
        page = manager.page(path)
        (head,) = [link for link in page.all("a") if link.text == "Real, USD"]
        path = head["href"]
        seen.append(query(path))
    assert seen == [
        {"status": "active", "sort": "-real"},
        {"status": "active", "sort": "real"},
        {"status": "active"},
    ]


@pytest.mark.parametrize("path", [*LISTS, "/players/{player}"])
def test_only_who_may_export_is_offered_it(desk: Desk, manager: Browser, path: str) -> None:
    path = path.format(player=desk.player(5_000_00))
    (form,) = [form for form in manager.page(path).all("form") if "exports" in form["action"]]
    assert manager.post(form["action"], {"format": "csv"}).data
    if path != "/audit":
        agent = desk.sign_in()
        assert not [form for form in agent.page(path).all("form") if "exports" in form["action"]]


def test_the_export_of_a_list_has_its_filters_and_order(desk: Desk, manager: Browser) -> None:
    page = manager.page("/players?status=active&sort=name&cols=real")
    (form,) = [form for form in page.all("form") if "exports" in form["action"]]
    assert query(form["action"]) == {"status": "active", "sort": "name"}


# Views that are kept


def keep(browser: Browser, path: str, **given: str) -> Page:
    """Keep what that address shows, as its menu offers it; the page that follows."""
    page = browser.page(path)
    (link,) = [link for link in page.all("a") if link.text == "Save this view…"]
    sent = fields(browser.page(link["href"]), "new-view")
    answer = browser.post("/saved-views", {**sent, "name": "Mine", "shared_with": "", **given})
    assert answer.status_code == 303, answer.text
    return browser.page(answer.location)


def kept(page: Page) -> dict[str, str]:
    """The views that a page offers, by name."""
    lists = page.all("ul", class_="view-list")
    links = [link for link in page.all("a", class_="menu-item") if lists and link.is_within(lists[0])]
    return {link.text: link["href"] for link in links}


def test_a_view_keeps_filters_order_and_columns(desk: Desk, manager: Browser) -> None:
    path = "/players?status=active&sort=-real&cols=name,real"
    page = keep(manager, path, name="Rich ones")
    assert "The view “Rich ones” is kept." in page.text
    (href,) = kept(page).values()
    assert query(href) == {"status": "active", "sort": "-real", "cols": "name,real"}
    (current,) = [link for link in page.all("a", class_="menu-item") if link.get("aria-current")]
    assert current.text == "Rich ones"
    assert kept(manager.page("/players")).keys() == {"Rich ones"}
    assert kept(manager.page("/audit")) == {}


def test_a_view_of_a_journal_serves_every_player(desk: Desk, manager: Browser) -> None:
    one, other = desk.player(5_000_00), desk.player(5_000_00)
    keep(manager, f"/players/{one}?change_type=deposit&least=20", name="Large deposits")
    (href,) = kept(manager.page(f"/players/{other}")).values()
    assert urlsplit(href).path == f"/players/{other}"
    assert query(href) == {"currency": "USD", "change_type": "deposit", "least": "20"}


def test_a_view_is_mine_or_a_roles(desk: Desk, manager: Browser) -> None:
    keep(manager, "/players?status=frozen", name="Private")
    keep(manager, "/players?status=closed", name="For agents", shared_with="agent")
    agent, auditor = desk.sign_in(), desk.sign_in(Role.AUDITOR)
    assert list(kept(agent.page("/players"))) == ["For agents by Bo Lindqvist"]
    assert kept(auditor.page("/players")) == {}
    assert list(kept(manager.page("/players"))) == ["For agents shared with agents", "Private"]
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    assert kept(elsewhere.sign_in().page("/players")) == {}


def own_view(browser: Browser) -> str:
    """The address at which the only view of the players is changed."""
    (link,) = [
        link
        for link in browser.page("/players").all("a")
        if link.get("href", "").startswith("/saved-views/") and "edit" in link["href"]
    ]  # type: ignore[union-attr]
    return link["href"]


def test_its_owner_renames_shares_and_deletes_it(desk: Desk, manager: Browser) -> None:
    keep(manager, "/players?status=frozen", name="Ice")
    keep(manager, "/audit", name="Taken elsewhere")
    edit = own_view(manager)
    sent = fields(manager.page(edit), "edit-view")
    del sent["csrf_token"]
    view = edit.partition("/edit")[0]
    answer = manager.post(view, {**sent, "name": "Taken elsewhere", "shared_with": "agent"})
    page = manager.page(answer.location)
    assert list(kept(page)) == ["Taken elsewhere shared with agents"]
    agent = desk.sign_in()
    for path in (view, f"{view}/removal"):
        assert agent.post(path, {**sent, "name": "Stolen"}).status_code == 404
    assert agent.get(f"{view}/edit").status_code == 404
    assert manager.post(f"{view}/removal", {"next": "/players"}).location == "/players"
    assert kept(manager.page("/players")) == {}


@pytest.mark.parametrize("htmx", [True, False])
def test_a_name_is_needed_and_stands_once(desk: Desk, manager: Browser, htmx: bool) -> None:
    keep(manager, "/players", name="Mine")
    given = {"page": "player_list.index", "query": "status=active", "next": "/players", "shared_with": ""}
    for name, said in (
        ("", "Enter a name."),
        ("Mine", "You have a view called “Mine” already"),
        ("x" * 61, "at most 60"),
    ):
        answer = manager.post("/saved-views", {**given, "name": name}, htmx=htmx)
        assert answer.status_code == 422
        assert said in answer.text
        assert 'value="status=active"' in answer.text
    keep(manager, "/players", name="Other")
    edit = next(
        link["href"] for link in manager.page("/players").all("a") if link.get("title") == "Change “Other”"
    )
    sent = {**fields(manager.page(edit), "edit-view"), "name": "Mine", "shared_with": ""}
    assert manager.post(edit.partition("/edit")[0], sent, htmx=htmx).status_code == 422


def test_nothing_but_the_lists_own_names_is_kept(desk: Desk, manager: Browser) -> None:
    hostile = "status=active&_external=1&_scheme=ftp&after=9&endpoint=x&csrf_token=y&player_id=7"
    given = {
        "page": "player_list.index",
        "query": hostile,
        "next": "/players",
        "shared_with": "",
        "name": "x",
    }
    assert manager.post("/saved-views", given).status_code == 303
    assert kept(manager.page("/players")) == {"x": "/players?status=active"}


@pytest.mark.parametrize("page", ["", "auth.show", "nothing"])
def test_only_lists_can_be_kept(manager: Browser, page: str) -> None:
    assert manager.get(f"/saved-views/new?page={page}").status_code == 404
    assert manager.post("/saved-views", {"page": page, "name": "x"}).status_code == 404


def test_an_agent_keeps_no_view_of_a_page_that_is_closed_to_them(desk: Desk) -> None:
    agent = desk.sign_in()
    assert agent.get("/saved-views/new?page=audit.index").status_code == 404
    page = desk.sign_in(Role.MANAGER).page("/saved-views/new?page=audit.index")
    assert [option["value"] for option in page.all("option")] == ["", "manager", "admin", "auditor"]


def test_lists_with_their_tools_take_few_statements(desk: Desk, manager: Browser) -> None:
    player = desk.player(5_000_00)
    for path in (*LISTS, f"/players/{player}"):
        assert desk.count_queries(lambda: manager.get(path)) <= 14, desk.queries  # noqa: B023
