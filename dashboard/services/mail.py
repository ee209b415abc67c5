"""Handing mail to a server. It says nothing of what the server knows beyond whether it took it."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from dashboard import clock
from dashboard.errors import PurserError

TIMEOUT_SECONDS = 20.0
_PORTS = {"smtp": 25, "smtps": 465}
_FINAL = 500
"""Answers from here on stay as they are (RFC 5321, 4.2.1); those below may be another one later."""
_TOO_LARGE = 552


class NotMailed(PurserError):
    """The server did not take it; the message says why, without anything secret.

    `is_final` where it will not take it later either; `is_general` where it would take no other one now.
    """

    def __init__(self, message: str, *, is_final: bool = False, is_general: bool = False) -> None:
        super().__init__(message)
        self.is_final, self.is_general = is_final, is_general


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with it."""

    name: str
    mime: str
    content: bytes


def send(
    url: str,
    *,
    sender: str,
    to: str,
    subject: str,
    body: str,
    attachments: Sequence[Attachment] = (),
    reference: str,
) -> None:
    """Hand it to the server at `url`: `smtp://` or `smtps://`, with name and password where it asks for them.

    The same `reference` makes the same Message-ID, by which what was handed in twice can be told. A password
    goes only over TLS. Raises NotMailed.
    """
    message = EmailMessage()
    message["From"], message["To"] = sender, to
    message["Subject"] = " ".join(subject.split())
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = f"<{reference}@{sender.rpartition('@')[2].strip(' >') or 'purser'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body)
    for each in attachments:
        main, _, sub = each.mime.partition("/")
        message.add_attachment(each.content, maintype=main, subtype=sub, filename=each.name)
    try:
        server = _connect(url)
    except (OSError, smtplib.SMTPException) as error:
        raise NotMailed(_said(error), is_general=True) from None
    try:
        with server:
            server.send_message(message, from_addr=sender, to_addrs=[to])
    except smtplib.SMTPRecipientsRefused as error:
        code = min(code for code, _said in error.recipients.values())
        raise NotMailed(f"The mail server refuses the address ({code}).", is_final=code >= _FINAL) from None
    except smtplib.SMTPNotSupportedError:
        raise NotMailed("The mail server takes no address with such letters.", is_final=True) from None
    except smtplib.SMTPSenderRefused as error:
        # Whoever it is from is set for all of them; but a server may say here what it holds of the size.
        is_size = error.smtp_code == _TOO_LARGE
        raise NotMailed(_said(error), is_final=is_size, is_general=not is_size) from None
    except smtplib.SMTPResponseException as error:
        raise NotMailed(_said(error), is_final=error.smtp_code >= _FINAL) from None
    except (OSError, smtplib.SMTPException) as error:
        raise NotMailed(_said(error), is_general=True) from None


def _connect(url: str) -> smtplib.SMTP:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    context = ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
    try:
        server.ehlo()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        elif parts.scheme == "smtp" and parts.username:
            raise NotMailed(
                "The mail server offers no TLS, and a password is not sent without it.", is_general=True
            )
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:
        server.close()
        raise
    return server


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "The mail server does not take the name and password."
    if isinstance(error, smtplib.SMTPResponseException):
        return f"The mail server does not take it ({error.smtp_code})."
    return f"The mail server cannot be reached ({type(error).__name__})."
