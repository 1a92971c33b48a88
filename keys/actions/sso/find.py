"""Find the person behind an account of the sign-in provider, and link them at their first sign-in."""

from __future__ import annotations

from keys import cerby
from keys.actions.people.add import add_person
from keys.actions.people.sign_in import NOT_LIVE, confirm
from keys.actions.sso.link import link_person
from keys.evidence.logged_links import is_forged_link, was_removed
from keys.models import SsoLink, User
from keys.rules.errors import CerbyError, Invalid, NotFound, ProviderRefused
from keys.rules.permissions import ADMINS, MEMBERS
from keys.rules.sso import Claims, admits, emails_verified, setting_name

STRANGER = (
    "The portal does not know you. Ask an Owner, Super Admin or Admin of your workspace to add you on "
    "the page People."
)
NO_EMAIL = "The sign-in provider did not say which email you have, so the portal cannot tell who you are."
NOT_VERIFIED = "The sign-in provider does not say that your email belongs to you."
OTHER_ACCOUNT = (
    "Your person in the portal is linked with another account of the sign-in provider. An Owner or Super "
    "Admin can unlink it on your page in the portal; then you can sign in with this one."
)
FORGED = (
    "The stored link with the sign-in provider is not one that the audit log recorded: somebody changed the "
    "database without the portal. Ask the operator of the portal to verify the audit log."
)
CERBY_AWAY = (
    "Cerby does not answer, so the portal cannot tell whether you may sign in. Try again in a minute."
)
ROLES = {"added": frozenset(), "admins": ADMINS, "users": MEMBERS}
"""The roles that PORTAL_OIDC_ADMIT or PORTAL_SAML_ADMIT admits without ``add_person``."""


class Refused(ProviderRefused):
    """``user``: the person, if they are known."""

    def __init__(self, sentence: str, user: User | None = None) -> None:
        super().__init__(sentence)
        self.user = user


def needs_email(claims: Claims) -> bool:
    """Return whether nobody is linked with this account yet."""
    return not SsoLink.objects.filter(issuer=claims.issuer, subject=claims.subject).exists()


def find_person(claims: Claims, *, ip: str, browser: str) -> tuple[User, bool]:
    """Return the person, and whether they were linked just now. Raises ``Refused``.

    An email finds a person only at their first sign-in, and only if the provider, or a setting, says that it
    belongs to them. Later, only the provider's address and its id of the account count.
    """
    link = SsoLink.objects.select_related("user").filter(issuer=claims.issuer, subject=claims.subject).first()
    if link is not None:
        if is_forged_link(link):
            raise Refused(FORGED, link.user)
        return link.user, False
    user = _by_email(claims)
    if SsoLink.objects.filter(user=user, issuer=claims.issuer).exists():
        raise Refused(OTHER_ACCOUNT, user)
    if not confirm(user):
        raise Refused(NOT_LIVE, user)
    return link_person(user, claims, ip=ip, browser=browser).user, True


def _by_email(claims: Claims) -> User:
    if not claims.email:
        raise Refused(NO_EMAIL)
    if not (claims.email_verified or emails_verified()):
        raise Refused(NOT_VERIFIED)
    user = User.objects.filter(email=claims.email).first()
    if user is None or user.added_at is None:
        return _admitted(claims.email, user)
    return user


def _admitted(email: str, user: User | None) -> User:
    """Add a person whom Cerby lists with a suitable role, unless an admin has removed them."""
    suitable = ROLES[admits()]
    if not suitable or (user is not None and was_removed(user)):
        raise Refused(STRANGER, user)
    try:
        person = cerby.connect().person_by_email(email)
        if person is None or person.role not in suitable:
            raise Refused(STRANGER, user)
        return add_person(email, reason=f"Signed in with SSO ({setting_name('ADMIT')}).")
    except (NotFound, Invalid) as error:
        raise Refused(STRANGER, user) from error
    except CerbyError as error:
        raise Refused(CERBY_AWAY, user) from error
