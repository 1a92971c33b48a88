"""The demo workspace "contenzilla" as data: its people, keys, secrets and other records."""

from __future__ import annotations

from typing import Any, NamedTuple

_READ_ALL = ("read:activities", "read:items", "read:users", "read:integrations", "read:automations")
_ACTIVITIES = ("read:activities",)
_ACTIVITIES_USERS = ("read:activities", "read:users")
_USERS = ("read:users",)
_TEAMS = ("read:users", "read:teams", "write:teams")
_ITEMS = ("read:items",)
_ACCOUNTS = ("read:items:accounts",)
_ACCOUNTS_WRITE = ("read:items:accounts", "write:items:accounts")
_SECRETS = ("read:items:secrets",)
_SECRETS_WRITE = ("read:vaults", "read:items:secrets", "write:items:secrets")
_INTEGRATIONS = ("read:integrations",)
_INTEGRATIONS_WRITE = ("read:integrations", "write:integrations")
_JOBS = ("read:automations",)
_JOBS_WRITE = ("read:automations", "write:automations")

_HOUR = 1 / 24  # in days


class DemoPerson(NamedTuple):
    """``name`` is the part of the email before the @. ``joined`` and ``last_active`` are days before now."""

    name: str
    first_name: str
    last_name: str
    role: str
    joined: float
    last_active: float | None
    status: str = "live"


PEOPLE = (
    DemoPerson("owner", "Olivia", "Marchetti", "workspace_owner", 1480, 0.04),
    DemoPerson("super-admin", "Samuel", "Okafor", "workspace_super_admin", 1402, 0.2),
    DemoPerson("admin", "Amara", "Lindqvist", "workspace_admin", 1210, 0.1),
    DemoPerson("user", "Tomás", "Rivera", "workspace_user", 820, 0.6),
    DemoPerson("login-only", "Hannah", "Becker", "workspace_login_only", 610, 3),
    DemoPerson("guest", "Pierre", "Dumont", "workspace_guest_user", 95, 11),
    DemoPerson("former.admin", "Viktor", "Halvorsen", "workspace_admin", 1333, 71, "disabled"),
    DemoPerson("noor.haddad", "Noor", "Haddad", "workspace_user", 2, None, "pending"),
    DemoPerson("priya.raman", "Priya", "Raman", "workspace_super_admin", 1105, 0.3),
    DemoPerson("jonas.weiss", "Jonas", "Weiss", "workspace_admin", 940, 0.9),
    DemoPerson("mei.tanaka", "Mei", "Tanaka", "workspace_admin", 702, 1.4),
    DemoPerson("grace.abiola", "Grace", "Abiola", "workspace_user", 655, 0.5),
    DemoPerson("luca.ferrari", "Luca", "Ferrari", "workspace_user", 431, 2.2),
    DemoPerson("sofia.petrova", "Sofia", "Petrova", "workspace_user", 388, 6),
    DemoPerson("ethan.brooks", "Ethan", "Brooks", "workspace_login_only", 301, 19),
    DemoPerson("chloe.martin", "Chloé", "Martin", "workspace_login_only", 212, 8),
    DemoPerson("daniel.kim", "Daniel", "Kim", "workspace_user", 164, 34),
    DemoPerson("agency.north", "Ingrid", "Solberg", "workspace_guest_user", 58, 15),
)


class DemoKey(NamedTuple):
    """``lifetime`` is in days; ``age``, ``last_used`` and ``removed`` are days before now.

    Only ``known`` keys have an external id. Keys of a ``batch`` were created at the same moment.
    """

    name: str
    owner: str
    scopes: tuple[str, ...]
    age: float
    lifetime: float
    last_used: float | None
    removed: float | None = None
    known: bool = True
    batch: bool = False


_SHOPS = ("Lisbon", "Lyon", "Leeds", "Leipzig", "Linz", "Lugano", "Ljubljana")

KEYS = (
    # In use.
    DemoKey("SIEM activity export", "owner", _ACTIVITIES, 41, 365, 0.01),
    DemoKey("Okta user sync", "super-admin", _ACTIVITIES_USERS, 120, 365, 0.02),
    DemoKey("HR onboarding bot", "admin", _TEAMS, 88, 365, 0.3),
    DemoKey("Terraform account inventory", "jonas.weiss", _ACCOUNTS, 203, 365, 0.7),
    DemoKey("Quarterly access review", "priya.raman", _READ_ALL, 64, 180, 5),
    DemoKey("Marketing account rotation", "mei.tanaka", _ACCOUNTS_WRITE, 35, 365, 0.15),
    DemoKey("Ad platform onboarding", "mei.tanaka", _INTEGRATIONS_WRITE, 150, 365, 2),
    DemoKey("Backup of shared secrets", "super-admin", _SECRETS, 77, 365, 0.5),
    DemoKey("Data warehouse loader", "jonas.weiss", _READ_ALL, 190, 365, 0.25),
    DemoKey("Slack notifications", "admin", _ACTIVITIES, 52, 365, 0.03),
    DemoKey("ServiceNow connector", "priya.raman", _INTEGRATIONS_WRITE, 131, 365, 1),
    DemoKey("Offboarding automation", "super-admin", _JOBS_WRITE, 99, 365, 0.4),
    DemoKey("CI deploy secrets", "jonas.weiss", _SECRETS_WRITE, 28, 90, 0.05),
    DemoKey("Social media dashboard", "mei.tanaka", _ACCOUNTS, 47, 365, 3),
    DemoKey("Compliance evidence collector", "owner", _READ_ALL, 170, 365, 6),
    DemoKey("Job status monitor", "admin", _JOBS, 19, 365, 0.02),
    DemoKey("Team directory widget", "grace.abiola", _USERS, 220, 365, 1.2, None, False),
    DemoKey("Campaign credentials", "user", _ITEMS, 61, 365, 0.8, None, False),
    DemoKey("Finance portal sync", "priya.raman", _ACCOUNTS_WRITE, 83, 365, 4, None, False),
    DemoKey("Penetration test 2026", "owner", _READ_ALL, 12, 45, 1.1),
    DemoKey("Entitlement report", "admin", _INTEGRATIONS, 140, 365, 9),
    DemoKey("Workspace health check", "super-admin", _USERS, 5, 365, 0.01),
    DemoKey("Legacy intranet login", "former.admin", _ACCOUNTS, 240, 365, 73, None, False),
    DemoKey("License reconciliation", "jonas.weiss", _ITEMS, 33, 180, 2.5),
    # Expiring within a week, then within 30 days.
    DemoKey("Vendor due diligence", "owner", _READ_ALL, 359, 365, 0.6),
    DemoKey("Migration dry run", "jonas.weiss", _SECRETS_WRITE, 2, 5, 0.2),
    DemoKey("Support investigation 4821", "admin", _ACTIVITIES, 0.4, 1, 0.1),
    DemoKey("Incident bridge", "super-admin", _READ_ALL, 0.2, 12 * _HOUR, 0.05),
    DemoKey("Okta group mapping", "priya.raman", _TEAMS, 361, 365, 0.9),
    DemoKey("Newsletter tool access", "mei.tanaka", _ACCOUNTS, 360, 365, 12, None, False),
    DemoKey("Zapier bridge", "mei.tanaka", _INTEGRATIONS_WRITE, 344, 365, 1.5),
    DemoKey("Asset management import", "jonas.weiss", _ITEMS, 350, 365, 7),
    DemoKey("Password rotation jobs", "super-admin", _JOBS_WRITE, 341, 365, 0.2),
    DemoKey("Audit sampling script", "owner", _ACTIVITIES, 64, 90, 3),
    DemoKey("Press team credentials", "user", _SECRETS, 347, 365, 10, None, False),
    DemoKey("Partner portal sync", "priya.raman", _ACCOUNTS_WRITE, 155, 180, 2),
    # Never used.
    DemoKey("Jira automation", "admin", _JOBS_WRITE, 26, 365, None),
    DemoKey("BigQuery connector", "jonas.weiss", _ACTIVITIES, 3, 365, None),
    DemoKey("Emergency access drill", "owner", _READ_ALL, 110, 365, None),
    DemoKey("Chatbot prototype", "luca.ferrari", _USERS, 201, 365, None, None, False),
    DemoKey("Disaster recovery runbook", "super-admin", _SECRETS, 72, 180, None),
    # Not used for 90 days.
    DemoKey("Old reporting cube", "former.admin", _READ_ALL, 330, 365, 141, None, False),
    DemoKey("Influencer platform sync", "mei.tanaka", _ACCOUNTS, 290, 365, 118),
    DemoKey("Hackathon project", "grace.abiola", _ITEMS, 205, 365, 190, None, False),
    DemoKey("Trial of identity graph", "priya.raman", _USERS, 160, 365, 102),
    DemoKey("Printer fleet inventory", "jonas.weiss", _INTEGRATIONS, 310, 365, 97, None, False),
    # Created and expiring together.
    *(
        DemoKey(f"Shop terminals {city}", "jonas.weiss", _ACCOUNTS, 48, 90, 0.1, None, True, True)
        for city in _SHOPS
    ),
    # Expired.
    DemoKey("Black Friday campaign", "mei.tanaka", _ACCOUNTS_WRITE, 100, 30, 71),
    DemoKey("Load test", "jonas.weiss", _READ_ALL, 16, 1, 15.5),
    DemoKey("Consultant access", "super-admin", _ITEMS, 75, 60, 21),
    DemoKey("One-off secret export", "admin", _SECRETS, 48, _HOUR, 47.98),
    DemoKey("Annual audit 2025", "owner", _READ_ALL, 380, 90, 305),
    DemoKey("Webinar tool setup", "mei.tanaka", _INTEGRATIONS_WRITE, 9, 5, 6),
    DemoKey("Data room for due diligence", "former.admin", _SECRETS, 420, 365, 88, None, False),
    DemoKey("Temporary SCIM bridge", "priya.raman", _TEAMS, 31, 12 * _HOUR, None),
    # Removed.
    DemoKey("Leaked in a screenshot", "admin", _SECRETS_WRITE, 54, 365, 50, 49.5),
    DemoKey("Replaced Slack key", "admin", _ACTIVITIES, 230, 365, 53, 52),
    DemoKey("Agency handover", "super-admin", _ACCOUNTS, 142, 365, 60, 58),
    DemoKey("Wrong scopes chosen", "jonas.weiss", _READ_ALL, 203.5, 365, None, 203.4),
    DemoKey("Retired CRM connector", "former.admin", _INTEGRATIONS_WRITE, 410, 365, 95, 72, False),
    DemoKey("Duplicate of Okta sync", "super-admin", _ACTIVITIES_USERS, 121, 365, None, 120.5),
    DemoKey("Contractor laptop", "priya.raman", _ITEMS, 84, 180, 45, 44),
    DemoKey("Test from the wizard", "owner", _JOBS, 7, 5, None, 6.5, False),
)

VAULTS = ("Shared credentials", "Automation")
"""The vaults that can take a secret over the API."""

OTHER_VAULTS = (
    {"name": "Finance (closed)", "state": "disabled", "scheme": "akv"},
    {"name": "Olivia's laptop", "state": "enabled", "scheme": "local_encryption_key"},
)
"""The vaults that cannot."""


class DemoAccount(NamedTuple):
    """``last_login`` is days before now, or None."""

    label: str
    application: str
    owner: str
    last_login: float | None
    status: str = "enabled"


ACCOUNTS = (
    DemoAccount("Company page", "LinkedIn", "owner", 1.2),
    DemoAccount("Brand ads", "Meta Ads", "mei.tanaka", 0.4),
    DemoAccount("EMEA ads", "Meta Ads", "mei.tanaka", 96, "disabled"),
    DemoAccount("Video channel", "YouTube", "admin", 3),
    DemoAccount("Corporate card", "Expensify", "owner", None),
    DemoAccount("Domain registrar", "Gandi", "admin", 41),
    DemoAccount("Press kit", "Dropbox", "owner", 12),
    DemoAccount("Newsletter", "Mailchimp", "admin", 0.9),
)

RECORDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("team", {"name": "Marketing", "members": ("mei.tanaka", "user", "grace.abiola", "luca.ferrari")}),
    ("team", {"name": "IT", "members": ("admin", "jonas.weiss", "super-admin")}),
    ("team", {"name": "Security", "members": ("owner", "super-admin", "priya.raman", "jonas.weiss")}),
    ("collection", {"name": "Ads", "createdBy": "mei.tanaka"}),
    ("collection", {"name": "Infrastructure", "createdBy": "jonas.weiss"}),
    ("collection", {"name": "Press", "createdBy": "owner"}),
    ("integration", {"name": "Okta"}),
    ("integration", {"name": "Slack"}),
    ("integration", {"name": "Workday", "status": "disabled"}),
)


class DemoJob(NamedTuple):
    account: str
    workflow_type: str
    status: str


JOBS = (
    DemoJob("Brand ads", "password_rotation", "succeeded"),
    DemoJob("Domain registrar", "user_removal", "running"),
    DemoJob("Video channel", "mfa_enrollment", "failed"),
)

SECRETS = (
    ("Office Wi-Fi", "owner"),
    ("Domain transfer code", "owner"),
    ("Recovery codes of the registrar", "owner"),
    ("Press server login", "owner"),
    ("Deploy key of the web shop", "jonas.weiss"),
    ("Signing certificate of the CI", "jonas.weiss"),
    ("Staging database", "jonas.weiss"),
    ("Ad account recovery codes", "mei.tanaka"),
    ("Backup encryption phrase", "super-admin"),
)
"""The title and the owner of each secret."""
