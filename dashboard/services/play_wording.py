"""The words for what a proof finds on bets, rounds and bonuses."""

from dashboard import money
from dashboard.services.findings import Check, Finding


def bonus(player_id: int, currency: str, stored: int, due: int) -> Finding:
    """A balance's bonus is not what its active grants hold; minor units."""
    message = (
        f"The bonus balance of player {player_id} in {currency} is {money.show(stored, currency)},"
        f" and the active bonuses hold {money.show(due, currency)}."
    )
    return Finding(Check.BONUS, message, player_id=player_id, currency=currency)


def bet(player_id: int, currency: str, bet_id: int, sequence: int) -> Finding:
    """A bet does not fit its entry, its grants or its odds."""
    message = (
        f"Bet {bet_id} of player {player_id} in {currency} does not agree with entry {sequence} that staked"
        " it, with the bonuses that paid a part, or with what it pays."
    )
    return Finding(Check.BET, message, player_id=player_id, currency=currency)


def payout(player_id: int, currency: str, round_id: int, paid: int, posted: int) -> Finding:
    """What a player's bets of a round were paid is not what their entry says; minor units."""
    message = (
        f"The bets of player {player_id} in {currency} on round {round_id} were due"
        f" {money.show(paid, currency)}, and their entry says {money.show(posted, currency)}."
    )
    return Finding(Check.PAYOUT, message, player_id=player_id, currency=currency)


def round_totals(operator_id: int, game_id: int, number: int) -> Finding:
    """A round that has ended does not add up, or has an open bet."""
    message = f"Round {number} of game {game_id} does not add up: its totals are not those of its bets."
    return Finding(Check.ROUND, message, operator_id=operator_id)


def amendment(operator_id: int, game_id: int, number: int, version: int) -> Finding:
    """A settlement that a second person approved and the request for it say different things."""
    message = (
        f"Version {version} of the settlement of round {number} of game {game_id} is not what one person"
        " asked for and another approved."
    )
    return Finding(Check.AMENDMENT, message, operator_id=operator_id)
