"""Send one mail."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.mail import EmailMessage

from keys.rules.visible import visible


def send(to: Sequence[str], subject: str, text: str) -> None:
    """Give a mail to the mail server. Raises ``OSError``, the base class of SMTP errors."""
    EmailMessage(visible(" ".join(subject.split())), visible(text), None, to).send()
