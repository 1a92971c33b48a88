"""Define the measured URLs of the portal. Only the ids in them differ between the databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils import timezone

from benchmarks.dataset import MIDDLE_WORD, RARE_SCOPE, RARE_TAG, RARE_TEAM, RARE_WORD, UNCOMMON_WORD
from benchmarks.people import BIG, SMALL
from keys.models import ApiKey, AuditEvent, LeaverPlan, Rotation, User
from keys.rules.lifecycle import State
from keys.selectors.inventory.columns import ALL
from keys.selectors.inventory.filters import EXPIRY_WINDOWS, SORTS, STATUSES, InventoryFilter, offered_needs
from keys.selectors.inventory.keyset import order_by

Address = Callable[[], str]
"""Called once per database while that database is in use."""

COMMON_SCOPE, COMMON_WORD, COMMON_LETTERS = "read:users", "production", "pro"
MIDDLE = 20
"""The position of a person who owns 0.6 % of the keys: 6 of 1,000."""
NEVER_TOGETHER = "payroll billing"
"""Two words that each occur in many names, but never in the same one."""


@dataclass(frozen=True)
class Case:
    """A measured case. ``promised``: its cost must not grow with size. Other cases are for information."""

    group: str
    name: str
    address: Address
    promised: bool = True


def _keys(query: dict[str, str | list[str]]) -> Address:
    return lambda: f"/keys/?{urlencode(query, doseq=True)}"


def _owned_by(*positions: int) -> Address:
    return lambda: f"/keys/?{urlencode({'owner': ' '.join(map(_email, positions))})}"


def _id_of(position: int) -> str:
    return str(ApiKey.objects.order_by("pk").values_list("pk", flat=True)[position])


def _owned(position: int, **query: str) -> Address:
    return _of("owner", position, **query)


def _of(part: str, position: int, **query: str) -> Address:
    return lambda: f"/keys/?{urlencode({part: _email(position), **query})}"


def _email(position: int) -> str:
    return User.objects.order_by("pk").values_list("email", flat=True)[position]


def _deep(address: Address, direction: str = "after") -> Address:
    """Return the page that starts (or ends) in the middle of the list."""

    def from_the_middle() -> str:
        first = address()
        wanted = InventoryFilter(QueryDict(first.partition("?")[2]))
        assert wanted.is_valid()
        rows = order_by(*wanted.keys()).values_list("pk", flat=True)
        return f"{first}&{direction}={rows[rows.count() // 2]}"

    return from_the_middle


def inventory() -> Iterator[Case]:
    first = _keys({})
    yield Case("page", "first page", first)
    yield Case("page", "deep page", _deep(first))
    yield Case("page", "deep page, backwards", _deep(first, "before"))
    every = ",".join(column.name for column in ALL)
    yield Case("page", "every column", _keys({"columns": every}))
    yield Case("page", "every column, deep", _deep(_keys({"columns": every})))
    filters = {f"status {status}": _keys({"status": status}) for status, _ in STATUSES}
    filters |= {
        "scope of half the keys": _keys({"scope": COMMON_SCOPE}),
        "scope of 10 keys": _keys({"scope": RARE_SCOPE}),
        "owner of 30 % of the keys": _owned(BIG),
        "owner of 60 keys": _owned(SMALL),
        "accountable for 30 % of the keys": _of("accountable", BIG),
        "accountable for 60 keys": _of("accountable", SMALL),
        "backup of 30 % of the keys": _of("backup", BIG),
        "backup of 60 keys": _of("backup", SMALL),
        "team of a ninth of the keys": _keys({"team": "Billing"}),
        "team of 10 keys": _keys({"team": RARE_TEAM}),
        "tag of 30 % of the keys": _keys({"tag": "nightly"}),
        "tag of 10 keys": _keys({"tag": RARE_TAG}),
        "system of all keys": _keys({"system": "BigQuery"}),
        "kind workload": _keys({"kind": "workload"}),
        "environment production": _keys({"environment": "production"}),
        "any write scope": _keys({"scope": "write"}),
        "scope of half or of 10 keys": _keys({"scope": [COMMON_SCOPE, RARE_SCOPE]}),
        "three common scopes": _keys({"scope": [COMMON_SCOPE, "read:items", "read:vaults"]}),
        "owners of 30 % and of 60 keys": _owned_by(BIG, SMALL),
        "two needs": _keys({"needs": ["missing", "owner-left"]}),
    }
    filters |= {f"expires {words}": _keys({"expires": days}) for days, words in EXPIRY_WINDOWS}
    for name, address in filters.items():
        yield Case("filter", name, address)
    for name in (
        "status active",
        "status expired",
        "scope of half the keys",
        "owner of 30 % of the keys",
        "three common scopes",
        *("accountable for 30 % of the keys", "backup of 30 % of the keys", "team of a ninth of the keys"),
        *("tag of 30 % of the keys", "system of all keys", "kind workload", "environment production"),
    ):
        yield Case("filter", f"{name}, deep", _deep(filters[name]))
    for sort in (f"{sign}{name}" for name in SORTS for sign in ("", "-")):
        yield Case("sort", sort, _keys({"sort": sort}))
        yield Case("sort", f"{sort}, deep", _deep(_keys({"sort": sort})))


def needs() -> Iterator[Case]:
    """Return the lists that the dashboard's lines link to."""
    for need, words in offered_needs():
        yield Case("needs", words.lower(), _keys({"needs": need}))
    yield Case("needs", "origin discovered", _keys({"origin": "discovered"}))


def search() -> Iterator[Case]:
    words = {
        "three letters of a third of the keys": COMMON_LETTERS,
        "a word of a third of the keys": COMMON_WORD,
        "a word of 1 in 200": MIDDLE_WORD,
        "a word of 1 in 2,000": UNCOMMON_WORD,
        "a word of 10 keys": RARE_WORD,
        "an owner's address": "contenzilla.example",
        "no match": "xylophone",
        "two common words": "deploy production",
        "two letters of a third of the keys": "pr",
        "two letters of 10 keys": "za",
        "a scope of 10 keys": RARE_SCOPE,
    }
    for name, word in words.items():
        yield Case("search", name, _keys({"q": word}))
    yield Case("search", "the id of a key", lambda: f"/keys/?q={_id_of(500)}")
    yield Case("search", "a word of a third of the keys, deep", _deep(_keys({"q": COMMON_WORD})))
    yield Case("search", "no match, of words that are common", _keys({"q": NEVER_TOGETHER}), promised=False)


def together() -> Iterator[Case]:
    """Return combinations of filters, search and order, whose cost may grow with size."""
    met: dict[str, Address] = {
        "common word, status active": _keys({"q": COMMON_WORD, "status": "active"}),
        "common word, scope of 10 keys": _keys({"q": COMMON_WORD, "scope": RARE_SCOPE}),
        "common word, owner of 60 keys": _owned(SMALL, q=COMMON_WORD),
        "rare word, status pending": _keys({"q": RARE_WORD, "status": "pending"}),
        "common word, sort name": _keys({"q": COMMON_WORD, "sort": "name"}),
        "word of 1 in 200, sort name": _keys({"q": MIDDLE_WORD, "sort": "name"}),
        "rare word, sort name": _keys({"q": RARE_WORD, "sort": "name"}),
        "status active, sort name": _keys({"status": "active", "sort": "name"}),
        "status active, sort created": _keys({"status": "active", "sort": "created"}),
        "status failed, sort name": _keys({"status": "failed", "sort": "name"}),
        "owner of 30 %, sort -last-used": _owned(BIG, sort="-last-used"),
        "owner of 60 keys, sort name": _owned(SMALL, sort="name"),
        "scope of half the keys, sort name": _keys({"scope": COMMON_SCOPE, "sort": "name"}),
        "scope of 10 keys, sort name": _keys({"scope": RARE_SCOPE, "sort": "name"}),
        "owner of 30 %, status active, common scope": _owned(BIG, status="active", scope=COMMON_SCOPE),
        "scope of 10 keys, status active": _keys({"scope": RARE_SCOPE, "status": "active"}),
    }
    for name, address in met.items():
        yield Case("together", name, address, promised=False)


def _event(position: float) -> int:
    newest = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True)[0]
    return int(newest * position)


def other_pages() -> Iterator[Case]:
    yield Case("dashboard", "dashboard", lambda: "/")
    yield Case("activity", "first page", lambda: "/activity/")
    yield Case("activity", "deep page", lambda: f"/activity/?after={_event(0.5)}")
    yield Case("activity", "what: viewed", lambda: "/activity/?type=key:reveal")
    yield Case("activity", "outcome: refused", lambda: "/activity/?outcome=refused")
    yield Case("activity", "who: 30 % of all", lambda: f"/activity/?actor={_email(BIG)}")
    yield Case("activity", "from: an address of all", lambda: "/activity/?ip=192.0.2.7")
    yield Case("activity", "keys of an owner of 30 %", lambda: f"/activity/?owner={_email(BIG)}")
    yield Case(
        "activity",
        "keys of an owner of 30 %, deep",
        lambda: f"/activity/?owner={_email(BIG)}&after={_event(0.5)}",
    )
    yield Case("activity", "keys of an owner of 60", lambda: f"/activity/?owner={_email(SMALL)}")
    yield Case("activity", "keys of an owner of none", lambda: "/activity/?owner=nobody@contenzilla.example")
    # The slowest owners have neither few keys nor so many that a page is soon full.
    yield Case(
        "activity",
        "keys of an owner of 0.6 %",
        lambda: f"/activity/?owner={_email(MIDDLE)}",
        promised=False,
    )
    yield Case("activity", "until a year ago", lambda: f"/activity/?until={_day_of(0.66)}")
    yield Case(
        "activity", "until a year ago, deep", lambda: f"/activity/?until={_day_of(0.66)}&after={_event(0.3)}"
    )


def rotations() -> Iterator[Case]:
    """Return the list of rotations, a rotation, and keys with and without one."""
    for name, query in {"all": "?state=all", "retired": "?state=retired"}.items():
        yield Case("rotations", f"list, {name}", _list_of_rotations(query))
    # A page of several states reads up to 51 rows of each: 1,000 keys have fewer.
    for name, query in {"under way": "", "one reason": "?state=all&because=policy"}.items():
        yield Case("rotations", f"list, {name}", _list_of_rotations(query), promised=False)
    yield Case("rotations", "list, all, deep", _middle_of_rotations)
    yield Case("rotations", "a rotation under way", lambda: f"/rotations/{_rotation('overlap').pk}/")
    yield Case("rotations", "a retired one", lambda: f"/rotations/{_rotation('retired').pk}/")
    yield Case("rotations", "the page of its old key", lambda: f"/keys/{_rotation('overlap').old_id}/")
    yield Case("rotations", "the page of another key", lambda: f"/keys/{_other_key()}/")
    yield Case("rotations", "the page of a leaver's key", lambda: f"/keys/{_plan().pk}/")
    yield Case("rotations", "a person leaves who owns 60 keys", lambda: f"/people/{_person(SMALL)}/leaving/")
    yield Case("rotations", "my keys", lambda: "/keys/mine/", promised=False)


def _list_of_rotations(query: str) -> Address:
    return lambda: f"/rotations/{query}"


def _middle_of_rotations() -> str:
    ids = Rotation.objects.order_by("-started_at", "-id").values_list("pk", flat=True)
    return f"/rotations/?state=all&after={ids[ids.count() // 2]}"


def _rotation(state: str) -> Rotation:
    return Rotation.objects.filter(state=state).order_by("pk")[0]


def _other_key() -> str:
    """Return the id of a key that was never rotated and needs nothing else."""
    keys = ApiKey.objects.filter(
        state=State.HELD, expires_at__gt=timezone.now(), lineage=None, review_on=None
    )
    plain = keys.filter(owner_left_at=None, kind="workload", environment="production", origin="generated")
    return str(plain.order_by("pk").values_list("pk", flat=True)[0])


def _plan() -> LeaverPlan:
    return LeaverPlan.objects.filter(open_since__isnull=False).order_by("pk")[0]


def _person(position: int) -> int:
    return User.objects.order_by("pk").values_list("pk", flat=True)[position]


def _day_of(position: float) -> str:
    at = AuditEvent.objects.filter(pk=_event(position)).values_list("at", flat=True)[0]
    return f"{at:%Y-%m-%d}"


def admin() -> Iterator[Case]:
    """Return the Django admin's changelist, for comparison."""
    changelist = "/admin/keys/apikey/"
    yield Case("admin", "first page", lambda: changelist, promised=False)
    yield Case("admin", "page 10", lambda: f"{changelist}?p=10", promised=False)
    yield Case("admin", "last page", lambda: f"{changelist}?p={_last_page()}", promised=False)
    yield Case("admin", "sort by name", lambda: f"{changelist}?o=1", promised=False)
    yield Case("admin", "state held", lambda: f"{changelist}?state__exact=held", promised=False)
    yield Case("admin", "search, common", lambda: f"{changelist}?q={COMMON_WORD}", promised=False)
    yield Case("admin", "search, rare", lambda: f"{changelist}?q={RARE_WORD}", promised=False)


def _last_page() -> int:
    return ApiKey.objects.count() // 50
