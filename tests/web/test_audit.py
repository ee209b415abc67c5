"""GET /audit and its parts: proof, trial balance, staff log; POST /audit/verifications."""

import datetime as dt
import json

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from dashboard.models import StaffLog, Verification
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import staff_log, wallets
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Browser, Desk


@pytest.fixture
def admin(desk: Desk) -> Browser:
    """An admin who has signed in."""
    return desk.sign_in(Role.ADMIN, name="Ruth Castellano")


def record_proof(desk: Desk, findings: list[dict[str, object]]) -> None:
    """As if a proof had ended two hours ago."""
    ended = AT - dt.timedelta(hours=2)
    desk.write(
        lambda session: session.execute(
            insert(Verification).values(
                started_at=ended - dt.timedelta(seconds=3.25),
                finished_at=ended,
                ok=not findings,
                entries=1_234_567,
                balances=2_000,
                points_entries=5_432,
                loyalty_wallets=321,
                anchors=4,
                findings=json.dumps(findings),
            )
        )
    )


def finding(message: str, **given: object) -> dict[str, object]:
    """Something that differs, as the proof records it."""
    nothing = dict.fromkeys(("operator_id", "player_id", "external_id", "currency", "sequence"))
    return {"check": "hash", "message": message, "consequences": [], **nothing, **given}


def jobs(desk: Desk) -> list[str]:
    """The tasks that wait in the queue."""
    waiting = text("SELECT task_name FROM procrastinate_jobs WHERE status = 'todo'")
    return desk.read(lambda session: list(session.scalars(waiting)))


def lines(page: Page) -> list[str]:
    """The lines of the staff log on a page, in its order."""
    return [row.text for row in page.all("tr") if (row.get("id") or "").startswith("log-")]


# The proof


def test_before_the_first_proof_it_says_so(desk: Desk, admin: Browser) -> None:
    said = admin.page("/audit").by_id("verification").text
    assert "Nothing has been proved yet" in said
    assert "none yet" in said
    assert "Anchors share the machine with what they guard." in said


def test_a_proof_that_found_nothing_stands_with_its_figures(desk: Desk, admin: Browser) -> None:
    record_proof(desk, [])
    said = admin.page("/audit").by_id("verification").text
    assert "Nothing differs" in said
    assert "2 h ago" in said
    assert "1,234,567 entries, 2,000 balances, 4 anchors" in said
    assert "5,432 entries, 321 loyalty wallets" in said
    assert "3.2 s" in said


def test_findings_are_told_but_not_those_of_other_operators(desk: Desk, admin: Browser) -> None:
    record_proof(
        desk,
        [
            finding(
                "Entry 7 of C-1 was edited.",
                operator_id=desk.operator_id,
                player_id=1,
                consequences=["And 8."],
            ),
            finding("Anchor 3 is not sealed by our key."),
            finding("Entry 9 of THEIRS was edited.", operator_id=desk.operator_id + 1, player_id=2),
            finding("Entry 4 of NOBODY was edited.", player_id=3),
        ],
    )
    said = admin.page("/audit").by_id("verification").text
    assert "Something differs" in said
    assert "2 findings here, 2 at other operators" in said
    assert "Entry 7 of C-1 was edited." in said
    assert "And 8." in said
    assert "Anchor 3" in said
    assert "THEIRS" not in said
    assert "NOBODY" not in said


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
def test_asking_puts_one_proof_into_the_queue(desk: Desk, role: Role) -> None:
    who = desk.sign_in(role)
    answer = who.post("/audit/verifications", {}, htmx=True)
    part = Page(answer)
    assert answer.status_code == 200
    assert "The proof is asked for." in answer.headers["HX-Trigger"]
    assert part.by_id("verification")["hx-trigger"] == "every 1s"
    assert "none is running" in part.by_id("verification").text
    again = who.post("/audit/verifications", {})
    assert (again.status_code, again.location) == (303, "/audit")
    assert "A proof is waiting already." in who.page("/audit").text
    assert jobs(desk) == ["nightly:verify"]
    logged = select(StaffLog.action).where(StaffLog.action == "verification.requested")
    assert len(desk.read(lambda session: list(session.scalars(logged)))) == 1


def test_with_a_worker_it_is_only_a_matter_of_time(desk: Desk, admin: Browser) -> None:
    admin.post("/audit/verifications", {})
    worker = text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (:at)")
    desk.write(lambda session: session.execute(worker, {"at": AT}))
    assert "it begins in a moment" in admin.page("/audit").by_id("verification").text
    desk.write(lambda session: session.execute(text("UPDATE procrastinate_jobs SET status = 'doing'")))
    part = Page(admin.get("/audit/verification", htmx=True))
    assert "the outcome appears here by itself" in part.by_id("verification").text
    desk.write(lambda session: session.execute(text("UPDATE procrastinate_jobs SET status = 'succeeded'")))
    assert Page(admin.get("/audit/verification", htmx=True)).by_id("verification")["hx-trigger"] == "never"


def test_managers_read_and_agents_do_not(desk: Desk) -> None:
    manager, agent = desk.sign_in(Role.MANAGER), desk.sign_in()
    assert not [button for button in manager.page("/audit").all("button") if "Verify" in button.text]
    assert manager.post("/audit/verifications", {}).status_code == 403
    for path in ("/audit", "/audit/verification", "/audit/trial-balance", "/audit/log"):
        assert agent.get(path).status_code == 403
        assert manager.post(path, {}).status_code == 405
    assert manager.get("/audit/verifications").status_code == 405
    assert jobs(desk) == []


# The trial balance


def test_players_and_house_add_up_in_each_currency(desk: Desk, admin: Browser) -> None:
    player = desk.player(50_00)

    def work(session: Session) -> None:
        builders.change(session, player, 100_00, ChangeType.DEPOSIT, now=AT)
        builders.change(session, player, -5_00, ChangeType.FEE, now=AT)
        builders.change(session, player, 700, ChangeType.DEPOSIT, currency="JPY", now=AT)

    desk.write(work)
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    elsewhere.player(9_999_00)
    for page in (admin.page("/audit/trial-balance"), Page(admin.get("/audit/trial-balance", htmx=True))):
        said = page.by_id("trial-balance").text
        assert (
            "Players, real 145.00 Players, bonus 0.00"
            " House, cash −100.00 House, fees 5.00 House, opening −50.00" in said
        )
        assert said.count("Sum balances 0") == 2
        assert "Players, real 700" in said


def test_a_sum_that_differs_is_named(desk: Desk, admin: Browser) -> None:
    player = desk.player(50_00)
    edit = text("UPDATE balances SET real = real + 1 WHERE player_id = :p")
    desk.write(lambda session: session.execute(edit, {"p": player}))
    assert "Sum differs 0.01" in admin.page("/audit/trial-balance").by_id("trial-balance").text


# The staff log


def test_lines_say_who_did_what_to_whom(desk: Desk, admin: Browser) -> None:
    player = desk.player(name="Priya Raman")

    def work(session: Session) -> None:
        joel = builders.make_login(session, operator_id=desk.operator_id, name="Joel Mensah")
        wallets.freeze(
            session,
            player_id=player,
            reason="Documents <b>asked</b>",
            actor=builders.actor_of(joel),
            now=AT - dt.timedelta(minutes=1),
        )

    desk.write(work)
    line = lines(admin.page("/audit"))[0]
    assert line == "13:59:00 Joel Mensah Wallet frozen Priya Raman reason Documents <b>asked</b>"


def test_amounts_stand_in_their_currency(desk: Desk, admin: Browser) -> None:
    details = {"currency": "JPY", "min_balance": "-15000 → -20000", "drop_percent": "50 → 40", "note": None}
    desk.write(
        lambda session: staff_log.record(
            session, SYSTEM, "vip_rule.edited", details=details, operator_id=desk.operator_id, now=AT
        )
    )
    line = lines(admin.page("/audit"))[0]
    assert "System VIP rule edited currency JPY" in line
    assert "min balance −15,000 → −20,000" in line
    assert "drop percent 50 → 40" in line
    assert "note –" in line


def test_filters_narrow_the_log_together(desk: Desk, admin: Browser) -> None:
    player = desk.player(name="Priya Raman", external_id="C-7")

    def work(session: Session) -> int:
        joel = builders.make_login(session, operator_id=desk.operator_id, name="Joel Mensah")
        for number, (action, whom, days) in enumerate((("one.done", player, 3), ("two.done", None, 1))):
            staff_log.record(
                session,
                builders.actor_of(joel),
                action,
                player_id=whom,
                details={"word": f"needle_{number}"},
                now=AT - dt.timedelta(days=days),
            )
        return joel.id

    joel = desk.write(work)
    for query, found in (
        (f"by=staff:{joel}", ["Two done", "One done"]),
        ("q=NEEDLE_0", ["One done"]),
        ("q=needle%250", []),
        ("q=two.", ["Two done"]),
        ("player=c-7", ["One done"]),
        (f"player={player}", ["One done"]),
        ("player=nobody", []),
        ("since=2026-02-28&until=2026-03-01", ["Two done"]),
        ("until=2026-02-27", ["One done"]),
        (f"q=done&by=staff:{joel}&until=2026-02-27", ["One done"]),
        ("by=anonymous", []),
    ):
        said = lines(admin.page(f"/audit?{query}"))
        assert [next(name for name in ("One done", "Two done") if name in line) for line in said] == found, (
            query
        )
    chips = [chip.text for chip in admin.page("/audit?since=2026-02-28&by=system").all("li", class_="chip")]
    assert chips == ["Who: System", "From 28 Feb 2026"]
    answer = admin.get("/audit/log?q=two&by=&player=&since=", htmx=True)
    assert answer.headers["HX-Push-Url"] == "/audit?q=two"
    assert admin.get("/audit/log?q=two").location == "/audit?q=two"


def test_what_is_no_day_is_told_and_asks_for_nothing(desk: Desk, admin: Browser) -> None:
    page = admin.page("/audit?since=yesterday&until=0001-01-01")
    assert page.by_id("since-error")
    assert page.by_id("until-error")
    assert lines(page)


@pytest.mark.parametrize("htmx", [True, False])
def test_pages_of_the_log_have_neither_gap_nor_repeat(desk: Desk, admin: Browser, htmx: bool) -> None:
    def work(session: Session) -> None:
        for number in range(120):
            staff_log.record(
                session,
                SYSTEM,
                "thing.done",
                details={"number": number},
                operator_id=desk.operator_id,
                now=AT,
            )

    desk.write(work)
    page, seen = admin.page("/audit?q=thing.done"), []
    while True:
        seen += lines(page)
        further = [link["href"] for link in page.all("a") if "after=" in link["href"]]
        if not further:
            break
        page = Page(admin.get(further[0], htmx=True)) if htmx else admin.page(further[0])
    assert [line.rsplit(" ", 1)[1] for line in seen] == [str(number) for number in reversed(range(120))]


def test_another_operators_log_shows_nowhere(desk: Desk, admin: Browser) -> None:
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    elsewhere.sign_in(Role.ADMIN, name="Not Ours")
    page = admin.page("/audit")
    assert len(lines(page)) == 1
    assert "Not Ours" not in page.text


def test_they_take_few_statements(desk: Desk, admin: Browser) -> None:
    record_proof(desk, [])
    player = desk.player(external_id="C-7")
    works = (
        lambda: admin.get("/audit"),
        lambda: admin.get(f"/audit?player={player}&q=x&by=system&since=2026-01-01"),
        lambda: admin.get("/audit/trial-balance"),
        lambda: admin.post("/audit/verifications", {}, htmx=True),
    )
    for work in works:
        assert desk.count_queries(work) <= 12, desk.queries
