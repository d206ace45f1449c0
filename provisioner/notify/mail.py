"""A letter as a mail: plain text and a page of one content. Pure.

Everything in its head is ours, a checked address, or encoded: nothing of an inventory begins a new line there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from provisioner.base.secret import Secret
from provisioner.notify.letter import Letter

_PLAIN: Final = re.compile(r"[!#$%&'*+/=?^_`{|}~.0-9A-Za-z-]{1,64}@[0-9A-Za-z.-]{1,255}")
"""What the vault's addresses are checked for when the inventory is validated, and once more before a head is made."""


def mail_of(letter: Letter, sender: Secret, addresses: Sequence[Secret], at: datetime, delivery: str) -> EmailMessage:
    """A letter as a mail.

    Args:
        letter: what it says.
        sender: from which address.
        addresses: to which addresses.
        at: its date.
        delivery: names it; the same letter sent again has the same name.

    Raises:
        ValueError: an address is none.
    """
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(sender)
    mail["To"] = tuple(map(_address, addresses))
    mail["Subject"] = letter.subject
    mail["Date"] = at
    mail["Message-ID"] = f"<{delivery}@{_address(sender).domain}>"
    # No vacation notice answers a machine (RFC 3834).
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(letter.plain, cte="quoted-printable")
    mail.add_alternative(letter.page, subtype="html", cte="quoted-printable")
    return mail


def _address(text: Secret) -> Address:
    """An address alone.

    Raises:
        ValueError: it is none, or something stands beside it.
    """
    if not _PLAIN.fullmatch(text.reveal()):
        raise ValueError("it is no plain e-mail address")
    return Address(addr_spec=text.reveal())
