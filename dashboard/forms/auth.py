"""Signing in, and ending a session of one's own."""

from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length, Regexp

from dashboard.forms.base import DeskForm
from dashboard.services.passwords import LENGTH_MAX


class SignInForm(DeskForm):
    """Who, by which password, and where to afterwards."""

    email = StringField(
        "E-mail",
        validators=[
            InputRequired("Enter your e-mail address."),
            Length(max=254, message="Enter an e-mail address."),
        ],
        render_kw={"type": "email", "autocomplete": "username", "spellcheck": "false"},
    )
    password = PasswordField(
        "Password",
        validators=[
            InputRequired("Enter your password."),
            Length(max=LENGTH_MAX, message=f"Passwords have at most {LENGTH_MAX} characters."),
        ],
        render_kw={"autocomplete": "current-password"},
    )
    next = HiddenField(validators=[Length(max=2000)])


class EndSessionForm(DeskForm):
    """Which session to end."""

    session_key = HiddenField(validators=[Regexp("^[0-9a-f]{64}$", message="Reload the page.")])
