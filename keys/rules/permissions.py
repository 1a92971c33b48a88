"""Define the permissions: one matrix of roles and actions, as pure data and pure functions."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from keys.rules.errors import NotAllowed

ROLE_GOES_STALE_AFTER = timedelta(hours=24)


class Role(enum.IntEnum):
    """A person's role in the workspace, lowest first (Cerby, "Roles")."""

    GUEST = 10
    LOGIN_ONLY = 20
    USER = 30
    ADMIN = 40
    SUPER_ADMIN = 50
    OWNER = 60

    @property
    def label(self) -> str:
        return _ROLE_LABELS[self]


_ROLE_LABELS = {
    Role.GUEST: "Guest User",
    Role.LOGIN_ONLY: "Login-Only",
    Role.USER: "User",
    Role.ADMIN: "Admin",
    Role.SUPER_ADMIN: "Super Admin",
    Role.OWNER: "Owner",
}

ADMINS = frozenset({Role.ADMIN, Role.SUPER_ADMIN, Role.OWNER})
HIGHEST = frozenset({Role.SUPER_ADMIN, Role.OWNER})
MEMBERS = ADMINS | {Role.USER}
EVERYONE = frozenset(Role)


class Action(enum.StrEnum):
    SEE_INVENTORY = "inventory:see"
    EXPORT_INVENTORY = "inventory:export"
    COMPARE_INVENTORY = "inventory:compare"
    SHARE_VIEW = "view:share"
    CHANGE_SHARED_VIEW = "view:change"
    SEE_ACTIVITY = "activity:see"
    EXPORT_ACTIVITY = "activity:export"
    VERIFY_RECORD = "record:verify"
    EXPLAIN_DAMAGE = "record:explain"
    EXPORT_EVIDENCE = "evidence:export"
    SEE_CONFIGURATION = "configuration:see"
    REFRESH_ROLES = "roles:refresh"
    GENERATE_KEY = "key:generate"
    REGISTER_KEY = "key:register"
    REQUEST_KEY = "request:open"
    GENERATE_APPROVED = "request:use"
    DECIDE_REQUEST = "request:decide"
    BREAK_GLASS = "request:break-glass"
    FIND_KEY = "key:find"
    SEE_KEY = "key:see"
    NARROW_KEY = "key:narrow"
    WIDEN_KEY = "key:widen"
    DELETE_KEY = "key:delete"
    REVEAL_KEY = "key:reveal"
    ROTATE_KEY = "key:rotate"
    CHANGE_ROTATION = "rotation:change"
    ASK_TO_ROTATE = "rotation:ask"
    RETIRE_KEY = "rotation:retire"
    ADOPT_KEY = "key:adopt"
    ENTER_READING = "key:reading"
    EDIT_KEY = "key:edit"
    CORRECT_KEY = "key:correct"
    WITHDRAW_KEY = "key:withdraw"
    SEE_PEOPLE = "people:see"
    ADD_PERSON = "person:add"
    REMOVE_PERSON = "person:remove"
    END_SESSIONS = "session:revoke"
    RESET_FACTORS = "factor:reset"
    UNLINK_SSO = "sso:unlink"
    ERASE_PERSON = "person:erase"
    KEEP_KEY = "key:keep"
    REMIND_OWNER = "key:remind"
    ACCEPT_REACH = "key:reach-accept"
    PLAN_LEAVING = "key:plan"
    STOP_KEYS = "key:stop"
    END_QUARANTINE = "quarantine:end"
    MANAGE_CHANNELS = "channel:manage"
    CHANGE_POLICY = "policy:change"
    ASK_EXCEPTION = "exception:ask"
    GRANT_EXCEPTION = "exception:grant"
    START_REVIEW = "review:start"
    REVIEW_KEY = "key:review"
    SIGN_REVIEW = "review:sign"

    @property
    def words(self) -> str:
        """The action as the end of the sentence "You may not …"."""
        return _ACTION_WORDS[self]


_ACTION_WORDS = {
    Action.SEE_INVENTORY: "see every API key of the workspace",
    Action.EXPORT_INVENTORY: "download the inventory",
    Action.COMPARE_INVENTORY: "compare the inventory with Cerby's web app",
    Action.SHARE_VIEW: "share a saved view, or change one that you share",
    Action.CHANGE_SHARED_VIEW: "change or delete the shared view of another person",
    Action.SEE_ACTIVITY: "see the activity of the workspace",
    Action.EXPORT_ACTIVITY: "download the activity",
    Action.VERIFY_RECORD: "verify the audit log",
    Action.EXPLAIN_DAMAGE: "explain damage to the audit log",
    Action.EXPORT_EVIDENCE: "download an evidence pack",
    Action.SEE_CONFIGURATION: "see the workspace configuration",
    Action.REFRESH_ROLES: "read all roles from Cerby again",
    Action.GENERATE_KEY: "generate an API key",
    Action.REGISTER_KEY: "register an existing API key",
    Action.REQUEST_KEY: "request an API key",
    Action.GENERATE_APPROVED: "generate an API key that was approved",
    Action.DECIDE_REQUEST: "decide about the requests of others",
    Action.BREAK_GLASS: "go on without approval in an emergency",
    Action.FIND_KEY: "find the owner of an API key",
    Action.SEE_KEY: "see the settings of an API key",
    Action.NARROW_KEY: "remove scopes from an API key",
    Action.WIDEN_KEY: "add scopes to an API key",
    Action.DELETE_KEY: "delete an API key",
    Action.REVEAL_KEY: "view a newly generated API key",
    Action.ROTATE_KEY: "rotate an API key",
    Action.ASK_TO_ROTATE: "ask for the rotation of an API key by a day",
    Action.CHANGE_ROTATION: "extend the overlap of a rotation, or call it off",
    Action.RETIRE_KEY: "retire or kill the old API key of a rotation",
    Action.ADOPT_KEY: "adopt an API key that was discovered in Cerby",
    Action.ENTER_READING: "enter the last use or the expiry of an API key",
    Action.EDIT_KEY: "edit who answers for an API key and what it is for",
    Action.CORRECT_KEY: "correct the owner, name or expiry of a declared API key",
    Action.WITHDRAW_KEY: "withdraw the registration of an API key",
    Action.SEE_PEOPLE: "see the people of the workspace",
    Action.ADD_PERSON: "let a person sign in to the portal",
    Action.REMOVE_PERSON: "remove a person from the portal",
    Action.END_SESSIONS: "end the sessions of a person",
    Action.RESET_FACTORS: "reset the second factors of a person",
    Action.UNLINK_SSO: "unlink a person from SSO",
    Action.ERASE_PERSON: "erase a person who has left",
    Action.KEEP_KEY: "keep an API key that is held back by the quarantine",
    Action.END_QUARANTINE: "end the quarantine",
    Action.REMIND_OWNER: "remind the owner of an API key",
    Action.STOP_KEYS: "stop all API keys of a team, system, vendor or agent in an emergency",
    Action.PLAN_LEAVING: "plan an API key in case its owner leaves",
    Action.ACCEPT_REACH: "accept that the reach of an API key has grown",
    Action.MANAGE_CHANNELS: "see and change where notifications go",
    Action.CHANGE_POLICY: "change the policy for API keys",
    Action.ASK_EXCEPTION: "ask for an exception from the policy for an API key",
    Action.GRANT_EXCEPTION: "grant, decline or end an exception from the policy",
    Action.START_REVIEW: "start a review of API keys, or stop repeating it",
    Action.REVIEW_KEY: "decide about an API key whose reviewer you are",
    Action.SIGN_REVIEW: "sign off a review",
}


class KeyManagement(enum.StrEnum):
    """Who manages a key. Cerby's documentation contradicts itself, so the organisation chooses."""

    ADMINS = "admins"
    """Owners, Super Admins, Admins and the key's owner (Cerby, "View the details of an API key")."""
    OWNER_ONLY = "owner-only"
    """Only the key's owner (Cerby, "Explore API keys and bearer tokens")."""


class OwnKey(enum.Enum):
    """How owning the key affects a rule."""

    DOES_NOT_MATTER = enum.auto()
    SUFFICES = enum.auto()
    IS_REQUIRED = enum.auto()


@dataclass(frozen=True)
class Rule:
    """Who may do an action: people with one of ``roles``, depending on ``own_key``.

    ``at_least_key_owner``: the role must be at least as high as that of the key's owner, because a key acts
    as its owner. ``at_least_person``: the role must be at least as high as that of the person whom the action
    is about. ``not_oneself``: nobody may do it to themselves. ``accountable`` and ``backup``: being the key's
    accountable person, or the backup, suffices as well. ``fresh_role``: Cerby must confirm the role
    when the action is done (keys.actions.people.confirm_role). Pages offer the action if Cerby confirmed the
    role within a day.
    """

    roles: frozenset[Role]
    own_key: OwnKey = OwnKey.DOES_NOT_MATTER
    at_least_key_owner: bool = False
    at_least_person: bool = False
    not_oneself: bool = False
    fresh_role: bool = False
    accountable: bool = False
    backup: bool = False


MATRIX: dict[Action, Rule] = {
    Action.SEE_INVENTORY: Rule(ADMINS),
    Action.EXPORT_INVENTORY: Rule(ADMINS, fresh_role=True),
    Action.COMPARE_INVENTORY: Rule(ADMINS, fresh_role=True),
    Action.SHARE_VIEW: Rule(ADMINS),
    Action.CHANGE_SHARED_VIEW: Rule(HIGHEST),
    Action.SEE_ACTIVITY: Rule(ADMINS),
    Action.EXPORT_ACTIVITY: Rule(ADMINS, fresh_role=True),
    Action.VERIFY_RECORD: Rule(ADMINS),
    Action.EXPLAIN_DAMAGE: Rule(HIGHEST, fresh_role=True),
    Action.EXPORT_EVIDENCE: Rule(ADMINS, fresh_role=True),
    Action.SEE_CONFIGURATION: Rule(ADMINS),
    Action.REFRESH_ROLES: Rule(ADMINS, fresh_role=True),
    Action.GENERATE_KEY: Rule(ADMINS, fresh_role=True),
    Action.REGISTER_KEY: Rule(ADMINS, fresh_role=True),
    Action.REQUEST_KEY: Rule(MEMBERS, fresh_role=True),
    Action.GENERATE_APPROVED: Rule(MEMBERS, fresh_role=True),
    Action.DECIDE_REQUEST: Rule(ADMINS, fresh_role=True),  # and see keys.rules.requests
    Action.BREAK_GLASS: Rule(HIGHEST, fresh_role=True),
    Action.FIND_KEY: Rule(MEMBERS),  # people who find a leaked key must be able to reach its owner at once
    Action.REVEAL_KEY: Rule(EVERYONE, OwnKey.IS_REQUIRED),
    Action.SEE_KEY: Rule(ADMINS, OwnKey.SUFFICES, accountable=True, backup=True),
    Action.NARROW_KEY: Rule(ADMINS, OwnKey.SUFFICES),
    Action.WIDEN_KEY: Rule(ADMINS, at_least_key_owner=True, fresh_role=True),
    Action.DELETE_KEY: Rule(ADMINS, OwnKey.SUFFICES, fresh_role=True),
    Action.ROTATE_KEY: Rule(ADMINS, fresh_role=True),  # the new key acts as the person who generates it
    Action.CHANGE_ROTATION: Rule(ADMINS, OwnKey.SUFFICES, fresh_role=True),
    Action.RETIRE_KEY: Rule(ADMINS, OwnKey.SUFFICES, fresh_role=True),
    Action.ADOPT_KEY: Rule(ADMINS, fresh_role=True),
    Action.ENTER_READING: Rule(ADMINS, OwnKey.SUFFICES),
    Action.EDIT_KEY: Rule(ADMINS, OwnKey.SUFFICES, fresh_role=True, accountable=True),
    Action.CORRECT_KEY: Rule(ADMINS, fresh_role=True),
    Action.WITHDRAW_KEY: Rule(ADMINS, fresh_role=True),
    Action.SEE_PEOPLE: Rule(ADMINS),
    # A new person's link to set a password may be shown, so it must not lead to a higher role.
    Action.ADD_PERSON: Rule(ADMINS, at_least_person=True, fresh_role=True),
    Action.REMOVE_PERSON: Rule(ADMINS, at_least_person=True, not_oneself=True, fresh_role=True),
    Action.END_SESSIONS: Rule(ADMINS, at_least_person=True, fresh_role=True),
    Action.RESET_FACTORS: Rule(HIGHEST, at_least_person=True, not_oneself=True, fresh_role=True),
    Action.UNLINK_SSO: Rule(HIGHEST, at_least_person=True, not_oneself=True, fresh_role=True),
    Action.ERASE_PERSON: Rule(frozenset({Role.OWNER}), fresh_role=True),
    Action.KEEP_KEY: Rule(HIGHEST, fresh_role=True),
    Action.END_QUARANTINE: Rule(HIGHEST, fresh_role=True),
    Action.REMIND_OWNER: Rule(ADMINS, fresh_role=True),
    Action.ASK_TO_ROTATE: Rule(ADMINS, fresh_role=True),
    Action.ACCEPT_REACH: Rule(ADMINS, fresh_role=True, accountable=True),
    Action.STOP_KEYS: Rule(ADMINS, fresh_role=True),
    Action.PLAN_LEAVING: Rule(ADMINS, fresh_role=True, accountable=True, backup=True),
    Action.MANAGE_CHANNELS: Rule(HIGHEST, fresh_role=True),
    Action.CHANGE_POLICY: Rule(HIGHEST, fresh_role=True),
    Action.ASK_EXCEPTION: Rule(ADMINS, OwnKey.SUFFICES, accountable=True, backup=True),
    Action.GRANT_EXCEPTION: Rule(HIGHEST, fresh_role=True),
    Action.START_REVIEW: Rule(ADMINS, fresh_role=True),
    Action.REVIEW_KEY: Rule(EVERYONE),  # the accountable person may have any role
    Action.SIGN_REVIEW: Rule(HIGHEST, fresh_role=True),
}

OWNER_ONLY_MATRIX: dict[Action, Rule] = MATRIX | {
    Action.SEE_KEY: Rule(EVERYONE, OwnKey.IS_REQUIRED, accountable=True, backup=True),
    Action.EDIT_KEY: Rule(EVERYONE, OwnKey.IS_REQUIRED, fresh_role=True, accountable=True),
    Action.NARROW_KEY: Rule(EVERYONE, OwnKey.IS_REQUIRED),
    Action.WIDEN_KEY: Rule(ADMINS, OwnKey.IS_REQUIRED, at_least_key_owner=True, fresh_role=True),
    Action.DELETE_KEY: Rule(EVERYONE, OwnKey.IS_REQUIRED, fresh_role=True),
    Action.ROTATE_KEY: Rule(ADMINS, OwnKey.IS_REQUIRED, fresh_role=True),
    Action.CHANGE_ROTATION: Rule(EVERYONE, OwnKey.IS_REQUIRED, fresh_role=True),
    Action.RETIRE_KEY: Rule(EVERYONE, OwnKey.IS_REQUIRED, fresh_role=True),
    Action.ENTER_READING: Rule(EVERYONE, OwnKey.IS_REQUIRED),
}

_MATRICES = {KeyManagement.ADMINS: MATRIX, KeyManagement.OWNER_ONLY: OWNER_ONLY_MATRIX}


def matrix(management: KeyManagement) -> dict[Action, Rule]:
    return _MATRICES[management]


class Answering(NamedTuple):
    """The row ids of a key's accountable person and of the backup."""

    accountable: int | None = None
    backup: int | None = None


class OwnedKey(Protocol):
    """The attributes of a key that the rules use."""

    @property
    def owner_cerby_id(self) -> UUID: ...
    @property
    def owner_role(self) -> Role | None: ...
    @property
    def answering(self) -> Answering: ...


class Subject(Protocol):
    """The attributes of a person that the rules about people use."""

    pk: int
    name: str
    role: int


@dataclass(frozen=True)
class Actor:
    """The person who acts, with their current role, and the address and browser of the request.

    ``part_of``: the id of the act on several keys, such as a bulk action, that this is a part of.
    """

    user_id: int
    cerby_id: UUID
    name: str
    email: str
    role: Role
    role_is_stale: bool
    is_active: bool = True
    ip: str = ""
    browser: str = ""
    part_of: str = ""
    management: KeyManagement = KeyManagement.ADMINS

    @property
    def role_label(self) -> str:
        return self.role.label

    def may(self, action: Action, key: OwnedKey | None = None, person: Subject | None = None) -> bool:
        return refusal(self, action, key, person) is None


def is_stale(checked_at: datetime | None, now: datetime) -> bool:
    """Return whether a role confirmed at ``checked_at`` is too old for rules with ``fresh_role``."""
    return checked_at is None or now - checked_at > ROLE_GOES_STALE_AFTER


def refusal(
    actor: Actor, action: Action, key: OwnedKey | None = None, person: Subject | None = None
) -> str | None:
    """Return why ``actor`` may not do ``action`` (to ``key`` or ``person``), or None if they may."""
    if not actor.is_active:
        return f"You are no longer an active member of the workspace in Cerby, so you may not {action.words}."
    rule = matrix(actor.management)[action]
    owns = key is not None and key.owner_cerby_id == actor.cerby_id
    answers = key is not None and _answers(rule, actor, key.answering)
    if rule.own_key is OwnKey.IS_REQUIRED and not owns and not answers:
        return f"Only {' or '.join(_people(rule))} may {action.words}."
    suffices = answers or (owns and rule.own_key is OwnKey.SUFFICES)
    if actor.role not in rule.roles and not suffices:
        return f"Your role, {actor.role.label}, may not {action.words}."
    if rule.fresh_role and actor.role_is_stale:
        return f"Cerby has not confirmed your role for a day. Until it does, you may not {action.words}."
    if rule.at_least_key_owner and key is not None and not _reaches(actor.role, key.owner_role):
        return f"This key acts as its owner, whose role is higher than yours, so you may not {action.words}."
    return _refusal_about(person, rule, actor, action) if person is not None else None


def _refusal_about(person: Subject, rule: Rule, actor: Actor, action: Action) -> str | None:
    if rule.not_oneself and person.pk == actor.user_id:
        return f"You may not {action.words} if that person is you. Ask another admin to do it."
    if rule.at_least_person and actor.role < person.role:
        theirs = f"The role of {person.name}, {Role(person.role).label}, is higher than yours"
        return f"{theirs}, so you may not {action.words}."
    return None


def _answers(rule: Rule, actor: Actor, people: Answering) -> bool:
    is_accountable = rule.accountable and people.accountable == actor.user_id
    return is_accountable or (rule.backup and people.backup == actor.user_id)


def _reaches(role: Role, owner_role: Role | None) -> bool:
    return owner_role is not None and role >= owner_role


def check(actor: Actor, action: Action, key: OwnedKey | None = None, person: Subject | None = None) -> None:
    """Raise ``NotAllowed`` unless ``actor`` may do ``action`` (to ``key`` or ``person``)."""
    reason = refusal(actor, action, key, person)
    if reason is not None:
        raise NotAllowed(reason, allowed=roles_that_may(action, actor.management))


def roles_that_may(action: Action, management: KeyManagement) -> list[str]:
    """Return the labels of the roles that may do ``action``, highest first, and the key's people who may."""
    rule = matrix(management)[action]
    if rule.own_key is OwnKey.IS_REQUIRED:
        return _people(rule)
    return [*(role.label for role in sorted(rule.roles, reverse=True)), *_people(rule)]


def _people(rule: Rule) -> list[str]:
    """Return the people of a key who may do it, whatever their role."""
    people = {
        "the key's owner": rule.own_key is not OwnKey.DOES_NOT_MATTER,
        "its accountable person": rule.accountable,
        "its backup": rule.backup,
    }
    return [words for words, may in people.items() if may]
