"""Bonus offers and grants as staff type them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid4

from wtforms import (
    BooleanField,
    IntegerField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, Regexp, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from dashboard.forms.base import AmountField, DeskForm, HiddenKey
from dashboard.forms.filters import choice, spoken
from dashboard.forms.wallets import reason_field
from dashboard.models.bonus import BonusSource, OfferKind, WageringBase
from dashboard.models.vip import Level
from dashboard.queries.bonus_offers import GameRef, OfferRow, TermRow
from dashboard.services import rule_sets
from dashboard.services.bonus_offers import Draft
from dashboard.services.bonus_terms import NAME_MAX, VALIDITY_DAYS_MAX, GameTerm, Gift, Terms

_SELECTIONS = frozenset(selection for market in rule_sets.MARKETS.values() for selection in market)
_OF_SELECTION = re.compile(r"([a-z0-9-]+)\s+([0-9]{1,3})\s*%?")
_NUMERIC = {"inputmode": "numeric", "autocomplete": "off"}


class EndForm(DeskForm):
    """Why a bonus ends."""

    scope = "end"

    reason = reason_field()


class _TermsForm(DeskForm):
    """The terms that an offer and a grant by hand share; amounts in the form's `currency`."""

    name = StringField(
        "Name",
        validators=[
            InputRequired("Enter a name."),
            Length(max=NAME_MAX, message=f"Use at most {NAME_MAX} characters."),
        ],
        render_kw={"autocomplete": "off"},
    )
    wagering_multiplier = StringField(
        "Times to wager",
        default="10",
        validators=[
            InputRequired("Enter a number; 0 for none."),
            Regexp(r"^[0-9]{1,4}(\.[0-9]{1,2})?$", message="A number such as 35 or 7.5."),
        ],
        render_kw={"inputmode": "decimal", "autocomplete": "off"},
    )
    wagering_base = RadioField(
        "What is wagered",
        choices=[
            choice(WageringBase.BONUS, "The bonus"),
            choice(WageringBase.DEPOSIT_AND_BONUS, "Deposit and bonus"),
        ],
        default=WageringBase.BONUS.value,
        validators=[InputRequired("Choose what is wagered.")],
    )
    max_bet = AmountField("Largest bet")
    max_win = AmountField("Most that becomes real")
    validity_days = IntegerField(
        "Days to clear it",
        default=30,
        validators=[
            InputRequired("Enter a number of days."),
            NumberRange(1, VALIDITY_DAYS_MAX, message=f"Between 1 and {VALIDITY_DAYS_MAX:,} days."),
        ],
        render_kw=_NUMERIC,
    )

    def _terms(self, source: BonusSource, games: Sequence[GameTerm] = ()) -> Terms:
        return Terms(
            name=self.name.data or "",
            source=source,
            wagering_multiplier=Decimal(self.wagering_multiplier.data or "0"),
            wagering_base=WageringBase(self.wagering_base.data),
            max_bet=self.max_bet.data,
            max_win=self.max_win.data,
            validity_days=self.validity_days.data or 0,
            games=tuple(games),
        )


class OfferForm(_TermsForm):
    """An offer. What it says of each game are fields of their own: see `offer_form`."""

    games: Sequence[GameRef] = ()

    source = SelectField("Given for", choices=[choice(each.value, spoken(each)) for each in BonusSource])
    currency = SelectField("Currency", validate_choice=False)
    kind = RadioField(
        "Gives",
        choices=[choice(OfferKind.AMOUNT, "An amount"), choice(OfferKind.PERCENT, "A share of a deposit")],
        default=OfferKind.AMOUNT.value,
        validators=[InputRequired("Choose what it gives.")],
    )
    amount = AmountField("Amount")
    percent = IntegerField(
        "Percent of the deposit",
        validators=[Optional(), NumberRange(1, 1000, message="Between 1 and 1000 percent.")],
        render_kw=_NUMERIC,
    )
    cap = AmountField("At most")
    levels = SelectMultipleField(
        "Who may get it",
        choices=[
            choice(level.value, "No level" if level == Level.DEFAULT else spoken(level)) for level in Level
        ],
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )

    def validate_currency(self, field: Any) -> None:
        """One of those that there are rules in."""
        if field.data not in {each.value if hasattr(each, "value") else each[0] for each in field.choices}:
            raise ValidationError("Choose a currency.")

    def draft(self) -> Draft:
        """What was typed; raises nothing. Call it after `validate`."""
        gift = Gift(OfferKind(self.kind.data), self.amount.data, self.percent.data, self.cap.data)
        currency = self.currency.data or ""
        games = [term for game in self.games if game.currency == currency for term in self._terms_of(game)]
        terms = self._terms(BonusSource(self.source.data), games)
        return Draft(currency, gift, terms, tuple(self.levels.data or ()))

    def _terms_of(self, game: GameRef) -> Iterable[GameTerm]:
        percent, is_restricted = self[f"contribution_{game.id}"].data, self[f"restricted_{game.id}"].data
        if is_restricted or percent not in {None, 100}:
            yield GameTerm(game.id, "", 100 if percent is None else percent, bool(is_restricted))
        for selection, each in _read_selections(self[f"selections_{game.id}"].data or ""):
            yield GameTerm(game.id, selection, each)


def offer_form(
    games: Sequence[GameRef],
    currencies: Sequence[str],
    *,
    of: OfferRow | None = None,
    terms: Sequence[TermRow] = (),
    is_sent: bool,
) -> OfferForm:
    """The form of an offer with the fields of these games, as it was sent, or as the offer `of` is."""
    fields: dict[str, Any] = {"games": tuple(games)}
    for game in games:
        fields |= {
            f"contribution_{game.id}": IntegerField(
                f"{game.name}: counts",
                validators=[Optional(), NumberRange(0, 100, message="Between 0 and 100 percent.")],
                render_kw=_NUMERIC,
            ),
            f"selections_{game.id}": StringField(
                f"{game.name}: other bets",
                validators=[_check_selections],
                render_kw={"autocomplete": "off", "spellcheck": "false"},
            ),
            f"restricted_{game.id}": BooleanField(f"{game.name}: closed to this money"),
        }
    kind: type[OfferForm] = type("OfferForm", (OfferForm,), fields)
    given: dict[str, Any] = {} if is_sent else {"formdata": None}
    if of is not None and not is_sent:
        given |= {"data": {**_values(of), **_values_of_games(terms)}}
    form = kind(**given)
    form.currency.choices = [choice(code, code) for code in currencies]
    return form


class GrantForm(_TermsForm):
    """A bonus for one player: by an offer, or by hand. What an offer says itself is not asked for."""

    scope = "grant"
    BY_HAND = "by-hand"

    offer_id = SelectField("Bonus", validate_choice=False, default=BY_HAND)
    amount = AmountField("Amount")
    amount_again = AmountField("Amount again")
    deposit_sequence = SelectField("Deposit", validate_choice=False)
    reason = reason_field()
    idempotency_key = HiddenKey()

    def __init__(
        self, *args: Any, currency: str, offers: Mapping[int, str], deposits: Mapping[int, str], **given: Any
    ) -> None:
        self.currency = currency
        super().__init__(*args, **given)
        self.offer_id.choices = [
            *(choice(str(key), name) for key, name in offers.items()),
            choice(self.BY_HAND, "By hand"),
        ]
        if offers and not self.is_submitted():
            self.offer_id.data = str(next(iter(offers)))
        self.deposit_sequence.choices = [
            choice("", "None"),
            *(choice(str(sequence), text) for sequence, text in deposits.items()),
        ]

    @property
    def is_by_hand(self) -> bool:
        """Whether the terms stand in the form, and not in an offer."""
        return bool(self.offer_id.data == self.BY_HAND)

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether everything that is asked for has its shape."""
        valid = super().validate(extra_validators)
        if not self.is_by_hand:
            for name in _OF_TERMS:
                self[name].errors = []
            valid = not any(field.errors for field in self) and not self.form_errors
        return valid

    def validate_offer_id(self, field: Any) -> None:
        """An id, or by hand; whether it may be granted is the service's to say."""
        if field.data != self.BY_HAND and not _is_id(field.data):
            raise ValidationError("Choose a bonus.")

    def validate_deposit_sequence(self, field: Any) -> None:
        """A number of an entry, or none."""
        if field.data and not _is_id(field.data):
            raise ValidationError("Choose a deposit.")

    def validate_amount(self, field: Any) -> None:
        """By hand there must be one."""
        if self.is_by_hand and (field.data is None or field.data <= 0):
            raise ValidationError("Enter an amount above zero.")

    def renew(self) -> None:
        """Give it a key of its own again, once the attempt with the old one is on record."""
        self.idempotency_key.data, self.idempotency_key.raw_data = str(uuid4()), None

    def terms(self) -> Terms | None:
        """The terms that were typed; None where an offer has them. Call it after `validate`."""
        return self._terms(BonusSource.MANUAL) if self.is_by_hand else None


_OF_TERMS = (
    "name",
    "wagering_multiplier",
    "wagering_base",
    "max_bet",
    "max_win",
    "validity_days",
    "amount",
    "amount_again",
)


def _check_selections(_form: Any, field: Any) -> None:
    for part in filter(None, (part.strip() for part in (field.data or "").split(","))):
        match = _OF_SELECTION.fullmatch(part)
        if match is None or match[1] not in _SELECTIONS or int(match[2]) > 100:
            raise ValidationError("A bet and its percentage, such as red 0, andar 50.")


def _read_selections(typed: str) -> Iterable[tuple[str, int]]:
    for part in filter(None, (part.strip() for part in typed.split(","))):
        match = _OF_SELECTION.fullmatch(part)
        if match is not None:
            yield match[1], int(match[2])


def _values(offer: OfferRow) -> dict[str, Any]:
    names = ("name", "source", "currency", "kind", "amount", "percent", "cap", "wagering_base")
    more = ("max_bet", "max_win", "validity_days", "levels")
    values = {name: getattr(offer, name) for name in (*names, *more)}
    return {**values, "wagering_multiplier": f"{offer.wagering_multiplier.normalize():f}"}


def _values_of_games(terms: Sequence[TermRow]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    selections: dict[int, list[str]] = {}
    for term in terms:
        if term.selection:
            selections.setdefault(term.game_id, []).append(f"{term.selection} {term.contribution_percent}")
        else:
            values[f"contribution_{term.game_id}"] = term.contribution_percent
            values[f"restricted_{term.game_id}"] = term.is_restricted
    return values | {f"selections_{game_id}": ", ".join(each) for game_id, each in selections.items()}


def _is_id(text: Any) -> bool:
    return isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 19
