"""The worker as a process of its own plays a game: killed in the middle of rounds, it plays on."""

import signal
from itertools import count

from sqlalchemy import text

from dashboard import clock
from dashboard.errors import Conflict
from dashboard.services import bets
from dashboard.services.actors import SYSTEM
from tests.builders import make_game
from tests.server.conftest import Desk
from tests.server.test_worker import until, worker

_keys = count(1)


def start_game(desk: Desk) -> int:
    with desk.session() as session:
        operator_id = session.scalars(text("SELECT min(id) FROM operators")).one()
        game_id = make_game(
            session, operator_id=operator_id, is_running=True, betting_seconds=1, pause_seconds=0
        )
        session.commit()
    return game_id


def live_round(desk: Desk, game_id: int) -> int | None:
    query = text("SELECT id FROM rounds WHERE game_id = :g AND state = 'betting' ORDER BY id DESC LIMIT 1")
    with desk.session() as session:
        return session.scalar(query, {"g": game_id})


def ended(desk: Desk, game_id: int) -> int:
    query = text("SELECT count(*) FROM rounds WHERE game_id = :g AND state = 'settled'")
    with desk.session() as session:
        return session.scalar(query, {"g": game_id}) or 0


def bet(desk: Desk, game_id: int) -> bool:
    """Everybody bets 1.00 on the round that is open; False where none is, or it was closed meanwhile."""
    round_id = live_round(desk, game_id)
    if round_id is None:
        return False
    with desk.session() as session:
        try:
            for player in desk.players:
                wager = bets.Wager(player, round_id, "bahar", 1_00, f"bet-{next(_keys)}")
                bets.place(session, wager=wager, actor=SYSTEM, now=clock.now())
        except Conflict:
            return False
        session.commit()
    return True


def test_killed_in_the_middle_of_a_round_it_plays_on_and_pays_once(desk):
    game_id = start_game(desk)
    with worker(desk) as killed:
        until(lambda: bet(desk, game_id))
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    left = live_round(desk, game_id)
    with worker(desk):
        until(lambda: ended(desk, game_id) >= 2)

    with desk.session() as session:
        state = session.scalar(text("SELECT state FROM rounds WHERE id = :r"), {"r": left})
        assert state in {"settled", None}  # None: the round had been closed before the worker was killed
        query = text("SELECT number FROM rounds WHERE game_id = :g ORDER BY 1")
        numbers = session.scalars(query, {"g": game_id}).all()
        assert numbers == list(range(1, len(numbers) + 1))
        paid = text("""
        SELECT count(*) FILTER (WHERE b.state = 'pending') AS pending,
               count(DISTINCT (b.player_id, b.round_id)) FILTER (WHERE b.payout > 0) AS winners,
               (SELECT count(*) FROM wallet_entries WHERE change_type = 'settlement') AS settlements
        FROM bets b JOIN rounds r ON r.id = b.round_id WHERE r.state = 'settled'
        """)
        row = session.execute(paid).one()
        assert (row.pending, row.settlements) == (0, row.winners)
