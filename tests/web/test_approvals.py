"""What waits for a second person: asking for it by the form, the inbox, and the decision."""

import datetime as dt
import json
from uuid import uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models import ChangeRequest, Login, VipRule
from dashboard.models.login import Role
from dashboard.services import submissions, wallets
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Browser, Desk


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """A desk where more than 500.00 waits for a second person."""
    wanted = update(VipRule).filter_by(operator_id=desk.operator_id).values(approval_threshold=500_00)
    desk.write(lambda session: session.execute(wanted))
    return desk


def typed(desk: Desk, player_id: int, amount: str, **more: str) -> dict[str, str]:
    return {
        "change_type": "adjustment",
        "amount": amount,
        "reason": "Lost bonus, case 17",
        "currency": "USD",
        "seen_version": str(desk.version(player_id)),
        "idempotency_key": str(uuid4()),
        **more,
    }


def ask(desk: Desk, browser: Browser, player_id: int, amount: str = "600") -> int:
    """Send the adjust form with what waits; the id of the request."""
    answer = browser.post(f"/players/{player_id}/adjustments", typed(desk, player_id, amount))
    assert answer.status_code == 303
    return request_of(desk, player_id).id


def request_of(desk: Desk, player_id: int) -> ChangeRequest:
    """The player's latest request."""
    wanted = select(ChangeRequest).filter_by(player_id=player_id).order_by(ChangeRequest.id.desc()).limit(1)
    return desk.read(lambda session: session.scalars(wanted).one())


def decide(
    browser: Browser, player_id: int, request_id: int, decision: str, *, reason: str = "Seen the ticket"
) -> Page:
    answer = browser.post(
        f"/approvals/{player_id}/{request_id}/decision",
        {"decision": decision, "reason": reason},
        htmx=True,
    )
    return Page(answer)


def frozen(desk: Desk, player_id: int) -> None:
    desk.write(
        lambda session: wallets.freeze(
            session,
            player_id=player_id,
            reason="Lost phone",
            actor=builders.make_actor(session, operator_id=desk.operator_id),
            now=AT,
        )
    )


class TestAsking:
    def test_the_form_says_that_it_waits_before_it_is_sent(self, desk: Desk) -> None:
        agent, player_id = desk.sign_in(), desk.player(balance_minor=2_000_00)

        answer = agent.post(
            f"/players/{player_id}/adjustments/preview", typed(desk, player_id, "600"), htmx=True
        )

        page = Page(answer)
        assert page.by_id("adjust-act").text == "Ask for approval: credit 600.00 USD"
        said = "waits for a second person: 600.00 of 500.00 today on this player"
        assert said in page.by_id("preview").text

    @pytest.mark.parametrize("htmx", [True, False])
    def test_it_waits_with_a_link_and_a_mark_on_the_player(self, desk: Desk, htmx: bool) -> None:
        agent, player_id = desk.sign_in(), desk.player(balance_minor=2_000_00)

        answer = agent.post(f"/players/{player_id}/adjustments", typed(desk, player_id, "600"), htmx=htmx)

        where = f"/approvals/{player_id}/{request_of(desk, player_id).id}"
        if htmx:
            told = json.loads(answer.headers["HX-Trigger"])["toast"]
            assert told["message"] == "Waits for a second person: credit 600.00 USD · Mira Holm."
            assert told["href"] == where
        else:
            assert "Waits for a second person" in agent.page(answer.location).by_id("toasts").text
        assert desk.version(player_id) == 1
        assert "1 change waits for approval" in agent.page(f"/players/{player_id}").by_id("header").text
        assert "Credit 600.00 USD" in agent.page(where).text

    def test_of_ten_just_below_the_one_that_passes_it_in_sum_waits(self, desk: Desk) -> None:
        agent, player_id = desk.sign_in(), desk.player(balance_minor=2_000_00)

        for _ in range(10):
            data = typed(desk, player_id, "60")
            assert agent.post(f"/players/{player_id}/adjustments", data).status_code == 303

        # 8 × 60.00 = 480.00; the ninth would make it 540.00.
        assert desk.version(player_id) == 1 + 8
        page = agent.page("/approvals")
        assert len([row for row in page.all("tr") if (row.get("id") or "").startswith("request-")]) == 2

    def test_an_unusually_large_amount_is_typed_twice_and_no_refusal(self, desk: Desk) -> None:
        agent, player_id = desk.sign_in(), desk.player(balance_minor=10_00)
        where, data = f"/players/{player_id}/adjustments", typed(desk, player_id, "100.01")

        shown = Page(agent.post(f"{where}/preview", data, htmx=True))
        first = agent.post(where, data, htmx=True)
        wrong = agent.post(where, {**data, "amount_again": "100.10"}, htmx=True)
        page = Page(first)

        assert "More than ten times the largest so far, 10.00" in shown.by_id("amount-again").text
        assert (first.status_code, wrong.status_code) == (422, 422)
        assert "type it a second time" in page.by_id("adjust-amount_again-error").text
        assert (desk.version(player_id), desk.count_refusals(player_id)) == (1, 0)
        assert agent.post(where, {**data, "amount_again": "100.01"}, htmx=True).status_code == 200
        assert desk.version(player_id) == 2

    def test_the_field_for_typing_again_is_left_alone_while_it_is_needed(self, desk: Desk) -> None:
        agent, player_id = desk.sign_in(), desk.player(balance_minor=10_00)
        where = f"/players/{player_id}/adjustments/preview"

        def asked(**more: str) -> list[str]:
            page = Page(agent.post(where, typed(desk, player_id, **more), htmx=True))
            return [element.text for element in page.elements if element.get("id") == "amount-again"]

        assert asked(amount="100.01", amount_again="100") == []
        assert asked(amount="99", amount_again="100") == [""]
        assert asked(amount="99") == []


class TestOtherRules:
    def test_a_manager_sets_them_and_the_entry_says_so(self, desk: Desk) -> None:
        manager, player_id = desk.sign_in(Role.MANAGER), desk.player(balance_minor=100_00)
        where, data = f"/players/{player_id}/adjustments", typed(desk, player_id, "-400")
        floor = {"min_balance": "0"}

        refused = manager.post(
            where, {**data, **floor, "override_reason": "Agreed with the board"}, htmx=True
        )
        posted = manager.post(
            where,
            {
                **typed(desk, player_id, "-400"),
                "min_balance": "-300",
                "override_reason": "Agreed with the board",
            },
            htmx=True,
        )

        assert "below the minimum of 0.00" in Page(refused).by_id("adjust-amount-error").text
        assert posted.status_code == 200
        entry = manager.page(f"/players/{player_id}/entries/USD/2").one("main").text
        assert "−300.00" in entry
        assert "Agreed with the board" in entry

    @pytest.mark.parametrize(
        ("given", "at", "message"),
        [
            ({"daily_limit": "5"}, "override_reason", "Say why other rules hold"),
            ({"override_reason": "Because"}, "override_reason", "Enter the figure"),
            ({"daily_limit": "-5", "override_reason": "Because"}, "daily_limit", "A limit is zero or more."),
        ],
    )
    def test_figures_and_reason_come_together(
        self, desk: Desk, given: dict[str, str], at: str, message: str
    ) -> None:
        manager, player_id = desk.sign_in(Role.MANAGER), desk.player(balance_minor=100_00)

        answer = manager.post(
            f"/players/{player_id}/adjustments", {**typed(desk, player_id, "5"), **given}, htmx=True
        )

        assert answer.status_code == 422
        page = Page(answer)
        assert message in page.by_id(f"adjust-{at}-error").text
        assert page.one("details", class_="other-rules").get("open") is not None

    def test_an_agent_is_offered_none_and_a_forged_one_is_refused(self, desk: Desk) -> None:
        agent, player_id = desk.sign_in(), desk.player(balance_minor=100_00)
        given = {"daily_limit": "9000000", "override_reason": "Because"}

        page = agent.page(f"/players/{player_id}")
        answer = agent.post(
            f"/players/{player_id}/adjustments", {**typed(desk, player_id, "5"), **given}, htmx=True
        )

        assert not page.all("details", class_="other-rules")
        assert answer.status_code == 422
        assert desk.version(player_id) == 1


class TestDeciding:
    @pytest.mark.parametrize("htmx", [True, False])
    def test_approved_it_is_posted_and_names_both(self, desk: Desk, htmx: bool) -> None:
        agent, manager = desk.sign_in(name="Ana Reyes"), desk.sign_in(Role.MANAGER, name="Maya Okafor")
        player_id = desk.player(balance_minor=2_000_00)
        request_id = ask(desk, agent, player_id)

        answer = manager.post(
            f"/approvals/{player_id}/{request_id}/decision",
            {"decision": "approve", "reason": "Seen the ticket"},
            htmx=htmx,
        )

        assert (answer.status_code, desk.real(player_id)) == (204 if htmx else 303, 2_600_00)
        if htmx:
            told = json.loads(answer.headers["HX-Trigger"])
            assert told.keys() == {"toast", "dialog:close", "live:approvals"}
            assert told["toast"]["href"] == f"/players/{player_id}/entries/USD/2"
        entry = manager.page(f"/players/{player_id}/entries/USD/2").one("main").text
        assert "WhoAna Reyes" in entry
        assert "Approved byMaya Okafor" in entry
        shown = agent.page(f"/approvals/{player_id}/{request_id}").by_id("prospect").text
        assert "Maya Okafor has approved this request" in shown
        assert "Seen the ticket" in shown

    def test_declined_nothing_is_posted(self, desk: Desk) -> None:
        agent, manager, player_id = (
            desk.sign_in(),
            desk.sign_in(Role.MANAGER),
            desk.player(balance_minor=2_000_00),
        )
        request_id = ask(desk, agent, player_id)

        assert decide(manager, player_id, request_id, "decline").response.status_code == 204

        assert (desk.version(player_id), request_of(desk, player_id).state) == (1, "declined")
        assert "Seen the ticket" in agent.page("/approvals?state=declined").by_id("requests").text

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"decision": "approve", "reason": " "}, "Enter a reason."),
            ({"decision": "approve", "reason": "x" * 201}, "at most 200"),
            ({"decision": "maybe", "reason": "Seen"}, "Approve or decline."),
            ({"reason": "Seen"}, "Approve or decline."),
        ],
    )
    def test_what_is_wrong_is_told(self, desk: Desk, given: dict[str, str], message: str) -> None:
        agent, manager, player_id = (
            desk.sign_in(),
            desk.sign_in(Role.MANAGER),
            desk.player(balance_minor=2_000_00),
        )
        request_id = ask(desk, agent, player_id)

        answer = manager.post(f"/approvals/{player_id}/{request_id}/decision", given, htmx=True)

        assert answer.status_code == 422
        assert message in answer.text
        assert request_of(desk, player_id).state == "waiting"

    def test_nobody_decides_their_own(self, desk: Desk) -> None:
        manager, player_id = desk.sign_in(Role.MANAGER), desk.player(balance_minor=2_000_00)
        request_id = ask(desk, manager, player_id)

        page = manager.page(f"/approvals/{player_id}/{request_id}")

        assert "Nobody decides their own request" in page.by_id("prospect").text
        assert not [form for form in page.all("form") if form.get("id") == "decision"]
        for decision in ("approve", "decline"):
            forged = decide(manager, player_id, request_id, decision)
            assert forged.response.status_code == 422
            assert "Nobody decides their own request" in forged.response.text
        assert (desk.version(player_id), request_of(desk, player_id).state) == (1, "waiting")

    @pytest.mark.parametrize("role", [Role.AGENT, Role.AUDITOR, Role.PARTNER])
    def test_others_do_not_decide(self, desk: Desk, role: Role) -> None:
        agent, other, player_id = desk.sign_in(), desk.sign_in(role), desk.player(balance_minor=2_000_00)
        request_id = ask(desk, agent, player_id)

        assert decide(other, player_id, request_id, "approve").response.status_code == 403

        assert request_of(desk, player_id).state == "waiting"

    def test_who_comes_second_is_told_who_was_first(self, desk: Desk) -> None:
        agent, player_id = desk.sign_in(), desk.player(balance_minor=2_000_00)
        first, second = desk.sign_in(Role.MANAGER, name="Maya Okafor"), desk.sign_in(Role.ADMIN)
        request_id = ask(desk, agent, player_id)
        decide(first, player_id, request_id, "approve")

        for decision in ("decline", "approve"):
            late = decide(second, player_id, request_id, decision)
            assert late.response.status_code == 409
            assert "Maya Okafor has already approved this request." in late.one("div", role="alert").text

        assert desk.version(player_id) == 2

    def test_the_preview_does_what_approving_does(self, desk: Desk) -> None:
        agent, manager, player_id = (
            desk.sign_in(),
            desk.sign_in(Role.MANAGER),
            desk.player(balance_minor=2_000_00),
        )
        request_id = ask(desk, agent, player_id, "-1900")
        desk.write(lambda session: builders.change(session, player_id, 50_00, now=AT))
        before = desk.facts(player_id)

        shown = manager.page(f"/approvals/{player_id}/{request_id}")

        assert desk.facts(player_id) == before
        assert request_of(desk, player_id).state == "waiting"
        assert "2,050.00 → becomes 150.00" in shown.by_id("prospect").text
        assert "2,000.00 → becomes 100.00" in shown.one("main").text
        decide(manager, player_id, request_id, "approve")
        assert desk.real(player_id) == 150_00
        for kind in desk.open_alerts(player_id):
            assert kind.replace("_", " ") in shown.by_id("prospect").text

    def test_what_the_rules_say_now_is_shown_and_stops_it(self, desk: Desk) -> None:
        agent, manager, player_id = (
            desk.sign_in(),
            desk.sign_in(Role.MANAGER),
            desk.player(balance_minor=2_000_00),
        )
        request_id = ask(desk, agent, player_id)
        frozen(desk, player_id)

        shown = manager.page(f"/approvals/{player_id}/{request_id}").by_id("prospect").text
        refused = decide(manager, player_id, request_id, "approve")

        assert "The rules say no now." in shown
        assert "The wallet is frozen" in shown
        assert refused.response.status_code == 422
        assert "The wallet is frozen" in refused.one("div", role="alert").text
        assert request_of(desk, player_id).state == "waiting"

    def test_more_than_ones_own_allowance_is_not_approved(self, desk: Desk) -> None:
        agent, manager, player_id = (
            desk.sign_in(),
            desk.sign_in(Role.MANAGER),
            desk.player(balance_minor=2_000_00),
        )
        request_id = ask(desk, agent, player_id)

        def limit(session: Session) -> None:
            who = session.scalars(select(Login.id).filter_by(role="manager")).one()
            builders.allow(session, who, per_change=599_99)

        desk.write(limit)

        shown = manager.page(f"/approvals/{player_id}/{request_id}").by_id("prospect").text

        assert "More than your own allowance per change: 600.00 of 599.99." in shown
        assert decide(manager, player_id, request_id, "approve").response.status_code == 422
        assert decide(manager, player_id, request_id, "decline").response.status_code == 204

    def test_what_has_lapsed_is_not_decided(self, desk: Desk) -> None:
        agent, player_id = desk.sign_in(), desk.player(balance_minor=2_000_00)
        request_id = ask(desk, agent, player_id)

        with clock.frozen(AT + dt.timedelta(days=7)):
            manager = desk.sign_in(Role.MANAGER)
            shown = manager.page(f"/approvals/{player_id}/{request_id}")
            late = decide(manager, player_id, request_id, "approve")

        assert "This request has lapsed." in shown.by_id("prospect").text
        assert shown.by_id("approval-count").text == ""
        assert late.response.status_code == 409
        assert desk.version(player_id) == 1

    def test_unfreezing_waits_too(self, desk: Desk) -> None:
        agent, manager, player_id = desk.sign_in(), desk.sign_in(Role.MANAGER), desk.player()
        frozen(desk, player_id)

        answer = agent.post(f"/players/{player_id}/unfreeze", {"reason": "Phone found"})

        assert "waits for a second person" in agent.page(answer.location).by_id("toasts").text
        assert "Frozen" in agent.page(f"/players/{player_id}").by_id("header").text
        request_id = request_of(desk, player_id).id
        shown = manager.page(f"/approvals/{player_id}/{request_id}").by_id("prospect").text
        assert "takes every change again" in shown
        assert decide(manager, player_id, request_id, "approve").response.status_code == 204
        assert "Active" in agent.page(f"/players/{player_id}").by_id("header").text

    def test_a_reversal_waits_and_is_posted_once_approved(self, desk: Desk) -> None:
        agent, manager, player_id = (
            desk.sign_in(),
            desk.sign_in(Role.MANAGER),
            desk.player(balance_minor=2_000_00),
        )
        data = {
            "reason": "Posted twice",
            "idempotency_key": str(uuid4()),
            "seen_version": "1",
            "extent": "whole",
        }
        agent.post(f"/players/{player_id}/entries/USD/1/reversal", data)
        request_id = request_of(desk, player_id).id
        assert (
            "Reverse −2,000.00 USD" in manager.page(f"/approvals/{player_id}/{request_id}").by_id("main").text
        )

        decide(manager, player_id, request_id, "approve")

        entry = desk.last_entry(player_id)
        assert (desk.real(player_id), entry.reverses) == (0, 1)


class TestInbox:
    def test_whoever_decides_sees_all_and_the_others_their_own(self, desk: Desk) -> None:
        ana, ben = desk.sign_in(name="Ana Reyes"), desk.sign_in(name="Ben Ito")
        first, second = desk.player(balance_minor=2_000_00), desk.player(balance_minor=2_000_00)
        mine, others = ask(desk, ana, first), ask(desk, ben, second)

        def shown(browser: Browser) -> set[str]:
            rows = browser.page("/approvals").all("tr")
            return {row["id"] for row in rows if (row.get("id") or "").startswith("request-")}

        both = {f"request-{mine}", f"request-{others}"}
        assert shown(desk.sign_in(Role.MANAGER)) == shown(desk.sign_in(Role.AUDITOR)) == both
        assert shown(ana) == {f"request-{mine}"}
        assert ana.get(f"/approvals/{second}/{others}").status_code == 404
        assert ana.get(f"/approvals/{second}/{others}/prospect", htmx=True).status_code == 404

    def test_the_navigation_counts_what_one_may_decide(self, desk: Desk) -> None:
        agent, manager = desk.sign_in(), desk.sign_in(Role.MANAGER)
        first, second = desk.player(balance_minor=2_000_00), desk.player(balance_minor=2_000_00)
        ask(desk, agent, first)
        ask(desk, manager, second)

        assert manager.page("/approvals").by_id("approval-count").text == "1"
        assert Page(manager.get("/approvals/count", htmx=True)).by_id("approval-count").text == "1"
        assert desk.sign_in(Role.ADMIN).page("/approvals").by_id("approval-count").text == "2"
        assert not [
            element for element in agent.page("/approvals").elements if element.get("id") == "approval-count"
        ]

    def test_filters_stand_in_the_address(self, desk: Desk) -> None:
        agent, manager = desk.sign_in(), desk.sign_in(Role.MANAGER)
        first, second = desk.player(balance_minor=2_000_00), desk.player(balance_minor=2_000_00)
        wanted, other = ask(desk, agent, first), ask(desk, manager, second)
        who = request_of(desk, first).requested_by

        def shown(query: str) -> list[str]:
            rows = manager.page(f"/approvals?{query}").all("tr")
            return [row["id"] for row in rows if (row.get("id") or "").startswith("request-")]

        assert shown(f"who={who}") == shown(f"player={first}") == [f"request-{wanted}"]
        assert shown("kind=change") == [f"request-{wanted}", f"request-{other}"]
        assert shown("kind=payment") == shown("state=lapsed") == []
        assert shown("state=nonsense&kind=nonsense") == [f"request-{wanted}", f"request-{other}"]
        answer = manager.get(f"/approvals?kind=change&who={who}&player=", htmx=True)
        assert answer.headers["HX-Push-Url"] == f"/approvals?kind=change&who={who}"

    def test_another_operators_requests_are_not_there(self, desk: Desk) -> None:
        agent, player_id = desk.sign_in(), desk.player(balance_minor=2_000_00)
        request_id = ask(desk, agent, player_id)
        elsewhere = Desk(desk.app, desk.write(builders.make_operator))
        stranger = elsewhere.sign_in(Role.ADMIN)

        assert stranger.get(f"/approvals/{player_id}/{request_id}").status_code == 404
        assert decide(stranger, player_id, request_id, "approve").response.status_code == 404
        assert "Nothing waits" in stranger.page("/approvals").by_id("requests").text
        assert request_of(desk, player_id).state == "waiting"

    def test_the_list_takes_few_statements(self, desk: Desk) -> None:
        agent, manager = desk.sign_in(), desk.sign_in(Role.MANAGER)
        for _ in range(3):
            ask(desk, agent, desk.player(balance_minor=2_000_00))

        # One of them counts, for the navigation, what waits about partners; two read rounds and points.
        assert desk.count_queries(lambda: manager.page("/approvals")) <= 9, desk.queries

    def test_a_list_that_is_longer_goes_on(self, desk: Desk) -> None:
        manager, player_id = desk.sign_in(Role.MANAGER), desk.player(balance_minor=2_000_00)

        def many(session: Session) -> None:
            who = builders.make_actor(session, operator_id=desk.operator_id)
            for _ in range(53):
                request = builders.change_request(player_id, 600_00)
                submissions.submit(session, request=request, actor=who, now=AT)

        desk.write(many)
        page = manager.page("/approvals")
        more = next(link for link in page.all("a") if link.text == "Load 50 more")
        rest = Page(manager.get(more["href"], htmx=True))
        assert len([row for row in rest.all("tr") if (row.get("id") or "").startswith("request-")]) == 3


def test_an_entry_that_nobody_approved_says_nothing_of_it(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=100_00)
    assert "Approved by" not in agent.page(f"/players/{player_id}/entries/USD/1").one("main").text
