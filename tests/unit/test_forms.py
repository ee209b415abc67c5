"""What every form shares: amounts, keys, stripped text, errors at the field."""

from uuid import UUID

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict
from wtforms import PasswordField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired

from dashboard.errors import Rejected
from dashboard.forms.base import AmountField, DeskForm, HiddenKey


class FixedForm(DeskForm):
    """Its amounts are in yen."""

    currency = "JPY"
    amount = AmountField("Amount", validators=[InputRequired("Enter an amount.")])
    reason = StringField("Reason", validators=[InputRequired("Enter a reason.")])
    password = PasswordField("Password")
    idempotency_key = HiddenKey()


class ChosenForm(DeskForm):
    """Its currency is typed in the same form, after the amount."""

    amount = AmountField("Amount")
    currency = SelectField("Currency", choices=[SelectChoice("USD", "USD"), SelectChoice("KWD", "KWD")])


@pytest.fixture(autouse=True)
def _request() -> object:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="unit", WTF_CSRF_ENABLED=False)
    with app.test_request_context(method="POST"):
        yield


def fixed(**typed: str) -> FixedForm:
    key = {"idempotency_key": "0b6b0e9e-7d5c-4a3e-9a53-5b1f5d0c7a11"}
    form = FixedForm(formdata=MultiDict({"amount": "5", "reason": "late", **key, **typed}))
    form.validate()
    return form


@pytest.mark.parametrize(
    ("typed", "minor"), [("1,250", 1250), (" -20 ", -20), ("\u221220", -20), ("+3", 3), ("0", 0)]
)
def test_an_amount_is_read_in_the_forms_currency(typed: str, minor: int) -> None:
    form = fixed(amount=typed)
    assert (form.amount.data, form.errors) == (minor, {})


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "Enter an amount."),
        ("  ", "Enter an amount."),
        ("1.5", "JPY amounts have no decimals."),
        *(
            (typed, "in figures")
            for typed in ["NaN", "sNaN", "Infinity", "1e5", "1_000", "\u0663", "12,34,5"]
        ),
        ("9" * 16, "at most"),
    ],
)
def test_a_wrong_amount_stays_and_is_explained(typed: str, message: str) -> None:
    form = fixed(amount=typed)
    assert form.amount.data is None
    assert len(form.amount.errors) == 1
    assert message in form.amount.errors[0]
    assert f'value="{typed.strip()}"' in form.amount()


def test_the_currency_may_be_typed_beside_the_amount() -> None:
    form = ChosenForm(formdata=MultiDict({"amount": "1.234", "currency": "KWD"}))
    assert form.validate()
    assert form.amount.data == 1234
    assert not ChosenForm(formdata=MultiDict({"amount": "1.234", "currency": "USD"})).validate()


def test_an_amount_given_is_shown_as_one_types_it() -> None:
    form = ChosenForm(formdata=None, data={"amount": -123450, "currency": "USD"})
    assert 'value="-1234.50"' in form.amount()
    assert 'value=""' in ChosenForm(formdata=None).amount()


def test_text_comes_without_blanks_around_it_and_passwords_as_typed() -> None:
    form = fixed(reason="  late  ", password=" blank ")
    assert (form.reason.data, form.password.data) == ("late", " blank ")


def test_blanks_are_no_reason() -> None:
    assert fixed(reason="  ").reason.errors == ["Enter a reason."]


def test_a_form_is_born_with_a_key_of_its_own() -> None:
    first, second = FixedForm(formdata=None), FixedForm(formdata=None)
    assert UUID(first.idempotency_key.data or "") != UUID(second.idempotency_key.data or "")


@pytest.mark.parametrize(
    "key", ["", "1", "0B6B0E9E-7D5C-4A3E-9A53-5B1F5D0C7A11", "{0b6b0e9e7d5c4a3e9a535b1f5d0c7a11}"]
)
def test_a_damaged_key_is_refused(key: str) -> None:
    assert fixed(idempotency_key=key).form_errors == ["This form is damaged: reload the page."]


@pytest.mark.parametrize(
    ("field", "at_field", "on_top"),
    [("amount", ["No."], []), (None, [], ["No."]), ("wallet", [], ["No."]), ("idempotency_key", [], ["No."])],
)
def test_a_refusal_stands_where_it_belongs(field: str | None, at_field: list[str], on_top: list[str]) -> None:
    form = fixed()
    form.show(Rejected("No.", field=field))
    assert (list(form.amount.errors), form.form_errors) == (at_field, on_top)
