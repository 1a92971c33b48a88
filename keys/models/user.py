"""Store the people of the workspace, some of whom may sign in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password, make_password
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from keys.rules.cerby_roles import role_in_words
from keys.rules.password_sign_in import PasswordSignIn
from keys.rules.permissions import Actor, KeyManagement, Role, is_stale


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """A person of the workspace, as Cerby last described them.

    All key owners have a row, whether or not they use the portal. ``is_active``, which sign-in and every
    request check, is true only for people who were added to the portal (``added_at``) and are live in Cerby.
    ``cerby_role``: the identifier of the role in Cerby; ``role_known``: whether the portal knows it.
    ``left_at``: when the portal found that Cerby had disabled the person or no longer knew them.
    ``signed_out_at``: when the portal last ended all of the person's sessions. ``copies_due_at``: since when
    keys of theirs may repeat former values of this row, or NULL. ``factor_asked_at``: when the
    person was first asked to add a second factor. ``cerby_mfa``: whether they have one in Cerby, or None if
    Cerby did not say. ``time_zone``: the one that
    they chose, or "" for that of their browser. ``former_hash``: the hash of the row, if this object has a
    new hash of the same password.
    """

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200)
    cerby_id = models.UUIDField(unique=True)
    role = models.PositiveSmallIntegerField(choices=[(role, role.label) for role in Role])
    cerby_role = models.CharField(max_length=100, blank=True, default="")
    role_known = models.BooleanField(default=True)
    role_checked_at = models.DateTimeField(null=True)
    added_at = models.DateTimeField(null=True)
    is_active = models.BooleanField(default=False)
    left_at = models.DateTimeField(null=True)
    signed_out_at = models.DateTimeField(null=True)
    copies_due_at = models.DateTimeField(null=True)
    factor_asked_at = models.DateTimeField(null=True)
    cerby_mfa = models.BooleanField(null=True)
    time_zone = models.CharField(max_length=64, blank=True, default="", db_default="")

    former_hash = ""

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects = UserManager()

    class Meta:
        constraints = (
            models.CheckConstraint(name="user_email_is_lower_case", condition=Q(email=Lower("email"))),
            models.CheckConstraint(name="user_role_is_known", condition=Q(role__in=list(Role))),
            models.CheckConstraint(
                name="user_signs_in_only_when_added", condition=Q(is_active=False) | Q(added_at__isnull=False)
            ),
        )

        indexes = (
            models.Index("cerby_role", name="user_by_unknown_role", condition=Q(role_known=False)),
            models.Index("role", name="user_by_role"),
            models.Index(
                "copies_due_at", name="user_with_copies_due", condition=Q(copies_due_at__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    @property
    def email_if_erased(self) -> str:
        return f"{self.cerby_id}@erased.invalid"

    @property
    def is_erased(self) -> bool:
        return self.email == self.email_if_erased

    @property
    def may_use_password(self) -> bool:
        """Return whether PORTAL_PASSWORD_SIGN_IN lets the person use a password."""
        mode = PasswordSignIn(settings.PORTAL_PASSWORD_SIGN_IN)
        return mode.lets(self.email, settings.PORTAL_BREAK_GLASS_EMAILS)

    def has_usable_password(self) -> bool:
        return self.may_use_password and super().has_usable_password()

    def check_password(self, raw_password: str | None) -> bool:
        """Return whether the password is right. If its hash has old parameters, make a new one.

        Unlike Django, do not store it: a change of the row needs an event (keys.actions.people.sign_in).
        A person who may not use a password has no right one, which takes as long to find out.
        """
        if not self.may_use_password:
            make_password(raw_password or "")
            return False

        def hash_anew(password: str) -> None:
            self.former_hash, self.password = self.password, make_password(password)

        return check_password(raw_password, self.password, hash_anew)

    def get_session_auth_hash(self) -> str:
        """Return the hash in each session. A new ``signed_out_at`` changes it, which ends them."""
        return self._since_sign_out(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        for earlier in super().get_session_auth_fallback_hash():
            yield self._since_sign_out(earlier)

    def _since_sign_out(self, session_hash: str) -> str:
        return f"{session_hash} {self.signed_out_at.isoformat()}" if self.signed_out_at else session_hash

    @property
    def role_in_words(self) -> str:
        """Return the role with Cerby's identifier, if that says more."""
        return role_in_words(Role(self.role), self.cerby_role, known=self.role_known)

    def as_actor(self, *, ip: str = "", browser: str = "", part_of: str = "") -> Actor:
        """Return the ``Actor`` for permission checks and events, with the request's address and browser."""
        return Actor(
            user_id=self.pk,
            cerby_id=self.cerby_id,
            name=self.name,
            email=self.email,
            role=Role(self.role),
            role_is_stale=is_stale(self.role_checked_at, timezone.now()),
            is_active=self.is_active,
            ip=ip,
            browser=browser,
            part_of=part_of,
            management=KeyManagement(settings.PORTAL_KEY_MANAGEMENT),
        )
