"""GET /palette: whom, what and where a few letters mean, and what may be done there."""

import pytest
from sqlalchemy.orm import Session

from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, wallets
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Browser, Desk


@pytest.fixture
def agent(desk: Desk) -> Browser:
    """An agent who has signed in."""
    return desk.sign_in()


def lines(browser: Browser, typed: str, *, here: str = "/") -> dict[str, str]:
    """What the dialog offers for that, and where each line leads; `here` is the page that is open."""
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://localhost{here}"}
    answer = browser.client.get("/palette", query_string={"q": typed}, headers=headers)
    assert answer.status_code == 200
    page = Page(answer)
    labels = page.all("span", class_="palette-label")
    options = page.all("a", role="option")
    assert len({option["id"] for option in options}) == len(options) == len(labels)
    return {label.text: option["href"] for label, option in zip(labels, options, strict=True)}


def freeze(desk: Desk, player_id: int) -> None:
    """Freeze a wallet."""

    def work(session: Session) -> None:
        someone = builders.make_actor(session, operator_id=desk.operator_id)
        wallets.freeze(session, player_id=player_id, reason="Documents", actor=someone, now=AT)

    desk.write(work)


def deposit(desk: Desk, player_id: int, reference: str, amount_minor: int = 5_00) -> None:
    """A deposit with a reference."""
    request = builders.change_request(player_id, amount_minor, ChangeType.DEPOSIT, reference=reference)
    desk.write(lambda session: balances.change(session, request=request, actor=SYSTEM, now=AT))


@pytest.mark.parametrize("typed", ["mir", "holm", "c-4", "C-417", "{id}"])
def test_a_player_is_found_by_name_and_by_handle(desk: Desk, agent: Browser, typed: str) -> None:
    player = desk.player(name="Mira Holm", external_id="C-417")
    desk.player(name="Tomas Berg", external_id="X-1")
    assert lines(agent, typed.format(id=player)) == {"Mira Holm": f"/players/{player}"}


def test_what_is_exactly_a_handle_comes_first(desk: Desk, agent: Browser) -> None:
    exact = desk.player(name="Old One", external_id="C-1")
    for number in range(10, 20):
        desk.player(name=f"Newer {number}", external_id=f"C-{number}")
    found = lines(agent, "c-1")
    assert next(iter(found.values())) == f"/players/{exact}"
    assert len(found) == 7
    assert found["Show all of them"] == "/players?q=c-1"


def test_an_entry_is_found_by_the_beginning_of_its_reference(desk: Desk, agent: Browser) -> None:
    player = desk.player(name="Mira Holm")
    deposit(desk, player, "TR-209311")
    deposit(desk, player, "TR-20931")
    assert lines(agent, "tr-2093") == {
        "TR-20931": f"/players/{player}/entries/USD/2",
        "TR-209311": f"/players/{player}/entries/USD/1",
    }
    answer = agent.get("/palette?q=TR-20931", htmx=True)
    assert "Deposit +5.00 USD · Mira Holm" in answer.text
    for nothing in ("r-", "tr-2_9", "%", "20931"):
        assert lines(agent, nothing) == {}


def test_an_act_and_a_name_offer_the_act_for_whom_it_fits(desk: Desk, agent: Browser) -> None:
    active, frozen = desk.player(name="Mira Holm"), desk.player(name="Mira Stone")
    freeze(desk, frozen)
    assert lines(agent, "freeze mira") == {"Freeze Mira Holm": f"/players/{active}/freeze"}
    assert lines(agent, "unf mira") == {"Unfreeze Mira Stone": f"/players/{frozen}/unfreeze"}
    assert lines(agent, "Adjust  mira") == {"Adjust Mira Holm": f"/players/{active}#adjust-amount"}
    assert lines(agent, "note mira h") == {"Note Mira Holm": f"/players/{active}?tab=notes#note-body"}
    assert lines(agent, "transfer mira") == {"Transfer Mira Holm": f"/players/{active}/transfers/new"}
    assert lines(agent, "explain mira s") == {"Explain Mira Stone": f"/players/{frozen}/explanation"}
    assert lines(agent, "freeze nobody") == {}


def test_an_act_alone_is_completed_and_on_a_players_page_meant_for_them(desk: Desk, agent: Browser) -> None:
    player = desk.player(name="Mira Holm")
    assert lines(agent, "freeze") == {"Freeze…": "/palette?q=Freeze+"}
    here = lines(agent, "fre", here=f"/players/{player}?tab=limits")
    assert list(here) == ["Freeze Mira Holm", "Freeze…"]
    assert "Adjust Mira Holm" in lines(agent, "", here=f"/players/{player}")
    assert "Adjust Mira Holm" not in lines(agent, "", here=f"/players/{player}0")


def test_pages_are_those_that_the_role_may_open(desk: Desk, agent: Browser) -> None:
    assert lines(agent, "tri") == {}
    assert lines(desk.sign_in(Role.AUDITOR, name="Vera Blom"), "bal tri") == {
        "Trial balance": "/audit/trial-balance"
    }
    assert {"Desk", "Players", "Your sessions"} <= set(lines(agent, ""))


def test_acts_are_those_that_the_role_may_do(desk: Desk, agent: Browser) -> None:
    desk.player(name="Mira Holm")
    auditor = desk.sign_in(Role.AUDITOR, name="Vera Blom")
    assert lines(auditor, "freeze mira") == {}
    assert lines(agent, "close mira") == {}
    assert "Close Mira Holm" in lines(desk.sign_in(Role.MANAGER, name="Bo Lind"), "close mira")


def test_a_partner_finds_no_player_and_no_entry(desk: Desk) -> None:
    player = desk.player(name="Mira Holm", external_id="C-417")
    deposit(desk, player, "TR-20931")
    partner = desk.sign_in(Role.PARTNER, name="Pat Ner")
    for typed in ("mira", "C-417", "TR-20931", str(player), "freeze mira"):
        assert lines(partner, typed, here=f"/players/{player}") == {}
    assert set(lines(partner, "", here=f"/players/{player}")) == {
        *("Overview", "Earnings", "Statements", "Payouts", "Profile"),
        "Your sessions",
    }


def test_another_operators_players_and_entries_do_not_exist(desk: Desk, agent: Browser) -> None:
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    stranger = elsewhere.player(name="Not Ours", external_id="THEIRS-1")
    deposit(elsewhere, stranger, "TR-20931")
    for typed in ("ours", "theirs-1", "TR-20931", str(stranger), "freeze ours"):
        assert lines(agent, typed, here=f"/players/{stranger}") == {}


def test_the_page_without_javascript_offers_the_same_as_links(desk: Desk, agent: Browser) -> None:
    player = desk.player(name="Mira Holm")
    page = agent.page("/palette?q=freeze+mira")
    (link,) = [link for link in page.all("a", class_="palette-item") if link.get("role") is None]
    assert link.text.startswith("Freeze Mira Holm")
    assert link["href"] == f"/players/{player}/freeze"
    assert page.by_id("palette-q")["value"] == "freeze mira"
    assert "Nothing fits" in agent.page("/palette?q=zzz").text


def test_text_that_nobody_types_is_taken_as_nothing(agent: Browser) -> None:
    assert "Desk" in lines(agent, "x" * 300)
    assert lines(agent, "' | !'") == {}


def test_it_takes_few_statements(desk: Desk, agent: Browser) -> None:
    for number in range(20):
        desk.player(name=f"Mira Holm {number}")
    assert desk.count_queries(lambda: agent.get("/palette?q=mira", htmx=True)) <= 12, desk.queries
    assert desk.count_queries(lambda: agent.get("/palette", htmx=True)) <= 5, desk.queries


def test_games_are_found_by_name_and_rounds_by_number(desk: Desk, agent: Browser) -> None:
    def work(session: Session) -> tuple[int, int]:
        game_id = builders.make_game(session, operator_id=desk.operator_id, name="Three Rivers")
        round_id = builders.make_round(session, game_id=game_id, number=1204)
        theirs = builders.make_game(
            session, operator_id=builders.make_operator(session), name="Rivers, theirs"
        )
        builders.make_round(session, game_id=theirs, number=1204)
        return game_id, round_id

    game_id, round_id = desk.write(work)
    assert lines(agent, "riv") == {"Three Rivers": f"/games/{game_id}/live"}
    for typed in ("1204", "#1204", "Round 1204"):
        assert lines(agent, typed) == {"Round 1,204": f"/rounds/{round_id}"}
    assert lines(agent, "120") == {}
    assert lines(desk.sign_in(Role.PARTNER, name="Pat Ner"), "1204") == {}
