"""What every form of the desk shares: stripped text, errors of services at the field, amounts, keys."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, PasswordField, StringField
from wtforms.validators import StopValidation, ValidationError
from wtforms.widgets import TextInput

from dashboard import money
from dashboard.errors import PurserError


class DeskForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form whose text comes without blanks around it, and that can show what a service refused."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        """Strips what was typed, except passwords."""

        def bind_field(self, form: "DeskForm", unbound_field: Any, options: dict[str, Any]) -> Any:
            """WTForms' hook for making a field."""
            kind = unbound_field.field_class
            if issubclass(kind, StringField) and not issubclass(kind, PasswordField):
                given = unbound_field.kwargs.get("filters", ())
                options = {**options, "filters": [_stripped, *given]}
                unbound_field = _without_filters(unbound_field)
            return unbound_field.bind(form=form, **options)

    def show(self, error: PurserError) -> None:
        """Put a refusal at the field that it names, or on top of the form where it names none of ours."""
        field = self._fields.get(error.field or "")
        if field is None or isinstance(field, HiddenField):
            self.form_errors.append(error.message)
        else:
            field.errors = [*field.errors, error.message]

    @property
    def first_faulty(self) -> str | None:
        """The id of the first field with an error, which takes the focus."""
        return next((field.id for field in self if field.errors), None)


class AmountField(Field):
    """An amount as a person types it; `data` is minor units, or None where nothing was typed.

    The form's `currency` says how it is read: a text, or a field that was typed in the same form. What
    was typed stands again in the field, right or wrong.
    """

    widget = TextInput()
    data: int | None

    def __init__(self, *args: Any, **given: Any) -> None:
        given["render_kw"] = {"inputmode": "decimal", "autocomplete": "off", **(given.get("render_kw") or {})}
        super().__init__(*args, **given)
        self.form: Any = given.get("_form")

    @property
    def currency(self) -> str:
        """The currency that the amount is in."""
        currency = self.form.currency
        return str(currency.data if isinstance(currency, Field) else currency)

    def process_formdata(self, valuelist: list[str]) -> None:
        """WTForms' hook; reading waits for `pre_validate`, when the currency's field has been read too."""
        self.data = None

    def pre_validate(self, form: Any) -> None:
        """Read what was typed; the message is `money.parse`'s own."""
        typed = str(self.raw_data[0]) if self.raw_data else ""
        if not typed.strip():
            return
        try:
            self.data = money.parse(typed, self.currency)
        except money.InvalidAmount as error:
            raise StopValidation(error.message) from None

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else money.plain(self.data, self.currency)


class HiddenKey(HiddenField):
    """The idempotency key that a form is born with: sent twice, it does its work once."""

    def __init__(self, label: str | None = None, **given: Any) -> None:
        super().__init__(label, **{"default": lambda: str(uuid4()), **given})

    def pre_validate(self, form: Any) -> None:
        """Refuse what is no UUID in its usual spelling."""
        try:
            usual = str(UUID(self.data or ""))
        except ValueError:
            usual = ""
        if usual != self.data:
            raise ValidationError("This form is damaged: reload the page.")


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _without_filters(unbound_field: Any) -> Any:
    rest = {name: value for name, value in unbound_field.kwargs.items() if name != "filters"}
    make: Callable[..., Any] = unbound_field.field_class
    return make(*unbound_field.args, **rest)
