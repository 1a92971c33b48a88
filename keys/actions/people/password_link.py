"""Make a link with which a person sets their password."""

from __future__ import annotations

from allauth.account.forms import EmailAwarePasswordResetTokenGenerator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse

from keys.models import User


def password_link(user: User) -> str:
    """Return a link that sets the password once, within PASSWORD_RESET_TIMEOUT (three days).

    It leads to ``PORTAL_URL`` and not to the host of a request, which its sender chooses.
    """
    token = EmailAwarePasswordResetTokenGenerator().make_token(user)
    path = reverse("account_reset_password_from_key", args=[user_pk_to_url_str(user), token])
    return f"{settings.PORTAL_URL}{path}"
