"""Lots: amounts that are used up in an order. Grants of a bonus and batches of points alike. Pure."""

from collections.abc import Sequence


def take(lots: Sequence[int], amount: int) -> list[int]:
    """How much of each lot is used for `amount`: all of the first, then of the next, until it is enough.

    `lots` are what each has, in the order of use; to give back newest first, name them in reverse.
    Raises ValueError where they have less than `amount` together.
    """
    taken = []
    for lot in lots:
        part = min(lot, amount)
        taken.append(part)
        amount -= part
    if amount:
        raise ValueError(f"the lots have {amount} too little")
    return taken


def part_of_use(used: int, part: int, whole: int) -> int:
    """How much of a lot's second part is in the first `used` of it, pro rata and rounded down.

    Of a whole of which `part` is bonus: floor(used × part ÷ whole). It follows from what is used alone, not
    from the steps, so that pieces add up and what is given back leaves no trace.
    """
    return used * part // whole
