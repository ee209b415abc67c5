"""What every form of the desk shares: stripped text, errors of services at the field, amounts, keys."""

from typing import Any
from uuid import UUID, uuid4

from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import Field, HiddenField, PasswordField
from wtforms.validators import StopValidation, ValidationError
from wtforms.widgets import HiddenInput, TextInput

from dashboard import money
from dashboard.errors import PurserError


class DeskForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form whose text comes without blanks around it, and that can show what a service refused."""

    scope = ""
    """Begins the ids of the fields, where a page holds several forms."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        """Strips what was typed, except passwords: a blank is nothing."""

        def wrap_formdata(self, form: "DeskForm", formdata: Any) -> MultiDict[str, Any] | None:
            """WTForms' hook for what was sent."""
            sent = super().wrap_formdata(form, formdata)
            if sent is None:
                return None
            secret = {field.name for field in form if isinstance(field, PasswordField)}
            return MultiDict(
                (name, value if name in secret else _stripped(value))
                for name, value in sent.items(multi=True)
            )

        def bind_field(self, form: "DeskForm", unbound_field: Any, options: dict[str, Any]) -> Field:
            """WTForms' hook for making a field."""
            if form.scope:
                options = {**options, "id": f"{form.scope}-{options['name']}"}
            field: Field = super().bind_field(form, unbound_field, options)
            return field

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether everything has its shape; what is wrong with a hidden field stands on top of the form."""
        valid: bool = super().validate(extra_validators)
        for field in self:
            if isinstance(field.widget, HiddenInput) and field.errors:
                self.form_errors.extend(field.errors)
                field.errors = []
        return valid

    def show(self, error: PurserError) -> None:
        """Put a refusal at the field that it names, or on top of the form where it names none of ours."""
        field = self._fields.get(error.field or "")
        if field is None or isinstance(field.widget, HiddenInput):
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
        if not typed:
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
        if not _is_uuid(self.data or ""):
            raise ValidationError("This form is damaged: reload the page.")


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
