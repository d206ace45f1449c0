"""The only door to mail servers: encrypted, or on this machine; what a server says is never repeated."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final

from provisioner.base.attempt import ReachError
from provisioner.base.https import ServerLogin
from provisioner.inventory.model import MailSecurity

_FIRST_LASTING: Final = 500
_HELO: Final = "localhost"
"""How this machine names itself: its real name is nobody's business."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server, and how it is spoken to."""

    host: str
    port: int
    security: MailSecurity
    login: ServerLogin | None = None
    authorities: str = ""


def send_mail(mail: EmailMessage, server: MailServer, *, seconds: float) -> int:
    """Send a mail: how many of its addresses the server took.

    Raises:
        ReachError: it took none.
    """
    try:
        return _sent(mail, server, seconds)
    except smtplib.SMTPAuthenticationError:
        hint = "see that the login in secrets/receivers.yml is the one that the server knows"
        raise ReachError("it refuses the login", hint, lasting=True) from None
    except smtplib.SMTPRecipientsRefused as error:
        is_lasting = all(code >= _FIRST_LASTING for code, _ in error.recipients.values())
        hint = "see whether the addresses in secrets/receivers.yml are right"
        raise ReachError("it takes none of the addresses", hint, lasting=is_lasting) from None
    except smtplib.SMTPNotSupportedError:
        hint = "write security: implicit with its port (465 as a rule), or have its STARTTLS or login switched on"
        raise ReachError("it offers no encryption, or no login", hint, lasting=True) from None
    except smtplib.SMTPResponseException as error:
        hint = "see the server's own log"
        raise ReachError(f"it answers {error.smtp_code}", hint, lasting=error.smtp_code >= _FIRST_LASTING) from None
    except ssl.SSLCertVerificationError:
        hint = "see that its certificate is valid and its authority known (SSL_CERT_FILE names one's own)"
        raise ReachError("its certificate is not trusted", hint, lasting=True) from None
    except (ssl.SSLError, smtplib.SMTPException, OSError, ValueError, EOFError):
        hint = "see whether server, port and security in receivers.yml are right, and this machine gets there"
        raise ReachError("it cannot be reached, or speaks no SMTP", hint) from None


def _sent(mail: EmailMessage, server: MailServer, seconds: float) -> int:
    context = ssl.create_default_context(cafile=server.authorities or None)
    client: smtplib.SMTP
    if server.security is MailSecurity.IMPLICIT:
        client = smtplib.SMTP_SSL(server.host, server.port, _HELO, timeout=seconds, context=context)
    else:
        client = smtplib.SMTP(server.host, server.port, _HELO, timeout=seconds)
    try:
        if server.security is MailSecurity.STARTTLS:
            client.starttls(context=context)
        if server.login:
            client.login(server.login.username.reveal(), server.login.password.reveal())
        recipients = [address.addr_spec for address in mail["To"].addresses]
        refused = client.send_message(mail, mail["From"].addresses[0].addr_spec, recipients)
        return len(recipients) - len(refused)
    finally:
        # It said all that it had to; how the goodbye goes changes nothing.
        client.close()
