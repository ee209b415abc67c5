"""GET /players: search, filters, and the list."""

import pytest
from sqlalchemy.orm import Session

from dashboard.models.login import Role
from dashboard.models.vip import Level
from dashboard.models.wallet import ChangeType
from dashboard.services import players, vip_rules, wallets
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Browser, Desk


@pytest.fixture
def agent(desk: Desk) -> Browser:
    """An agent who has signed in."""
    return desk.sign_in()


def names(page: Page) -> list[str]:
    """Who is on the page, in its order."""
    return [
        cell.text
        for row in page.all("tr")
        if (row.get("id") or "").startswith("player-")
        for cell in page.all("td", class_="lead")
        if cell.is_within(row)
    ]


def register(desk: Desk, *new: players.NewPlayer) -> None:
    """Players as they are given."""
    desk.write(
        lambda session: players.register(session, operator_id=desk.operator_id, players=list(new), now=AT)
    )


def test_a_row_says_how_the_player_stands(desk: Desk, agent: Browser) -> None:
    joel = desk.write(lambda s: builders.make_login(s, operator_id=desk.operator_id, name="Joel Mensah").id)
    player = desk.player(balance_minor=2_000_00, name="Priya Raman", external_id="C-7", agent_id=joel)

    def work(session: Session) -> None:
        builders.change(session, player, -1_950_00, ChangeType.WITHDRAWAL, now=AT)
        vip_rules.set_level(session, player_id=player, level=Level.GOLD, reason="x", actor=SYSTEM, now=AT)

    desk.write(work)
    row = agent.page("/players").by_id(f"player-{player}")
    assert row.text == "Priya Raman C-7 Active Gold Joel Mensah 50.00 0.00 just now 3"


def test_whoever_never_moved_money_says_so(desk: Desk, agent: Browser) -> None:
    player = desk.player(name="New Here")
    assert "never" in agent.page("/players").by_id(f"player-{player}").text


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("pri", ["Priya Raman"]),
        ("ram", ["Priya Raman"]),
        ("RAM pri", ["Priya Raman"]),
        ("iya", []),
        ("o'n", ["Sean O'Neil"]),
        ("anne", ["Anne-Marie Lund"]),
        ("marie", ["Anne-Marie Lund"]),
        ("élo", ["Éloïse Petit"]),
        ("customer_04", ["Priya Raman"]),
        ("customerx04", []),
        ("100%", ["Sean O'Neil"]),
        ("sean@", ["Sean O'Neil"]),
        ("SEAN@example", ["Sean O'Neil"]),
        ("' | !'", []),
        ("\\", []),
        ("%", []),
        ("_", []),
    ],
)
def test_search_finds_beginnings_of_words_and_handles(
    desk: Desk, agent: Browser, typed: str, found: list[str]
) -> None:
    register(
        desk,
        players.NewPlayer("CUSTOMER_0417", "Priya Raman", "pr@harbour.test"),
        players.NewPlayer("100%-sure", "Sean O'Neil", "sean@example.org"),
        players.NewPlayer("E-1", "Éloïse Petit"),
        players.NewPlayer("L-1", "Anne-Marie Lund"),
    )
    answer = agent.client.get("/players", query_string={"q": typed}, headers={"HX-Request": "true"})
    assert names(Page(answer)) == found
    if not found:
        assert "Nobody fits" in answer.text


def test_filters_narrow_the_list_together(desk: Desk, agent: Browser) -> None:
    joel = desk.write(lambda s: builders.make_login(s, operator_id=desk.operator_id, name="Joel Mensah").id)
    frozen = desk.player(name="Ice Cold", agent_id=joel)
    alarmed = desk.player(name="Low Balance", balance_minor=2_000_00)
    desk.player(name="Plain Person")

    def work(session: Session) -> None:
        someone = builders.make_actor(session, operator_id=desk.operator_id)
        wallets.freeze(session, player_id=frozen, reason="Documents", actor=someone, now=AT)
        builders.change(session, alarmed, -1_950_00, ChangeType.WITHDRAWAL, now=AT)
        vip_rules.set_level(session, player_id=alarmed, level=Level.SILVER, reason="x", actor=SYSTEM, now=AT)

    desk.write(work)
    for query, found in (
        ("status=frozen", ["Ice Cold"]),
        ("level=silver", ["Low Balance"]),
        (f"agent={joel}", ["Ice Cold"]),
        ("alerts=y", ["Low Balance"]),
        ("level=silver&status=frozen", []),
        ("q=low&alerts=y", ["Low Balance"]),
        ("status=melted&level=&agent=x", ["Plain Person", "Low Balance", "Ice Cold"]),
    ):
        assert names(agent.page(f"/players?{query}")) == found, query
    chips = [chip.text for chip in agent.page(f"/players?agent={joel}&alerts=y&q=i").all("li", class_="chip")]
    assert chips == ["Search: i", "Agent: Joel Mensah", "With open alerts"]


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize("search", ["", "q=holm"])
def test_pages_have_neither_gap_nor_repeat(desk: Desk, agent: Browser, htmx: bool, search: str) -> None:
    register(desk, *(players.NewPlayer(f"P{number}", f"Mira Holm {number}") for number in range(120)))
    page, seen = agent.page(f"/players?{search}"), []
    assert "120 players" in page.text
    while True:
        seen += names(page)
        further = [link["href"] for link in page.all("a") if "after=" in link["href"]]
        if not further:
            break
        page = Page(agent.get(further[0], htmx=True)) if htmx else agent.page(further[0])
    assert seen == [f"Mira Holm {number}" for number in reversed(range(120))]


@pytest.mark.parametrize("typed", ["CUSTOMER_0417", " customer_0417 ", "pr@harbour.test"])
def test_an_exact_handle_opens_the_player(desk: Desk, agent: Browser, typed: str) -> None:
    register(desk, players.NewPlayer("CUSTOMER_0417", "Priya Raman", "pr@harbour.test"))
    register(desk, players.NewPlayer("CUSTOMER_04171", "Priya Other"))
    answer = agent.client.get("/players", query_string={"q": typed})
    assert answer.status_code == 303
    assert "Priya Raman" in agent.page(answer.location).text


def test_a_number_opens_the_player_only_if_it_is_nobody_elses_handle(desk: Desk, agent: Browser) -> None:
    player = desk.player(name="By Number")
    assert agent.get(f"/players?q={player}").location == f"/players/{player}"
    desk.player(name="By Handle", external_id=str(player))
    assert set(names(agent.page(f"/players?q={player}"))) == {"By Number", "By Handle"}


def test_typing_never_leaves_the_list(desk: Desk, agent: Browser) -> None:
    desk.player(name="Priya Raman", external_id="C-1")
    answer = agent.get("/players?q=c-1&status=&level=&agent=", htmx=True)
    assert answer.status_code == 200
    assert answer.headers["HX-Push-Url"] == "/players?q=c-1"
    assert answer.text.lstrip().startswith('<div id="players">')


def test_an_empty_desk_says_what_to_do(agent: Browser) -> None:
    assert "No players yet" in agent.page("/players").text


def test_another_operators_players_do_not_exist(desk: Desk, agent: Browser) -> None:
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    stranger = elsewhere.player(name="Not Ours", external_id="THEIRS-1")
    for query in ("", "q=not", "q=theirs", "q=THEIRS-1", f"q={stranger}"):
        page = agent.page(f"/players?{query}")
        assert names(page) == []


def test_partners_may_not_and_nobody_posts(desk: Desk, agent: Browser) -> None:
    assert desk.sign_in(Role.PARTNER).get("/players").status_code == 403
    assert agent.post("/players", {}).status_code == 405


def test_a_list_takes_few_statements(desk: Desk, agent: Browser) -> None:
    register(desk, *(players.NewPlayer(f"P{number}", f"Mira Holm {number}") for number in range(60)))
    for path in ("/players", "/players?q=mira&status=active&level=default"):
        assert desk.count_queries(lambda: agent.get(path)) <= 12, desk.queries  # noqa: B023
