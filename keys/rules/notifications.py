"""List the kinds of notifications: whom they ask for something, and which of them people may mute."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Kind(enum.StrEnum):
    """The kinds. The value is also the ``type`` in the body of a webhook, so it never changes."""

    KEY_LEAKED = "key.leaked"
    ALERT_BEGAN = "alert.began"
    ALERT_ENDED = "alert.ended"
    KEY_EXPIRES = "key.expires"
    KEY_UNSTORED = "key.unstored"
    KEY_REMINDED = "key.reminded"
    KEY_DELETED = "key.deleted"
    KEY_OUTSIDE = "key.outside-policy"
    KEY_NOT_CERTIFIED = "key.not-certified"
    REVIEW_ASKED = "review.asked"
    ROTATION_DUE = "rotation.due"
    ROTATION_ASKED = "rotation.asked"
    ROTATION_MOVED = "rotation.moved"
    PERSON_LEFT = "person.left"
    REMOVAL_DUE = "removal.due"
    COMPARISON_DUE = "comparison.due"
    REACH_GROWN = "reach.grown"
    APPROVAL_DUE = "approval.due"
    APPROVAL_GIVEN = "approval.given"
    REQUEST_ENDED = "request.ended"
    FACTORS_RESET = "account.factors-reset"
    CHANNEL_DISABLED = "channel.disabled"
    CHANNEL_TEST = "channel.test"

    @property
    def label(self) -> str:
        return _TABLE[self].label

    @property
    def subject(self) -> str:
        """The subject of a mail. It contains no name, because people choose the names of keys."""
        return _TABLE[self].subject

    @property
    def is_task(self) -> bool:
        """Whether it asks for something. A task stays in the inbox until it is done."""
        return _TABLE[self].is_task

    @property
    def may_mute(self) -> bool:
        return _TABLE[self].may_mute

    @property
    def ends_with_its_act(self) -> bool:
        """Whether only the act that it asks for ends the task. Nobody can mark it as done."""
        return self in _END_WITH_THEIR_ACT


_END_WITH_THEIR_ACT = frozenset(
    {
        *(Kind.PERSON_LEFT, Kind.REMOVAL_DUE, Kind.ROTATION_ASKED),
        *(Kind.APPROVAL_DUE, Kind.APPROVAL_GIVEN, Kind.REVIEW_ASKED),
    }
)


class _Row(NamedTuple):
    label: str
    subject: str
    is_task: bool
    may_mute: bool


_TABLE: dict[Kind, _Row] = {
    Kind.KEY_LEAKED: _Row(
        "One of your API keys was found in a text", "An API key may have leaked", True, False
    ),
    Kind.ALERT_BEGAN: _Row("An alert: something needs an admin", "Something needs an admin", True, False),
    Kind.ALERT_ENDED: _Row("An alert is resolved", "An alert is resolved", False, False),
    Kind.KEY_EXPIRES: _Row("One of your API keys expires soon", "An API key expires soon", True, True),
    Kind.KEY_UNSTORED: _Row(
        "A new API key is not confirmed as stored", "An API key is not stored", True, True
    ),
    Kind.KEY_REMINDED: _Row(
        "An admin asks you to look at your API keys", "Please look at your API keys", True, True
    ),
    Kind.KEY_DELETED: _Row("One of your API keys was deleted", "An API key was deleted", False, True),
    Kind.KEY_OUTSIDE: _Row(
        "One of your API keys is outside the policy", "An API key is outside the policy", True, True
    ),
    Kind.KEY_NOT_CERTIFIED: _Row(
        "One of your API keys was not certified", "An API key was not certified", False, True
    ),
    Kind.REVIEW_ASKED: _Row("You are asked to review API keys", "API keys are to be reviewed", True, True),
    Kind.ROTATION_DUE: _Row("A rotation waits for you", "A rotation waits for you", True, True),
    Kind.ROTATION_ASKED: _Row(
        "You are asked to rotate an API key by a day", "API keys are to be rotated", True, True
    ),
    Kind.ROTATION_MOVED: _Row("A rotation takes a step", "A rotation has taken a step", False, True),
    Kind.PERSON_LEFT: _Row("API keys of a person who left wait for a plan", "A person has left", True, True),
    Kind.REMOVAL_DUE: _Row(
        "An API key of a person who left waits to be deleted", "An API key waits to be deleted", True, True
    ),
    Kind.COMPARISON_DUE: _Row(
        "The inventory is to be compared with Cerby's web app", "Compare the API keys", True, True
    ),
    Kind.REACH_GROWN: _Row("An API key reaches more than before", "An API key reaches more", False, True),
    Kind.APPROVAL_DUE: _Row(
        "A request waits for your decision", "A request waits for your decision", True, False
    ),
    Kind.APPROVAL_GIVEN: _Row("Your request goes on", "Your request goes on", True, False),
    Kind.REQUEST_ENDED: _Row("Your request was decided", "Your request was decided", False, False),
    Kind.FACTORS_RESET: _Row(
        "An admin removed your second factors", "Your second factors were removed", False, False
    ),
    Kind.CHANNEL_DISABLED: _Row(
        "The portal disabled a channel that failed", "A channel was disabled", False, False
    ),
    Kind.CHANNEL_TEST: _Row("A test of a channel", "A test", False, False),
}

_NOT_SENT_YET = frozenset({Kind.KEY_OUTSIDE})
"""Nobody chooses a kind that no act sends. An act that begins to send a kind takes it out."""
FOR_PEOPLE = tuple(kind for kind in Kind if kind not in {Kind.CHANNEL_TEST, *_NOT_SENT_YET})
MUTABLE = tuple(kind for kind in FOR_PEOPLE if kind.may_mute)


class How(enum.StrEnum):
    """How a person gets the notifications of one kind."""

    BOTH = "both"
    INBOX = "inbox"
    NOTHING = "nothing"

    @property
    def label(self) -> str:
        return _HOW_LABELS[self]


_HOW_LABELS = {
    How.BOTH: "In the portal and by mail",
    How.INBOX: "In the portal only",
    How.NOTHING: "Not at all",
}


class ChannelKind(enum.StrEnum):
    """What receives the messages of a channel."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    TEAMS = "teams"

    @property
    def label(self) -> str:
        return _CHANNEL_LABELS[self]


_CHANNEL_LABELS = {
    ChannelKind.WEBHOOK: "Signed webhook",
    ChannelKind.SLACK: "Slack",
    ChannelKind.TEAMS: "Microsoft Teams",
}
