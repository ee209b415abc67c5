#!/usr/bin/env python3
"""Check partners' statements by yourself, with nothing but Python (3.8 or newer).

    python3 verify_statement.py earnings.csv statements.csv

Both are files of the partner's pages at the desk: the earnings without any filter, and the statements. More
files may follow, in any order: of other years, or of other partners. From the real figures, shares and rates
of the rows this computes what each row shows and earns, and from the rows every statement: what it opens
with, what is written off, what is payable and what is carried over; to the minor unit.

Exit code 0: equal. 1: not equal. 2: what was given cannot be used.
"""

from __future__ import annotations  # for Python before 3.10

import argparse
import csv
import datetime as dt
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

WHOLE = 10_000


class Unusable(Exception):
    """What was given cannot be used; the message says why."""


class Earning(NamedTuple):
    """A row of earnings; amounts in minor units."""

    id: int
    partner: int
    currency: str
    round_id: int
    version: int
    day: dt.date
    settled: dt.datetime
    real_bets: int
    real_payouts: int
    real_profit: int
    contract: int
    share: int
    rate: int
    policy: str
    bets: int
    payouts: int
    profit: int
    earned: int
    state: str
    decided: dt.datetime | None
    statement: int | None


class Statement(NamedTuple):
    """A statement; amounts in minor units."""

    id: int
    partner: int
    currency: str
    month: dt.date
    state: str
    rows: int
    bets: int
    payouts: int
    profit: int
    opening: int
    earned: int
    written_off: int
    closing: int
    minimum: int
    payable: int
    carried: int
    closed: dt.datetime

    @property
    def end(self) -> dt.date:
        """The first day after its month."""
        return (self.month + dt.timedelta(days=32)).replace(day=1)

    def __str__(self) -> str:
        return f"Statement {self.id} of partner {self.partner}, {self.month:%Y-%m} {self.currency}"


EARNINGS = (
    "Earning,Partner id,Currency,Round id,Settlement version,Day,Settled,Real bets,Real payouts,Real profit,"
    "Contract version,Share %,Rate %,Loss policy,Bets,Payouts,Profit,Earned,State,Decided at,Statement"
).split(",")
STATEMENTS = (
    "Statement,Partner id,Currency,Month,State,Rows,Bets,Payouts,Profit,Opening,Earned,Written off,Closing,"
    "Minimum,Payable,Carried over,Closed"
).split(",")
AMOUNTS = (
    "Real bets,Real payouts,Real profit,Bets,Payouts,Profit,Earned,Opening,Written off,Closing,Minimum,"
    "Payable,Carried over"
).split(",")


class Decimals:
    """How many decimals each currency's amounts have: the same everywhere, or the file is no export."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def minor(self, text: str, currency: str) -> int:
        """An amount such as -12.50 in minor units."""
        match = re.fullmatch(r"(-?)([0-9]+)(?:\.([0-9]+))?", text)
        if match is None:
            raise Unusable(f"“{text}” is no amount.")
        fraction = match[3] or ""
        if self.known.setdefault(currency, len(fraction)) != len(fraction):
            raise Unusable(f"Amounts of {currency} have different numbers of decimals, such as {text}.")
        return int(match[1] + match[2] + fraction)

    def shown(self, minor: int, currency: str) -> str:
        """The amount as the files write it."""
        decimals = self.known.get(currency, 2)
        whole, fraction = divmod(abs(minor), 10**decimals)
        sign = "-" if minor < 0 else ""
        return f"{sign}{whole}.{fraction:0{decimals}d}" if decimals else f"{sign}{whole}"


def read(paths: Iterable[str], decimals: Decimals) -> tuple[dict[int, Earning], dict[int, Statement]]:
    """All rows of the files, by id; which is which, their headers say. Raises Unusable."""
    earnings: dict[int, Earning] = {}
    statements: dict[int, Statement] = {}
    for path in paths:
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                lines = csv.DictReader(file)
                heads = set(lines.fieldnames or ())
                if heads >= set(EARNINGS):
                    for cells in lines:
                        earning = Earning(*_values(EARNINGS, cells, decimals))
                        earnings[earning.id] = earning
                elif heads >= set(STATEMENTS):
                    for cells in lines:
                        statement = Statement(*_values(STATEMENTS, cells, decimals))
                        statements[statement.id] = statement
                else:
                    raise Unusable(f"{path} is neither a file of earnings nor one of statements.")
        except OSError as error:
            raise Unusable(f"{path} cannot be read: {error.strerror}.") from None
        except (UnicodeDecodeError, csv.Error):
            raise Unusable(f"{path} is no CSV.") from None
        except ValueError as error:
            raise Unusable(f"{path}: {error}.") from None
    if not statements:
        raise Unusable("None of the files holds a statement.")
    return earnings, statements


def _values(heads: list[str], cells: dict[str, str], decimals: Decimals) -> Iterator[Any]:
    """The cells of those columns, each as what it is."""
    for head in heads:
        text = cells[head] or ""
        if head in AMOUNTS:
            yield decimals.minor(text, cells["Currency"])
        elif head in ("Currency", "Loss policy", "State"):
            yield text
        elif head == "Month":
            yield dt.date.fromisoformat(f"{text}-01")
        elif head == "Day":
            yield dt.date.fromisoformat(text)
        elif head in ("Settled", "Closed", "Decided at"):
            yield dt.datetime.fromisoformat(text) if text else None
        elif head in ("Share %", "Rate %"):
            yield int(Fraction(text) * 100)
        else:
            yield int(text) if text or head != "Statement" else None


class Shown(NamedTuple):
    """What a partner is shown of a round, and what it earns."""

    bets: int
    payouts: int
    profit: int
    earned: int


def shown_of(real_bets: int, real_profit: int, row: Earning) -> Shown:
    """By the row's terms; each figure rounded once, half to even."""
    bets = round(Fraction(real_bets * row.share, WHOLE))
    profit = round(Fraction(real_profit * row.share, WHOLE))
    earned = round(Fraction(real_profit * row.share * row.rate, WHOLE * WHOLE))
    if row.policy == "per_round" and real_profit <= 0:
        earned = 0
    return Shown(bets, bets - profit, profit, earned)


class Check:
    """Compares what the files say with what follows from them."""

    def __init__(self, earnings: dict[int, Earning], statements: dict[int, Statement], decimals: Decimals):
        self.earnings = earnings
        self.statements = statements
        self.decimals = decimals
        self.stated: dict[int | None, list[Earning]] = defaultdict(list)
        """The rows of each statement; of None, those that are in none."""
        for row in earnings.values():
            self.stated[row.statement].append(row)
        self.differences: list[str] = []
        self.unknown = 0
        """Corrections of rounds whose settlements before are in none of the files."""

    def run(self) -> None:
        """Everything."""
        self._check_rows()
        self._check_membership()
        chains: dict[tuple[int, str], list[Statement]] = defaultdict(list)
        for statement in self.statements.values():
            if statement.state != "declined":
                chains[statement.partner, statement.currency].append(statement)
        for chain in chains.values():
            before = None
            for statement in sorted(chain, key=lambda each: each.month):
                self._check_statement(statement, before)
                before = statement
            self._check_left_out(chain)

    def _check_rows(self) -> None:
        rounds: dict[tuple[int, int, int, str], list[Earning]] = defaultdict(list)
        for row in self.earnings.values():
            rounds[row.partner, row.round_id, row.contract, row.currency].append(row)
        for rows in rounds.values():
            rows.sort(key=lambda each: each.version)
            for at, row in enumerate(rows):
                # What had been rejected by then was as if it had never been.
                before = [
                    each
                    for each in rows[:at]
                    if not (each.state == "rejected" and each.decided and each.decided <= row.settled)
                ]
                self._check_row(row, before, is_first=at == 0)

    def _check_row(self, row: Earning, before: list[Earning], *, is_first: bool) -> None:
        whole = shown_of(
            row.real_bets + sum(each.real_bets for each in before),
            row.real_profit + sum(each.real_profit for each in before),
            row,
        )
        due = {
            name: figure - sum(getattr(each, name) for each in before)
            for name, figure in whole._asdict().items()
        }
        if row.real_profit != row.real_bets - row.real_payouts:
            self._differ(f"Earning {row.id}: real bets, payouts and profit do not add up.")
        if is_first and row.version > 1 and any(getattr(row, name) != due[name] for name in due):
            self.unknown += 1
            return
        for name, should in due.items():
            self._compare(f"Earning {row.id}", name, getattr(row, name), should, row.currency)

    def _check_membership(self) -> None:
        for row in self.earnings.values():
            if row.statement is None:
                if row.state == "paid":
                    self._differ(f"Earning {row.id} is paid, but in no statement.")
                continue
            statement = self.statements.get(row.statement)
            if statement is None:
                self._differ(
                    f"Earning {row.id} is in statement {row.statement}, which is in none of the files."
                )
            elif (statement.partner, statement.currency) != (row.partner, row.currency):
                self._differ(f"Earning {row.id} is in statement {row.statement} of somebody else.")
            elif row.state not in ("approved", "paid"):
                self._differ(f"Earning {row.id} is {row.state}, but in statement {row.statement}.")
            elif row.day >= statement.end:
                self._differ(
                    f"Earning {row.id} is of {row.day}, after the month of statement {row.statement}."
                )

    def _check_statement(self, statement: Statement, before: Statement | None) -> None:
        rows = self.stated[statement.id]
        by_contract: dict[int, int] = defaultdict(int)
        for row in rows:
            if row.policy == "period":
                by_contract[row.contract] += row.earned
        opening = before.carried if before else statement.opening
        earned = sum(row.earned for row in rows)
        written_off = sum(-total for total in by_contract.values() if total < 0)
        closing = opening + earned + written_off
        payable = closing if closing > 0 and closing >= statement.minimum else 0
        due = {
            "bets": sum(row.bets for row in rows),
            "payouts": sum(row.payouts for row in rows),
            "profit": sum(row.profit for row in rows),
            "opening": opening,
            "earned": earned,
            "written_off": written_off,
            "closing": closing,
            "payable": payable,
            "carried": closing - payable,
        }
        found = len(self.differences)
        if statement.rows != len(rows):
            self._differ(f"{statement}: rows {statement.rows}, should be {len(rows)}.")
        for name, should in due.items():
            self._compare(
                str(statement), name.replace("_", " "), getattr(statement, name), should, statement.currency
            )
        if (statement.state in ("payable", "paid")) != (payable > 0) and statement.state != "closed":
            self._differ(f"{statement} is {statement.state}, but {payable} is payable.")
        amounts = ", ".join(
            f"{name} {self.decimals.shown(due[name], statement.currency)}"
            for name in ("opening", "earned", "written_off", "closing", "payable", "carried")
        ).replace("_", " ")
        start = "" if before or not opening else " (its opening is taken as given)"
        print(f"{statement}: {amounts}: {'equal' if len(self.differences) == found else 'NOT equal'}{start}")

    def _check_left_out(self, chain: list[Statement]) -> None:
        """An earning that was approved when its month was closed belongs into that statement."""
        whose = chain[0].partner, chain[0].currency
        for row in self.stated[None]:
            if row.state == "approved" and (row.partner, row.currency) == whose:
                for statement in chain:
                    if row.decided and row.day < statement.end and row.decided < statement.closed:
                        self._differ(f"{statement} leaves out earning {row.id}.")

    def _compare(self, what: str, name: str, says: int, should: int, currency: str) -> None:
        if says != should:
            shown = self.decimals.shown
            self._differ(f"{what}: {name} {shown(says, currency)}, should be {shown(should, currency)}.")

    def _differ(self, sentence: str) -> None:
        self.differences.append(sentence)


def main() -> int:
    """Say whether all is equal; returns the exit code."""
    parser = argparse.ArgumentParser(description="Recompute partners' statements from their earnings.")
    parser.add_argument("files", nargs="+", help="earnings and statements as the desk exports them, CSV")
    decimals = Decimals()
    try:
        earnings, statements = read(parser.parse_args().files, decimals)
    except Unusable as error:
        print(error, file=sys.stderr)
        return 2
    check = Check(earnings, statements, decimals)
    check.run()
    if check.unknown:
        print(
            f"{check.unknown} corrections of rounds that are in none of the files were taken as they stand."
        )
    for difference in check.differences:
        print(difference)
    print("NOT EQUAL" if check.differences else "EQUAL")
    return 1 if check.differences else 0


if __name__ == "__main__":
    sys.exit(main())
