"""Say what the portal can show about known risks of keys and about the controls of frameworks.

The names of the risks are those of the OWASP Non-Human Identities Top 10 (2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sight:
    """Something that the portal shows about a risk.

    It is a need of the inventory, a rule of the policy, or a page: ``url`` with ``query``.
    """

    label: str
    need: str = ""
    rule: str = ""
    url: str = ""
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Risk:
    """``not_visible``: what about the risk no page of this portal can show, or an empty text."""

    number: str
    name: str
    sights: tuple[Sight, ...] = ()
    not_visible: str = ""


@dataclass(frozen=True)
class Control:
    """A control of a framework, what it asks for in our words, and the pages with the evidence."""

    framework: str
    number: str
    asks: str
    evidence: tuple[Sight, ...]


def _active(label: str, **query: str) -> Sight:
    return Sight(label, url="keys:inventory", query={"status": "active", **query})


RISKS = (
    Risk(
        "NHI1",
        "Improper offboarding",
        (
            Sight("Owner disabled or left", need="owner-left"),
            Sight("Nobody answers for it", need="orphan"),
            Sight("Not used for long", rule="use"),
        ),
        "Software that still holds a key after it was retired.",
    ),
    Risk(
        "NHI2",
        "Secret leakage",
        (
            Sight("Not saved in a vault", rule="vault"),
            Sight("Storage unconfirmed", need="unconfirmed"),
            Sight("Look for a key in a text", url="keys:find"),
        ),
        "Copies of a key, such as in code or chats, unless somebody pastes them into “Is this ours?”.",
    ),
    Risk(
        "NHI3",
        "Vulnerable third-party identities",
        (_active("Keys of vendors", kind="vendor"),),
        "The security of the vendors.",
    ),
    Risk("NHI4", "Insecure authentication", (), "How software sends its key, and to whom."),
    Risk(
        "NHI5",
        "Overprivileged identities",
        (
            _active("Keys that can write or delete", scope="write"),
            Sight("Reach has grown", need="reach-grew"),
            Sight("Forbidden pairs of scopes", rule="scope-pairs"),
        ),
        "Which scopes the software really uses.",
    ),
    Risk("NHI6", "Insecure cloud deployments", (), "How the software that uses a key is built and deployed."),
    Risk(
        "NHI7",
        "Long-lived secrets",
        (
            Sight("Valid for too long", rule="longest-life"),
            Sight("Rotations", url="keys:rotations"),
            Sight("Agent without sponsor, vault or short life", need="agent-outside"),
        ),
    ),
    Risk(
        "NHI8",
        "Environment isolation",
        (
            _active("Keys for production", environment="production"),
            _active("Keys for other environments", environment="other"),
        ),
        "Whether one key is used in several environments.",
    ),
    Risk(
        "NHI9",
        "Reuse of identities",
        (Sight("No system named", rule="system"), Sight("Too many keys of one owner", rule="live-keys")),
        "Whether several programs share one key.",
    ),
    Risk(
        "NHI10",
        "Human use",
        (_active("Keys that people use", kind="person"),),
        "Whether a person uses the key of a program.",
    ),
)

_POLICY = Sight("Policy and exceptions", url="keys:policy")
_REQUESTS = Sight("Requests and approvals", url="keys:requests")
_PACK = Sight("Evidence pack", url="keys:evidence")
_INVENTORY = Sight("Inventory", url="keys:inventory")
_LOG = Sight("Audit log", url="keys:activity")
_REVIEWS = Sight("Access reviews", url="keys:reviews")

CONTROLS = (
    Control(
        "PCI DSS 4.0.1",
        "7.2.5",
        "System accounts have the least access that they need, and it is reviewed",
        (_POLICY, _REVIEWS, _PACK),
    ),
    Control(
        "PCI DSS 4.0.1",
        "8.6",
        "System accounts and their secrets are managed and protected",
        (_INVENTORY, Sight("Rotations", url="keys:rotations")),
    ),
    Control(
        "SOC 2",
        "CC6.1",
        "Access to protected information is restricted",
        (_POLICY, Sight("Roles", url="keys:roles")),
    ),
    Control(
        "SOC 2",
        "CC6.2",
        "Access is authorised before it is given, and removed in time",
        (_REQUESTS, Sight("Owner disabled or left", need="owner-left")),
    ),
    Control(
        "SOC 2",
        "CC6.3",
        "Access follows roles, least privilege and separation of duties",
        (_REQUESTS, _POLICY),
    ),
    Control("CIS Controls 8.1", "5.1", "There is an inventory of accounts", (_INVENTORY, _PACK)),
    Control(
        "CIS Controls 8.1",
        "5.5",
        "There is an inventory of service accounts with owner, purpose and review date",
        (Sight("Review date has come", need="review-due"), _REVIEWS, _INVENTORY),
    ),
    Control("ISO/IEC 27001:2022", "A.5.15", "Rules for access are established and applied", (_POLICY,)),
    Control(
        "ISO/IEC 27001:2022", "A.5.16", "Identities are managed over their whole life", (_INVENTORY, _LOG)
    ),
    Control(
        "ISO/IEC 27001:2022",
        "A.5.17",
        "Secrets are allocated and managed",
        (Sight("Not saved in a vault", rule="vault"), _LOG),
    ),
    Control(
        "ISO/IEC 27001:2022",
        "A.5.18",
        "Access is given, reviewed, changed and removed",
        (_REQUESTS, _REVIEWS),
    ),
)
