"""Inviting somebody to the staff, and another role for them."""

from wtforms import RadioField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import InputRequired, Length

from dashboard.forms.base import DeskForm
from dashboard.forms.settings import reason_field
from dashboard.models.login import Role
from dashboard.services.staff import STAFF_ROLES

_CHOICES = [SelectChoice(role.value, role.value.capitalize()) for role in STAFF_ROLES]


class RoleForm(DeskForm):
    """Which role."""

    role = RadioField("Role", choices=_CHOICES, validators=[InputRequired("Choose a role.")])

    def chosen(self) -> Role:
        """The role of a form that is valid."""
        return Role(self.role.data)


class RoleChangeForm(RoleForm):
    """Another role for somebody, and why."""

    reason = reason_field()


class InvitationForm(RoleForm):
    """Who is invited, and as what."""

    name = StringField(
        "Name",
        validators=[InputRequired("Enter a name."), Length(max=100, message="Use at most 100 characters.")],
        render_kw={"autocomplete": "off"},
    )
    email = StringField(
        "E-mail",
        validators=[
            InputRequired("Enter an e-mail address."),
            Length(max=254, message="Enter an e-mail address."),
        ],
        render_kw={"type": "email", "autocomplete": "off", "spellcheck": "false"},
    )
