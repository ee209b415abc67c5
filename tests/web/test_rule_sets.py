"""Rule sets on the pages: the list, one version, and the editor that refuses a losing table at its place."""

from fractions import Fraction

import pytest
from sqlalchemy import select

from dashboard.models.game import RuleSet
from dashboard.models.login import Role
from dashboard.services import rule_sets
from dashboard.services.rule_sets import SHIPPED, First, Pays, PaysBy, Rules
from tests.builders import make_game, make_operator
from tests.pages import Page, checked
from tests.web.desk import Browser, Desk

STANDARD = {
    "first": "andar",
    "pays_by": "side",
    "stages": "",
    "periods": "",
    "pays-1-0-0": "0.9",
    "pays-1-0-1": "1",
}
NEW = {**STANDARD, "name": "evening"}
_CELLS = ((1, 0), (1, 2), (1, 4), (2, 2), (2, 4))
THREE_STAGE = {
    "name": "evening",
    "first": "bahar",
    "pays_by": "side",
    "stages": "2",
    "periods": "4",
    **{f"pays-{stage}-{after}-{column}": "1" for stage, after in _CELLS for column in (0, 1)},
    "pays-1-0-1": "0",
    "pays-2-2-1": "0",
}


@pytest.fixture
def manager(desk: Desk) -> Browser:
    return desk.sign_in(Role.MANAGER)


def kept(desk: Desk, name: str = "evening") -> list[tuple[int, Rules, str]]:
    """Its versions, the oldest first: number, rules, state."""
    wanted = select(RuleSet).filter_by(operator_id=desk.operator_id, name=name).order_by(RuleSet.version)
    rows = desk.write(lambda session: session.scalars(wanted).all())
    return [(row.version, rule_sets.read(row.definition), row.state) for row in rows]


def id_of(desk: Desk, name: str, version: int = 1) -> int:
    wanted = select(RuleSet.id).filter_by(operator_id=desk.operator_id, name=name, version=version)
    return desk.write(lambda session: session.scalars(wanted).one())


def edge(page: Page, place: str) -> str:
    return page.one("output", id=f"edge-{place}").text


def errors_at(page: Page, name: str) -> str:
    return page.one("div", id=f"{name}-error").text


class TestTheList:
    def test_it_names_each_once_with_its_edges(self, manager: Browser) -> None:
        page = manager.page("/rule-sets")

        rows = [row.text for row in page.all("tr")][1:]
        assert [row.split()[0] for row in rows] == ["colour", "even", "standard", "three-stage"]
        assert "draft" in rows[1]
        assert "−3.001 % house loses to 3.001 %" in rows[1]
        assert "2.149 % to 3.001 %" in rows[2]
        assert "2.881 % to 3.126 %" in rows[3]

    def test_a_newer_draft_says_which_version_is_active_and_games_are_counted(
        self, desk: Desk, manager: Browser
    ) -> None:
        desk.write(lambda session: make_game(session, operator_id=desk.operator_id))
        first = id_of(desk, "standard")
        manager.post(f"/rule-sets/{first}/versions", {**STANDARD, "pays-1-0-0": "0.8", "seen_version": "1"})

        text = manager.page("/rule-sets").one("section", id="rule-sets").text

        assert "version 1 is active" in text
        assert len(kept(desk, "standard")) == 2


class TestOne:
    def test_it_shows_what_every_bet_pays_and_is_worth(self, desk: Desk, manager: Browser) -> None:
        page = manager.page(f"/rule-sets/{id_of(desk, 'three-stage')}")

        text = page.one("main").text
        for words in ("bets before any card", "bets after 2 cards", "cards 1–2", "cards 3–4", "card 5 on"):
            assert words in text
        for percent in ("3.001 %", "2.881 %", "3.126 %", "2.996 %"):
            assert percent in text
        assert "stake back" in text

    def test_even_explains_why_it_cannot_be_activated(self, desk: Desk, manager: Browser) -> None:
        even = id_of(desk, "even")
        assert "429 of 833" in manager.page(f"/rule-sets/{even}").text

        answer = manager.post(f"/rule-sets/{even}/activation", {})

        assert answer.status_code == 422
        assert "The house would lose on Andar in stage 1 (−3.001 %)" in checked(answer).text
        assert kept(desk, "even") == [(1, SHIPPED["even"], "draft")]

    def test_it_is_retired_and_activated_again(self, desk: Desk, manager: Browser) -> None:
        rule_set = id_of(desk, "standard")

        for act, state in (("retirement", "retired"), ("activation", "active")):
            answer = manager.post(f"/rule-sets/{rule_set}/{act}", {})
            assert (answer.status_code, answer.location) == (303, f"/rule-sets/{rule_set}")
            assert kept(desk, "standard")[0][2] == state
            again = manager.post(f"/rule-sets/{rule_set}/{act}", {})
            assert again.status_code == 409
            assert f"{state} already" in checked(again).text

    def test_one_that_is_played_is_not_retired(self, desk: Desk, manager: Browser) -> None:
        desk.write(lambda session: make_game(session, operator_id=desk.operator_id, name="Harbour"))
        rule_set = id_of(desk, "standard")

        answer = manager.post(f"/rule-sets/{rule_set}/retirement", {})

        assert answer.status_code == 409
        assert "It is played by Harbour" in checked(answer).text
        assert "Harbour" in manager.page(f"/rule-sets/{rule_set}").one("section", id="versions").text
        assert kept(desk, "standard")[0][2] == "active"

    def test_that_of_another_operator_is_not_there(self, desk: Desk, manager: Browser) -> None:
        other = desk.write(make_operator)
        wanted = select(RuleSet.id).filter_by(operator_id=other, name="standard")
        rule_set = desk.write(lambda session: session.scalars(wanted).one())

        assert manager.get(f"/rule-sets/{rule_set}").status_code == 404
        assert manager.get(f"/rule-sets/{rule_set}/edit").status_code == 404
        for noun in ("versions", "prospect", "activation", "retirement"):
            assert (
                manager.post(f"/rule-sets/{rule_set}/{noun}", {**STANDARD, "seen_version": "1"}).status_code
                == 404
            )

    def test_an_agent_reads_and_edits_nothing(self, desk: Desk) -> None:
        page = desk.sign_in(Role.AGENT).page(f"/rule-sets/{id_of(desk, 'standard')}")

        assert "2.149 %" in page.text
        assert [
            form["action"] for form in page.all("form", method="post") if "rule-sets" in form["action"]
        ] == []

    def test_the_pages_ask_little_of_the_database(self, desk: Desk, manager: Browser) -> None:
        for path in ("/rule-sets", f"/rule-sets/{id_of(desk, 'standard')}", "/rule-sets/new"):
            assert desk.count_queries(lambda path=path: manager.page(path)) <= 12


class TestANewOne:
    def test_the_form_begins_with_the_standard_rules_and_their_edges(self, manager: Browser) -> None:
        page = manager.page("/rule-sets/new")

        assert page.one("input", name="pays-1-0-0").get("value") == "0.9"
        assert (edge(page, "1-0"), edge(page, "1-1"), edge(page, "1-5")) == ("2.149 %", "3.001 %", "–")
        assert "This can be activated." in page.one("div", id="verdict").text

    def test_it_is_kept_as_a_draft(self, desk: Desk, manager: Browser) -> None:
        answer = manager.post("/rule-sets", {**NEW, "then": "draft", "side-1-5": "9/4", "side-red": "0.85"})

        assert (answer.status_code, answer.location) == (303, f"/rule-sets/{id_of(desk, 'evening')}")
        wanted = Rules(
            First.ANDAR,
            (0,),
            PaysBy.SIDE,
            SHIPPED["standard"].pays,
            (("red", Fraction(17, 20)), ("1-5", Fraction(9, 4))),
        )
        assert kept(desk) == [(1, wanted, "draft")]

    def test_it_is_activated_at_once(self, desk: Desk, manager: Browser) -> None:
        manager.post("/rule-sets", {**THREE_STAGE, "then": "activate"})

        assert kept(desk) == [(1, SHIPPED["three-stage"], "active")]

    def test_pays_by_order_go_to_whoever_is_dealt_first(self, desk: Desk, manager: Browser) -> None:
        manager.post("/rule-sets", {**NEW, "first": "joker_colour", "pays_by": "order"})

        assert kept(desk) == [(1, SHIPPED["colour start"], "draft")]

    @pytest.mark.parametrize(
        ("changes", "place"),
        [
            ({"pays-1-0-0": "1"}, "pays-1-0-0"),
            ({"side-41-49": "1000"}, "side-41-49"),
            ({"first": "bahar"}, "pays-1-0-1"),
            ({"pays_by": "order", "pays-1-0-0": "1"}, "pays-1-0-0"),
        ],
    )
    def test_a_losing_table_is_refused_at_its_place(
        self, desk: Desk, manager: Browser, changes: dict[str, str], place: str
    ) -> None:
        answer = manager.post("/rule-sets", {**NEW, **changes, "then": "activate"})

        assert answer.status_code == 422
        page = checked(answer)
        assert "The house would lose " in errors_at(page, place)
        assert page.one("input", name=place).get("aria-invalid") == "true"
        assert page.one("input", name=place).get("value") == {**NEW, **changes}[place]
        assert "this cannot be activated" in page.one("div", id="verdict").text
        assert kept(desk) == []

    def test_three_stages_from_andar_are_refused_in_both_stages(self, desk: Desk, manager: Browser) -> None:
        answer = manager.post("/rule-sets", {**THREE_STAGE, "first": "andar", "then": "activate"})

        assert answer.status_code == 422
        page = checked(answer)
        assert "would lose 3.001 %" in errors_at(page, "pays-1-0-0")
        assert "would lose 3.126 %" in errors_at(page, "pays-2-2-0")
        assert kept(desk) == []

    def test_a_losing_table_may_be_kept_as_a_draft(self, desk: Desk, manager: Browser) -> None:
        answer = manager.post("/rule-sets", {**NEW, "pays-1-0-0": "1", "then": "draft"})

        assert answer.status_code == 303
        assert [state for _version, _rules, state in kept(desk)] == ["draft"]

    def test_above_a_tenth_it_is_activated_with_a_warning(self, desk: Desk, manager: Browser) -> None:
        manager.post("/rule-sets", {**NEW, "pays-1-0-1": "0.7", "then": "activate"})

        page = manager.page(f"/rule-sets/{id_of(desk, 'evening')}")
        assert "Bahar 17.551 %: above 10 %" in page.text
        assert kept(desk)[0][2] == "active"

    @pytest.mark.parametrize(
        ("changes", "place", "why"),
        [
            ({"name": ""}, "name", "Enter a name."),
            ({"name": "x" * 61}, "name", "at most 60"),
            ({"first": "dealer"}, "first", "Not a valid choice"),
            ({"pays-1-0-0": ""}, "pays-1-0-0", "Enter what it pays"),
            ({"pays-1-0-0": "much"}, "pays-1-0-0", "such as 0.9 or 9/10"),
            ({"pays-1-0-0": "-1"}, "pays-1-0-0", "such as 0.9 or 9/10"),
            ({"pays-1-0-0": "1/0"}, "pays-1-0-0", "such as 0.9 or 9/10"),
            ({"pays-1-0-0": "1e3"}, "pays-1-0-0", "such as 0.9 or 9/10"),
            ({"pays-1-0-0": "1001"}, "pays-1-0-0", "Between 0 and 1000"),
            ({"side-red": "0"}, "side-red", "more than 0"),
            ({"side-red": "٣"}, "side-red", "such as 0.9"),
            ({"stages": "soon"}, "stages", "from 1 to 48"),
            ({"stages": "49"}, "stages", "from 1 to 48"),
            ({"stages": "0"}, "stages", "from 1 to 48"),
            ({"stages": "1, 2, 3, 4"}, "stages", "At most 3"),
            ({"periods": "1 2 3 4 5 6"}, "periods", "At most 5"),
        ],
    )
    def test_what_cannot_be_read_is_told_at_its_field_and_kept_there(
        self, desk: Desk, manager: Browser, changes: dict[str, str], place: str, why: str
    ) -> None:
        answer = manager.post("/rule-sets", {**NEW, **changes})

        assert answer.status_code == 422
        page = checked(answer)
        assert why in errors_at(page, place)
        if place != "first":
            assert page.one("input", name=place).get("value") == changes[place]
        # The rules are priced even where they have no name yet.
        says = page.one("div", id="verdict").text
        assert ("Not complete yet." in says) == (place != "name")
        assert kept(desk) == []

    def test_a_name_in_use_is_told(self, manager: Browser) -> None:
        answer = manager.post("/rule-sets", {**NEW, "name": "standard"})

        assert answer.status_code == 409
        assert "called standard already" in errors_at(checked(answer), "name")

    def test_rows_that_nobody_has_seen_are_not_kept(self, desk: Desk, manager: Browser) -> None:
        # Without JavaScript: other stages, sent before the pay table was laid out for them.
        answer = manager.post("/rule-sets", {**NEW, "stages": "2", "then": "draft"})

        assert answer.status_code == 422
        page = checked(answer)
        assert "The pay table has new rows" in page.text
        values = {name: page.one("input", name=name).get("value") for name in ("pays-1-2-0", "pays-2-2-1")}
        assert values == {"pays-1-2-0": "0.9", "pays-2-2-1": "1"}
        assert kept(desk) == []


class TestTheNextVersion:
    def test_it_begins_with_the_one_before_and_leaves_it_as_it_was(
        self, desk: Desk, manager: Browser
    ) -> None:
        first = id_of(desk, "three-stage")
        page = manager.page(f"/rule-sets/{first}/edit")
        fields = {field.get("name"): field.get("value") for field in page.all("input")}
        assert (
            THREE_STAGE.items() - {("name", "evening"), ("first", "bahar"), ("pays_by", "side")}
            <= fields.items()
        )
        assert "name" not in fields

        answer = manager.post(
            f"/rule-sets/{first}/versions",
            {**THREE_STAGE, "pays-1-0-0": "0.95", "seen_version": "1", "then": "activate"},
        )

        assert answer.location == f"/rule-sets/{id_of(desk, 'three-stage', 2)}"
        (before, after) = kept(desk, "three-stage")
        assert before == (1, SHIPPED["three-stage"], "active")
        assert after[1].pays[0] == Pays(1, 0, (Fraction(19, 20), Fraction(0)))
        assert after[2] == "active"

    def test_who_has_not_seen_the_last_version_is_told(self, desk: Desk, manager: Browser) -> None:
        first = id_of(desk, "standard")
        changed = {**STANDARD, "pays-1-0-0": "0.8", "seen_version": "1"}
        manager.post(f"/rule-sets/{first}/versions", changed)

        answer = manager.post(f"/rule-sets/{first}/versions", {**changed, "pays-1-0-0": "0.7"})

        assert answer.status_code == 409
        assert "Somebody made version 2 of standard in between" in checked(answer).text
        assert len(kept(desk, "standard")) == 2

    def test_nothing_new_makes_no_version(self, desk: Desk, manager: Browser) -> None:
        answer = manager.post(
            f"/rule-sets/{id_of(desk, 'standard')}/versions", {**STANDARD, "seen_version": "1"}
        )

        assert answer.status_code == 422
        assert "Nothing differs from version 1" in checked(answer).text

    def test_a_damaged_form_keeps_nothing(self, desk: Desk, manager: Browser) -> None:
        path = f"/rule-sets/{id_of(desk, 'standard')}/versions"
        for seen in ("", "x", "0"):
            answer = manager.post(path, {**STANDARD, "pays-1-0-0": "0.8", "seen_version": seen})
            assert answer.status_code == 422
            assert "reload the page" in checked(answer).text
        assert len(kept(desk, "standard")) == 1


class TestWhileTyping:
    def test_the_edges_follow_by_themselves(self, manager: Browser) -> None:
        answer = manager.post(
            "/rule-sets/prospect", {**NEW, "pays-1-0-0": "0.95", "side-1-5": "2"}, htmx=True
        )

        page = Page(answer)
        assert answer.status_code == 200
        assert edge(page, "1-0") == "−0.426 % house loses"
        assert edge(page, "1-1") == "3.001 %"
        assert edge(page, "1-5") == "18.679 % high"
        assert page.all("input") == []

    def test_they_are_those_that_keeping_judges_by(self, desk: Desk, manager: Browser) -> None:
        for pays, is_losing in (("0.9417", False), ("0.9418", True)):
            typed = {**NEW, "name": f"pays {pays}", "pays-1-0-0": pays, "then": "activate"}
            page = Page(manager.post("/rule-sets/prospect", typed, htmx=True))
            says = page.one("div", id="verdict").text
            assert ("cannot be activated" in says) == is_losing
            assert (manager.post("/rule-sets", typed).status_code == 422) == is_losing

    def test_who_is_dealt_first_makes_a_difference_where_one_sees_it(self, manager: Browser) -> None:
        by_colour = {**NEW, "first": "joker_colour"}

        seen = Page(manager.post("/rule-sets/prospect", by_colour, htmx=True))
        assert edge(seen, "1-0") == "2.149 % dealt first 7.851 % dealt second"

        hidden = Page(manager.post("/rule-sets/prospect", {**by_colour, "side-red": "0.9"}, htmx=True))
        assert edge(hidden, "1-0") == "5.000 %"

    def test_what_is_half_typed_is_no_reason_to_shout(self, manager: Browser) -> None:
        answer = manager.post("/rule-sets/prospect", {**NEW, "pays-1-0-0": "0."}, htmx=True)

        page = Page(answer)
        assert answer.status_code == 200
        assert "Not complete yet." in page.one("div", id="verdict").text
        assert edge(page, "1-0") == "–"

    def test_other_stages_lay_the_table_out_anew_with_what_was_typed(self, manager: Browser) -> None:
        typed = {**NEW, "stages": "2", "periods": "4", "pays-1-0-0": "0.85"}

        page = Page(manager.post("/rule-sets/prospect?part=table", typed, htmx=True))

        names = [field.get("name") for field in page.all("input")]
        assert names == [f"pays-{stage}-{after}-{column}" for stage, after in _CELLS for column in (0, 1)]
        assert page.one("input", name="pays-1-0-0").get("value") == "0.85"
        assert page.one("input", name="pays-1-4-0").get("value") == "0.85"
        assert page.one("div", id="verdict").get("hx-swap-oob") == "outerHTML"

    def test_unreadable_stages_leave_the_table_as_it_is(self, manager: Browser) -> None:
        typed = {**THREE_STAGE, "stages": "2, x"}

        page = Page(manager.post("/rule-sets/prospect?part=table", typed, htmx=True))

        assert len(page.all("input")) == 10

    def test_nothing_is_kept(self, desk: Desk, manager: Browser) -> None:
        manager.post("/rule-sets/prospect", NEW, htmx=True)
        manager.post("/rule-sets/prospect", NEW)

        assert kept(desk) == []

    def test_without_javascript_the_page_comes_back_priced(self, desk: Desk, manager: Browser) -> None:
        path = f"/rule-sets/{id_of(desk, 'standard')}/prospect"

        answer = manager.post(path, {**THREE_STAGE, "seen_version": "1"})

        assert answer.status_code == 200
        page = checked(answer)
        assert (edge(page, "1-0"), edge(page, "2-1")) == ("3.001 %", "2.996 %")
        assert kept(desk, "standard") == [(1, SHIPPED["standard"], "active")]
