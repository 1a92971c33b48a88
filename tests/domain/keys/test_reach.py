"""Count what the owners of keys own in Cerby, and find keys that can open more than before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.actions.reach import count
from keys.actions.reach.accept import accept_reach
from keys.actions.reach.count import count_reach
from keys.evidence.leaver_rows import changed_reach
from keys.jobs.schedule import JOBS, make_rows
from keys.jobs.tasks import reach as reach_job
from keys.models import ApiKey, AuditEvent, CredentialRefusal, Delivery, InboxItem, PeriodicJob, Reach
from keys.rules.errors import CerbyError, Conflict, NotAllowed
from keys.rules.permissions import Action
from keys.rules.reach import MOST_ITEMS, Items, in_words
from keys.selectors.key.reach import reach_of
from sandbox import stored_secrets
from tests.cast import a_key, actor, signed_in
from tests.pages.helpers import links, rows
from tests.support.bad_server import closed_port, listing, refusal, serving

READS_SECRETS = {"scopes": ["read:items:secrets"]}


def own(workspace, person: str, accounts: int = 0, collections: int = 0, secrets: int = 0) -> list[str]:
    """Let a person of the cast own more in the sandbox, and return the ids of the new secrets."""
    owner = workspace.ids[person]
    for kind, number in (("account", accounts), ("collection", collections)):
        for _ in range(number):
            workspace.sandbox.add_record(kind, {"name": "Something", "createdBy": owner})
    facts = {"title": "Something", "category": "text", "body": "x", "vault_id": workspace.vaults[0]}
    at = "2026-01-01T00:00:00.000000Z"
    with workspace.sandbox.store.transaction() as db:
        return [stored_secrets.add(db, **facts, created_at=at, created_by=owner) for _ in range(secrets)]


def everybody_due() -> None:
    Reach.objects.update(due_at=timezone.now())


def counted_again() -> str:
    everybody_due()
    return count_reach()


def lines(key: ApiKey) -> list[str]:
    found = reach_of(ApiKey.objects.get(pk=key.pk))
    assert found is not None
    return found.words.lines


def grew(key: ApiKey) -> bool:
    return ApiKey.objects.get(pk=key.pk).reach_grew_at is not None


def test_a_keys_reach_is_what_its_owner_owns_and_its_scopes_open(cast, workspace):
    own(workspace, "user", accounts=3, collections=1, secrets=2)
    wide = a_key(cast.user, scopes=["read:items", "read:users"])
    narrow = a_key(cast.user, scopes=["read:items:secrets", "write:items:secrets", "read:items:accounts"])
    assert count_reach() == "People counted: 1"
    assert lines(wide) == ["With Read items, as User Person: up to 2 secrets, 3 accounts, 1 collection"]
    assert lines(narrow) == [
        "With Read accounts, as User Person: up to 3 accounts",
        "With Read secrets and Write secrets, as User Person: up to 2 secrets",
    ]
    found = reach_of(ApiKey.objects.get(pk=wide.pk))
    assert found is not None
    assert found.words.others == ["Read users"]
    assert found.counted_at is not None


def test_no_name_and_no_id_of_an_item_is_stored(cast, workspace):
    a_key(cast.user, **READS_SECRETS)
    [secret] = own(workspace, "user", secrets=1)
    count_reach()
    row = Reach.objects.get(pk=cast.user.pk)
    assert row.secrets == 1
    assert secret not in str(row.items)
    assert "Something" not in str(row.items)
    salts = set(Reach.objects.values_list("salt", flat=True))
    assert len(salts) == Reach.objects.count()


def test_only_the_ordinary_api_key_is_used_and_only_for_people_with_live_keys(cast, workspace):
    a_key(cast.user)
    before = len(workspace.sandbox.journal())
    count_reach()
    calls = workspace.sandbox.journal()[before:]
    assert [(call["method"], call["credential"]) for call in calls] == [("GET", "api_key")] * len(Items)
    assert {call["path"] for call in calls} == {
        f"/api/v1/users/{workspace.ids['user']}/{items}" for items in Items
    }
    assert count_reach() == "People counted: 0", "until the next night"
    assert Reach.objects.filter(due_at__lte=timezone.now() + timedelta(hours=25)).count() == 6


def test_growth_is_a_finding_with_an_event_until_a_person_accepts_it(cast, workspace):
    own(workspace, "user", secrets=1)
    key, other = a_key(cast.user, **READS_SECRETS), a_key(cast.user, scopes=["read:items:accounts"])
    count_reach()
    assert not grew(key)
    key.refresh_from_db()
    own(workspace, "user", secrets=2)
    counted_again()
    counted_again()
    assert (grew(key), grew(other)) == (True, False)
    [event] = AuditEvent.objects.filter(type="key:reach-grow")
    assert event.key_id == key.pk
    assert event.details["grown"] == {"secrets": 2}
    assert event.details["reach"]["secrets"] == 3
    assert list(changed_reach()) == []
    ApiKey.objects.filter(pk=key.pk).update(reach_since=timezone.now())
    ApiKey.objects.filter(pk=other.pk).update(reach_grew_at=timezone.now())
    assert {words.split(":")[0] for _, words in changed_reach()} == {
        f"API key {one.pk}" for one in (key, other)
    }
    ApiKey.objects.filter(pk=key.pk).update(reach_since=key.reach_since)
    ApiKey.objects.filter(pk=other.pk).update(reach_grew_at=None)
    accept_reach(actor(cast.admin), key.pk)
    assert (grew(key), list(changed_reach())) == (False, [])
    counted_again()
    assert not grew(key)
    [accepted] = AuditEvent.objects.filter(type="key:reach-accept")
    assert accepted.actor_id == cast.admin.pk
    with pytest.raises(Conflict):
        accept_reach(actor(cast.admin), key.pk)


def test_growth_is_told_with_one_mail_and_settled_when_it_is_accepted(cast, workspace):
    keys = [
        a_key(cast.user, name=name, accountable=accountable, **READS_SECRETS)
        for name, accountable in (("One", None), ("Two", None), ("Three", cast.admin))
    ]
    count_reach()
    own(workspace, "user", secrets=2)
    counted_again()
    counted_again()
    page = signed_in(cast.user).get("/inbox/")
    said = {f"“{key.name}” can open more than before: 2 secrets.": f"/keys/{key.pk}/" for key in keys[:2]}
    assert len(rows(page)) == 2
    assert said.items() <= links(page).items()
    assert sorted(one.to[0] for one in Delivery.objects.all()) == sorted([cast.user.email, cast.admin.email])
    accept_reach(actor(cast.admin), keys[0].pk)
    assert InboxItem.objects.filter(done_at=None).count() == 2


def test_an_item_that_replaces_another_is_growth_and_one_that_is_gone_ends_it(cast, workspace):
    [old] = own(workspace, "user", secrets=1)
    key = a_key(cast.user, **READS_SECRETS)
    count_reach()
    [new] = own(workspace, "user", secrets=1)
    remove(workspace, old)
    counted_again()
    assert grew(key), "the number is the same, but not the item"
    remove(workspace, new)
    counted_again()
    assert not grew(key)
    assert lines(key) == ["With Read secrets, as User Person: up to 0 secrets"]


def remove(workspace, secret: str) -> None:
    with workspace.sandbox.store.transaction() as db:
        db.execute("DELETE FROM secret_members WHERE secret_id = ?", [secret])
        db.execute("DELETE FROM secrets WHERE id = ?", [secret])


def test_a_list_that_cerby_does_not_tell_is_not_known_and_never_none(cast, workspace, settings):
    key = a_key(cast.user, scopes=["read:items"])
    item = {"id": workspace.ids["user"], "type": "secret", "attributes": {"nobody": "knows"}}
    answers = [listing([item]), *(refusal(status, "no") for status in (404, 403, 401))]
    with serving(*answers) as server:
        settings.CERBY_BASE_URL = server.url
        count_reach()
    row = Reach.objects.get(pk=cast.user.pk)
    assert [row.secrets, row.accounts, row.collections, row.teams] == [1, None, None, None]
    assert lines(key) == [
        "With Read items, as User Person: up to 1 secret, accounts not known, collections not known"
    ]
    assert not CredentialRefusal.objects.exists(), "the API key may lack the scope on purpose"


def test_a_list_that_cerby_begins_to_tell_is_no_growth(cast, workspace, settings):
    own(workspace, "user", secrets=1)
    key, url = a_key(cast.user, **READS_SECRETS), settings.CERBY_BASE_URL
    with serving(refusal(404, "no"), *[listing([])] * 3) as server:
        settings.CERBY_BASE_URL = server.url
        count_reach()
    assert lines(key) == ["With Read secrets, as User Person: secrets not known"]
    settings.CERBY_BASE_URL = url
    counted_again()
    assert lines(key) == ["With Read secrets, as User Person: up to 1 secret"]
    assert not grew(key)


def test_if_cerby_is_away_the_old_count_stays_and_the_job_says_so(cast, workspace, settings):
    own(workspace, "user", secrets=1)
    key = a_key(cast.user, **READS_SECRETS)
    make_rows()
    reach_job.func()
    settings.CERBY_BASE_URL = f"http://127.0.0.1:{closed_port()}"
    everybody_due()
    reach_job.func()
    assert lines(key) == ["With Read secrets, as User Person: up to 1 secret"]
    assert PeriodicJob.objects.get(name="reach").succeeded is False
    with pytest.raises(CerbyError):
        counted_again()
    assert JOBS["reach"].task.queue_name == "reach", "its calls delay no other job"


def test_a_run_is_bounded_and_the_next_one_continues(cast, workspace, monkeypatch):
    for owner in (cast.user, cast.admin, cast.owner):
        a_key(owner)
    monkeypatch.setattr(count, "PEOPLE_AT_ONCE", 2)
    assert count_reach() == "People counted: 2"
    assert count_reach() == "People counted: 1"


def test_many_keys_of_one_owner_are_marked_in_several_runs(cast, workspace, monkeypatch):
    keys = [a_key(cast.user, **READS_SECRETS) for _ in range(5)]
    count_reach()
    own(workspace, "user", secrets=1)
    monkeypatch.setattr(count, "KEYS_AT_ONCE", 2)
    counted_again()
    assert sum(map(grew, keys)) == 2
    count_reach()
    count_reach()
    assert all(map(grew, keys))
    assert AuditEvent.objects.filter(type="key:reach-grow").count() == 5


def test_the_owner_of_a_new_key_is_counted_soon(cast, workspace):
    a_key(cast.user, created_at=timezone.now() - timedelta(days=2))
    count_reach()
    assert count_reach() == "People counted: 0"
    key = a_key(cast.user, created_at=timezone.now())
    assert count_reach() == "People counted: 1"
    assert ApiKey.objects.get(pk=key.pk).reach_since is not None


def test_two_workers_do_not_count_one_person_at_once(cast, workspace):
    a_key(cast.user)
    count_reach()
    everybody_due()
    row = Reach.objects.select_related("person").get(pk=cast.user.pk)
    assert count._claim(row)
    assert count_reach() == "People counted: 0"


def test_other_people_may_not_accept_it(cast, workspace):
    key = a_key(cast.user, **READS_SECRETS, accountable=cast.admin)
    assert not actor(cast.user).may(Action.ACCEPT_REACH, key)
    with pytest.raises(NotAllowed):
        accept_reach(actor(cast.user), key.pk)


def test_the_number_of_queries_does_not_grow_with_the_owners_keys(cast, workspace):
    a_key(cast.user, **READS_SECRETS)
    count_reach()
    with CaptureQueriesContext(connection) as few:
        counted_again()
    for _ in range(20):
        a_key(cast.user, reach_since=timezone.now(), **READS_SECRETS)
    with CaptureQueriesContext(connection) as many:
        counted_again()
    assert len(many) == len(few)


def test_a_long_list_is_not_read_to_its_end():
    counts = {Items.SECRETS: MOST_ITEMS}
    [line] = in_words(["read:items:secrets"], counts, "Ada").lines
    assert line == "With Read secrets, as Ada: 2,000 or more secrets"
