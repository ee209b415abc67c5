"""What a settlement does to grants: the ways in which such systems lose money."""

import datetime as dt
from decimal import Decimal

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from dashboard.errors import Rejected
from dashboard.models import Bonus, BonusStake, Operator, WalletEntry
from dashboard.services import bonus_endings, bonuses, settlement
from dashboard.services.actors import SYSTEM
from dashboard.services.bonus_terms import GameTerm
from tests import builders
from tests.builders import NOW
from tests.services.table import ACE, ANOTHER_ACE, KING, Table, open_table

LATER = NOW + dt.timedelta(days=40)


@pytest.fixture
def table(session: Session) -> Table:
    """Andar wins with the first card if it is an ace; it pays 0.9."""
    return open_table(session)


def bonus(table: Table, bonus_id: int) -> Bonus:
    """The grant as it stands."""
    found = select(Bonus).filter_by(id=bonus_id).execution_options(populate_existing=True)
    return table.session.scalars(found).one()


def of_balance(table: Table, player_id: int) -> tuple[int, int]:
    """Real and bonus."""
    found = text("SELECT real, bonus FROM balances WHERE player_id = :p AND currency = 'USD'")
    row = table.session.execute(found, {"p": player_id}).one()
    return row.real, row.bonus


def entries(table: Table, player_id: int) -> list[tuple[str, int, int]]:
    """Type, real and bonus of each entry after the grants."""
    found = select(WalletEntry).filter_by(player_id=player_id).order_by(WalletEntry.sequence)
    rows = [row for row in table.session.scalars(found) if row.change_type not in {"opening", "bonus_grant"}]
    return [(row.change_type, row.real_delta, row.bonus_delta) for row in rows]


def win(table: Table) -> None:
    """Andar wins."""
    table.deal(ANOTHER_ACE)
    table.settle()


def test_a_win_of_bonus_money_is_not_paid_as_cash(table: Table) -> None:
    player = table.player(0)
    grant = builders.give_bonus(table.session, player, 50_00, wagering_multiplier=Decimal(10))
    table.bet(player, "andar", 20_00)
    win(table)
    assert of_balance(table, player) == (0, 68_00)
    assert (bonus(table, grant).remaining, bonus(table, grant).wagered) == (68_00, 20_00)


def test_a_mixed_stake_is_paid_in_its_proportion(table: Table) -> None:
    player = table.player(10_01)
    first = builders.give_bonus(table.session, player, 7_00, wagering_multiplier=Decimal(10))
    second = builders.give_bonus(table.session, player, 50_00, wagering_multiplier=Decimal(10))
    table.bet(player, "andar", 30_00)
    win(table)
    # 57.00 in all: bonus floor(57.00 × 19.99 / 30.00) = 37.98, of it 13.30 with the remainder to the older.
    assert of_balance(table, player) == (57_00 - 37_98, 37_98 + 50_00 - 12_99)
    assert bonus(table, first).remaining == 13_30
    assert bonus(table, second).remaining == 37_98 - 13_30 + 50_00 - 12_99


def test_a_completed_bonus_becomes_real_money_once(table: Table) -> None:
    player = table.player(0)
    grant = builders.give_bonus(table.session, player, 20_00, max_win=30_00)
    table.bet(player, "andar", 20_00)
    win(table)
    assert entries(table, player) == [
        ("wager", 0, -20_00),
        ("settlement", 0, 38_00),
        ("bonus_conversion", 30_00, -38_00),
    ]
    done = bonus(table, grant)
    assert (done.state, done.remaining, done.converted, done.forfeited) == ("completed", 0, 30_00, 8_00)
    assert of_balance(table, player) == (30_00, 0)


def test_two_grants_completed_at_once_are_both_credited(table: Table) -> None:
    player = table.player(0)
    grants = [builders.give_bonus(table.session, player, 10_00) for _each in range(2)]
    table.bet(player, "andar", 20_00)
    win(table)
    assert [bonus(table, grant).converted for grant in grants] == [19_00, 19_00]
    assert of_balance(table, player) == (38_00, 0)


def test_a_completion_with_nothing_left_writes_no_entry(table: Table) -> None:
    player = table.player(0)
    grant = builders.give_bonus(table.session, player, 10_00)
    table.bet(player, "bahar", 10_00)
    win(table)
    assert (bonus(table, grant).state, bonus(table, grant).converted) == ("completed", 0)
    assert entries(table, player) == [("wager", 0, -10_00)]


def test_opposite_bets_count_only_their_difference(table: Table) -> None:
    player = table.player(0)
    grant = builders.give_bonus(table.session, player, 100_00, wagering_multiplier=Decimal(10))
    table.bet(player, "andar", 30_00)
    table.bet(player, "bahar", 50_00)
    win(table)
    assert bonus(table, grant).wagered == 20_00


def test_a_wholly_hedged_stake_counts_nothing(table: Table) -> None:
    player = table.player(40_00)
    grant = builders.give_bonus(table.session, player, 40_00)
    table.bet(player, "andar", 40_00)  # real money
    table.bet(player, "bahar", 40_00)  # the bonus
    win(table)
    assert (bonus(table, grant).wagered, bonus(table, grant).state) == (0, "active")


@pytest.mark.parametrize(("percent", "counted"), [(100, 20_00), (25, 5_00), (0, 0)])
def test_a_game_contributes_what_its_term_says(table: Table, percent: int, counted: int) -> None:
    player = table.player(0)
    terms = (GameTerm(table.game_id, "andar", percent), GameTerm(table.game_id, "", 50))
    grant = builders.give_bonus(table.session, player, 50_00, wagering_multiplier=Decimal(10), games=terms)
    table.bet(player, "andar", 20_00)
    win(table)
    assert bonus(table, grant).wagered == counted


@pytest.mark.parametrize(("counts", "wagered"), [("bonus", 5_00), ("whole", 20_00)])
def test_an_operator_may_count_the_whole_stake(table: Table, counts: str, wagered: int) -> None:
    table.session.execute(update(Operator).filter_by(id=table.operator_id).values(wagering_counts=counts))
    player = table.player(15_00)
    grant = builders.give_bonus(table.session, player, 50_00, wagering_multiplier=Decimal(10))
    table.bet(player, "andar", 20_00)
    win(table)
    assert bonus(table, grant).wagered == wagered


def test_a_grant_that_expired_meanwhile_gets_nothing_back(table: Table) -> None:
    player = table.player(0)
    grant = builders.give_bonus(table.session, player, 50_00, wagering_multiplier=Decimal(10))
    table.bet(player, "andar", 20_00)
    bonus_endings.expire_due(table.session, now=LATER, limit=100)
    assert of_balance(table, player) == (0, 0)
    win(table)
    assert entries(table, player)[1:] == [
        ("bonus_expiry", 0, -30_00),
        ("settlement", 0, 38_00),
        ("bonus_forfeit", 0, -38_00),
    ]
    ended = bonus(table, grant)
    assert (ended.state, ended.remaining, ended.forfeited) == ("expired", 0, 68_00)


def test_a_grant_that_was_completed_meanwhile_pays_real_money_up_to_its_cap(session: Session) -> None:
    first = open_table(session)
    player = first.player(0)
    grant = builders.give_bonus(session, player, 30_00, max_win=50_00, wagering_multiplier=Decimal("0.5"))
    second = open_table(session, operator_id=first.operator_id)
    first.bet(player, "andar", 10_00)
    second.bet(player, "andar", 20_00)
    win(second)
    assert of_balance(first, player) == (38_00, 0)
    win(first)
    assert entries(first, player)[-2:] == [("settlement", 12_00, 7_00), ("bonus_forfeit", 0, -7_00)]
    done = bonus(first, grant)
    assert (done.converted, done.forfeited) == (50_00, 7_00)
    assert of_balance(first, player) == (50_00, 0)


def test_a_void_returns_each_stake_as_it_was_made_up(table: Table) -> None:
    player = table.player(5_00)
    grant = builders.give_bonus(table.session, player, 50_00)
    table.bet(player, "andar", 20_00)
    settlement.void(table.transact, round_id=table.round_id, reason="Power", actor=SYSTEM, now=NOW)
    assert of_balance(table, player) == (5_00, 50_00)
    assert (bonus(table, grant).remaining, bonus(table, grant).wagered) == (50_00, 0)


def correct(table: Table) -> None:
    """It was Bahar."""
    settlement.correct(
        table.transact,
        round_id=table.round_id,
        joker=ACE,
        cards=[KING, ANOTHER_ACE],
        reason="A king lay there first",
        actor=SYSTEM,
        now=NOW,
    )


def test_a_correction_undoes_the_completion_that_it_brought(table: Table) -> None:
    player = table.player(0)
    grant = builders.give_bonus(table.session, player, 40_00)
    table.bet(player, "andar", 40_00)
    win(table)
    assert of_balance(table, player) == (76_00, 0)
    correct(table)
    # The stake is lost; it has been wagered all the same, so the grant is completed with nothing in it.
    assert of_balance(table, player) == (0, 0)
    done = bonus(table, grant)
    assert (done.state, done.converted, done.owing, done.wagered) == ("completed", 0, 0, 40_00)


def test_what_a_completion_gave_and_was_spent_is_owing(table: Table) -> None:
    player = table.player(0)
    grant = builders.give_bonus(table.session, player, 40_00)
    table.bet(player, "andar", 40_00)
    win(table)
    builders.change(table.session, player, -70_00)
    correct(table)
    done = bonus(table, grant)
    # Of 76.00 there were 6.00 left; the round itself had paid bonus money alone.
    assert (done.converted, done.owing) == (0, 70_00)
    assert of_balance(table, player) == (0, 0)


def test_a_corrected_loss_pays_the_grant(table: Table) -> None:
    player = table.player(0)
    grant = builders.give_bonus(table.session, player, 50_00, wagering_multiplier=Decimal(10))
    table.bet(player, "bahar", 20_00)
    win(table)
    correct(table)
    assert of_balance(table, player) == (0, 70_00)
    assert (bonus(table, grant).remaining, bonus(table, grant).wagered) == (70_00, 20_00)


def test_a_stake_is_bound_by_the_largest_bet_of_a_bonus(table: Table) -> None:
    player = table.player()
    builders.give_bonus(table.session, player, 50_00, max_bet=5_00)
    with pytest.raises(Rejected, match=r"With an active bonus the largest bet is 5\.00"):
        table.bet(player, "andar", 6_00)
    table.bet(player, "andar", 5_00)


def test_bonus_money_stays_out_of_a_restricted_game(table: Table) -> None:
    player = table.player(10_00)
    builders.give_bonus(table.session, player, 50_00, games=(GameTerm(table.game_id, is_restricted=True),))
    with pytest.raises(Rejected, match="may not be staked at this game"):
        table.bet(player, "andar", 20_00)
    assert table.bet(player, "andar", 10_00).bonus_part == 0


def test_bonuses_pay_first_where_the_operator_says_so(table: Table) -> None:
    table.session.execute(update(Operator).filter_by(id=table.operator_id).values(stake_order="bonus_first"))
    player = table.player(100_00)
    grants = [builders.give_bonus(table.session, player, 10_00) for _each in range(2)]
    placed = table.bet(player, "andar", 15_00)
    assert (placed.real_part, placed.bonus_part) == (0, 15_00)
    found = select(BonusStake.bonus_id, BonusStake.amount).order_by(BonusStake.bonus_id)
    assert table.session.execute(found).all() == [(grants[0], 10_00), (grants[1], 5_00)]


def test_a_grant_whose_time_is_over_pays_nothing(table: Table) -> None:
    player = table.player(10_00)
    builders.give_bonus(table.session, player, 50_00, now=NOW - dt.timedelta(days=31))
    with pytest.raises(Rejected, match="Not enough money"):
        table.bet(player, "andar", 20_00)


def test_a_completion_gives_the_next_in_the_queue_its_turn(table: Table) -> None:
    table.session.execute(update(Operator).filter_by(id=table.operator_id).values(active_bonuses_max=1))
    player = table.player(0)
    first = builders.give_bonus(table.session, player, 20_00)
    second = builders.give_bonus(table.session, player, 30_00)
    assert bonus(table, second).state == "queued"
    table.bet(player, "andar", 20_00)
    win(table)
    assert (bonus(table, first).state, bonus(table, second).state) == ("completed", "active")
    assert of_balance(table, player) == (38_00, 30_00)
    assert bonuses.activate_queued(table.session, [(player, "USD")], now=NOW) == []


def void(table: Table) -> None:
    """It was no fair deal."""
    settlement.void(table.transact, round_id=table.round_id, reason="Seen", actor=SYSTEM, now=LATER)


def test_a_void_after_the_bonus_expired_gives_nothing_back_and_takes_nothing(table: Table) -> None:
    player = table.player(10_00)
    grant = builders.give_bonus(table.session, player, 50_00, wagering_multiplier=Decimal(10))
    table.bet(player, "andar", 20_00)
    win(table)
    # 19.00 of the 38.00 in real money; the grant has 59.00, and they expire.
    assert of_balance(table, player) == (19_00, 59_00)
    bonus_endings.expire_due(table.session, now=LATER, limit=100)
    void(table)
    assert of_balance(table, player) == (10_00, 0)
    ended = bonus(table, grant)
    assert (ended.state, ended.remaining, ended.owing, ended.forfeited) == ("expired", 0, 0, 69_00)


def test_what_became_real_money_by_another_round_is_owing(session: Session) -> None:
    first = open_table(session)
    player = first.player(0)
    grant = builders.give_bonus(session, player, 30_00)
    second = open_table(session, operator_id=first.operator_id)
    first.bet(player, "andar", 10_00)
    win(first)
    second.bet(player, "andar", 20_00)
    win(second)
    assert of_balance(first, player) == (57_00, 0)
    void(first)
    # The 19.00 of the void round went into the grant and are real money by now; its stake comes back as such.
    done = bonus(first, grant)
    assert (done.state, done.owing) == ("completed", 19_00)
    assert of_balance(first, player) == (67_00, 0)
