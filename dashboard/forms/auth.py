"""Signing in, the second factor, passwords, and ending a session of one's own."""

from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired, Length, Regexp

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


class CodeForm(DeskForm):
    """A code of the authenticator, or a recovery code, and where to afterwards."""

    code = StringField(
        "Code",
        validators=[
            InputRequired("Enter the code that your authenticator shows."),
            Length(max=40, message="A code has six digits; a recovery code has 16 letters and digits."),
        ],
        render_kw={"autocomplete": "one-time-code", "spellcheck": "false", "autocapitalize": "none"},
    )
    next = HiddenField(validators=[Length(max=2000)])


class PasswordForm(DeskForm):
    """One's password once more, before something that matters."""

    password = PasswordField(
        "Your password",
        validators=[
            InputRequired("Enter your password."),
            Length(max=LENGTH_MAX, message=f"Passwords have at most {LENGTH_MAX} characters."),
        ],
        render_kw={"autocomplete": "current-password"},
    )


class NewPasswordForm(DeskForm):
    """A password that somebody chooses by a one-time link; typed twice, for it cannot be seen."""

    token = HiddenField(validators=[InputRequired("Open the link again."), Length(max=100)])
    password = PasswordField(
        "Password",
        validators=[InputRequired("Choose a password.")],
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        "The same once more",
        validators=[
            InputRequired("Type the password once more."),
            EqualTo("password", message="This is not the same password."),
        ],
        render_kw={"autocomplete": "new-password"},
    )


class EndSessionForm(DeskForm):
    """Which session to end."""

    session_key = HiddenField(validators=[Regexp("^[0-9a-f]{64}$", message="Reload the page.")])
