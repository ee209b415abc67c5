"""Asking for a settled round to be voided or corrected, the inbox, and the decision of another person."""

import datetime as dt
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from dashboard.jobs import ticking
from dashboard.models import RoundRequest
from dashboard.models.login import Role
from tests.builders import make_game, make_operator, make_round
from tests.web.desk import AT, Browser, Desk
from tests.web.test_rounds import play, played, table

CORRECTION = {"joker": "5S", "cards": "KC 3D 5H", "reason": "The dealer read the wrong card"}


@dataclass(frozen=True)
class Floor:
    """A settled round of a live table on which Bahar has won, who asks about it, and who decides."""

    desk: Desk
    round_id: int
    player_id: int
    asker: Browser
    decider: Browser

    @property
    def page(self) -> str:
        return f"/rounds/{self.round_id}"

    @property
    def request(self) -> str:
        """The address of what was asked for last."""
        wanted = select(RoundRequest.id).order_by(RoundRequest.id.desc()).limit(1)
        request_id = self.desk.read(lambda session: session.scalars(wanted).one())
        return f"{self.page}/requests/{request_id}"

    def ask_to_void(self, reason: str = "A card was seen") -> None:
        answer = self.asker.post(f"{self.page}/void", {"reason": reason})
        assert (answer.status_code, answer.location) == (303, self.page)

    def ask_to_correct(self) -> None:
        answer = self.asker.post(f"{self.page}/correction", CORRECTION)
        assert (answer.status_code, answer.location) == (303, self.page)

    def decide(self, decision: str, who: Browser | None = None, reason: str = "Seen too") -> tuple[int, str]:
        """Status and words of the answer, as the dialog gets it."""
        sent = {"decision": decision, "reason": reason}
        answer = (who or self.decider).post(f"{self.request}/decision", sent, htmx=True)
        return answer.status_code, answer.text

    def real(self) -> int:
        return self.desk.real(self.player_id)


@pytest.fixture
def floor(desk: Desk) -> Floor:
    player_id = desk.player(50_000)
    round_id = play(desk, table(desk), (player_id, "bahar", 1_000), cards="5S KC 5H")
    asker, decider = (desk.sign_in(Role.MANAGER, name=name) for name in ("Bo Lind", "Ida Moe"))
    return Floor(desk, round_id, player_id, asker, decider)


def test_the_buttons_and_forms_say_that_one_asks(floor: Floor) -> None:
    text = floor.asker.page(floor.page).text
    assert "Ask to void…" in text
    assert "Ask to correct…" in text
    assert "Once another manager or admin has agreed" in floor.asker.page(f"{floor.page}/void").text
    assert "Once another manager or admin has agreed" in floor.asker.page(f"{floor.page}/correction").text


def test_what_waits_stands_on_the_round_for_everybody(floor: Floor) -> None:
    floor.ask_to_void()
    own = floor.asker.page(floor.page).text
    assert "You ask to void this round" in own
    assert "It waits for another manager or admin until" in own
    assert "Ask to void…" not in own
    theirs = floor.decider.page(floor.page)
    assert "Bo Lind asks to void this round" in theirs.text
    assert "“A card was seen”" in theirs.text
    assert "Taken back20.00 USD of payouts" in theirs.text
    assert "Given back10.00 USD of stakes" in theirs.text
    assert [link for link in theirs.all("a") if link["href"] == floor.request]
    auditor = floor.desk.sign_in(Role.AUDITOR, name="Tora Ness").page(floor.page)
    assert "It waits for a manager or an admin other than Bo Lind" in auditor.text
    assert not [link for link in auditor.all("a") if link["href"] == floor.request]
    assert floor.real() == 51_000


def test_a_correction_is_drawn_beside_what_was_settled(floor: Floor) -> None:
    floor.ask_to_correct()
    page = floor.decider.page(floor.request)
    names = [element["aria-label"] for element in page.all("span", class_="playing-card")]
    assert names == ["5 of spades", "King of clubs", "5 of hearts, the match", "3 of diamonds"]
    settled = [
        element["aria-label"] for element in page.all("span") if "mini-card" in (element.get("class") or "")
    ]
    assert settled == ["5 of spades", "King of clubs", "5 of hearts"]
    assert "ResultBahar → Andar" in page.text


@pytest.mark.parametrize("htmx", [False, True])
def test_approved_it_is_done_and_names_both(floor: Floor, htmx: bool) -> None:
    floor.ask_to_correct()
    sent = {"decision": "approve", "reason": "Seen too"}
    answer = floor.decider.post(f"{floor.request}/decision", sent, htmx=htmx)
    assert answer.status_code == (204 if htmx else 303)
    assert floor.real() == 49_000
    page = floor.asker.page(floor.page)
    assert "Bo Lindapproved by Ida Moe" in page.text
    assert "asks to correct" not in page.text
    assert "Ida Moe has approved this request" in floor.asker.page(floor.request).text


def test_declined_the_round_stays_as_it_is(floor: Floor) -> None:
    floor.ask_to_void()
    status, _text = floor.decide("decline")
    assert status == 204
    assert (floor.real(), played(floor.desk, floor.round_id).version) == (51_000, 1)
    assert "Ask to void…" in floor.asker.page(floor.page).text


def test_nobody_decides_their_own(floor: Floor) -> None:
    floor.ask_to_void()
    assert "You asked for this: another manager or admin decides." in floor.asker.page(floor.request).text
    for decision in ("approve", "decline"):
        status, text = floor.decide(decision, floor.asker)
        assert (status, "Nobody decides their own request" in text) == (422, True)
    assert played(floor.desk, floor.round_id).version == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"decision": "approve", "reason": " "}, "Enter a reason."),
        ({"decision": "maybe", "reason": "Seen"}, "Approve or decline."),
    ],
)
def test_what_is_wrong_is_told(floor: Floor, given: dict[str, str], message: str) -> None:
    floor.ask_to_void()
    answer = floor.decider.post(f"{floor.request}/decision", given)
    assert (answer.status_code, message in answer.text) == (422, True)


def test_who_comes_second_is_told_who_was_first(floor: Floor) -> None:
    floor.ask_to_void()
    third = floor.desk.sign_in(Role.ADMIN, name="Tora Ness")
    floor.decide("approve")
    status, text = floor.decide("decline", third)
    assert (status, "Ida Moe has already approved this request." in text) == (409, True)
    assert floor.real() == 50_000


def test_a_second_request_is_refused_where_it_is_typed(floor: Floor) -> None:
    floor.ask_to_void()
    answer = floor.decider.post(f"{floor.page}/correction", CORRECTION)
    assert (answer.status_code, "already waits for a decision" in answer.text) == (409, True)
    assert "The dealer read the wrong card" in answer.text


def test_the_inbox_and_its_count(floor: Floor) -> None:
    assert "Settled rounds" not in floor.decider.page("/approvals").text
    floor.ask_to_void()
    page = floor.decider.page("/approvals")
    assert page.by_id("approval-count").text == "1"
    assert "Void round 1 Blue table A card was seen" in page.text
    own = floor.asker.page("/approvals")
    assert own.by_id("approval-count").text == ""
    assert "Void round 1" in own.text
    agent = floor.desk.sign_in(Role.AGENT, name="Tora Ness").page("/approvals")
    assert "Void round 1" not in agent.text
    floor.decide("decline")
    part = floor.decider.get("/approvals/rounds", htmx=True).text
    assert "Void round" not in part
    assert "hidden" in part


def test_an_open_page_is_told_what_became_of_it(floor: Floor) -> None:
    floor.ask_to_void()
    part = f"{floor.page}/request?seen=1"
    assert "asks to void" in floor.decider.get(part, htmx=True).text
    floor.decide("approve")
    assert "This round was settled anew." in floor.asker.get(part, htmx=True).text
    assert floor.asker.get(part).location == floor.page


def test_another_operators_request_is_not_there(floor: Floor) -> None:
    floor.ask_to_void()
    request_id = floor.request.rpartition("/")[2]
    theirs = floor.desk.write(
        lambda session: make_round(
            session, game_id=make_game(session, operator_id=make_operator(session)), state="settled"
        )
    )
    for path in (f"/rounds/{theirs}/requests/{request_id}", f"/rounds/{theirs}/request"):
        assert floor.decider.get(path, htmx=True).status_code == 404


def test_its_pages_take_few_statements(floor: Floor) -> None:
    floor.ask_to_correct()
    for path in (floor.page, floor.request, "/approvals"):
        assert floor.desk.count_queries(lambda path=path: floor.decider.page(path)) <= 12, path  # type: ignore[misc]


def test_what_nobody_decides_lapses_by_itself(floor: Floor) -> None:
    floor.ask_to_void()
    with floor.desk.app.app_context():
        assert ticking.lapse(AT + dt.timedelta(days=7, seconds=-1)) == 0
        assert ticking.lapse(AT + dt.timedelta(days=7)) == 1
    assert "This request has lapsed" in floor.asker.page(floor.request).text
    assert "Ask to void…" in floor.asker.page(floor.page).text
