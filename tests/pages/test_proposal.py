"""Test how the policy is changed: the form, the preview, and the proposal."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from keys.actions.policy.propose import checked_preview
from keys.models import AuditEvent, PolicyVersion, User
from keys.models.policy import DEFAULT_DOCUMENT
from keys.rules.policy.document import DEFAULT, Mode
from keys.rules.policy.written import read, write
from tests.cast import a_key, said_by
from tests.pages.helpers import csv_rows, elements, messages_of, text, the
from tests.pages.journey import generate
from tests.support.cases import in_one_test
from tests.support.policies import a_version, as_form, changed, enforced, everywhere, in_force

PAGE = "/policy/proposal/"
STRICTER = changed(BACKUP=everywhere(value=True))


def proposal(document: str, **fields) -> dict[str, str]:
    return {"document": document, "seen": checked_preview(document).digest, "reason": "R"} | fields


def test_a_stricter_rule_that_only_reports_comes_into_force_at_once(cast, browser_of):
    key = a_key(cast.user, name="Robot", scopes=["read:activities"])
    owner = browser_of("owner")
    page = owner.post(PAGE, as_form(STRICTER))
    assert "1 active key would be outside a changed rule" in text(page)
    assert "Robot User Person" in text(page)
    assert "tightens 0 today, 1 then 0" in text(page)
    values = {
        name: dict(the(page, "input", id=f"id_{name}").attributes)["value"] for name in ("document", "seen")
    }
    saved = owner.post(f"{PAGE}save/", values | {"reason": "A backup for every key."})
    assert saved.status_code == 302
    version = PolicyVersion.objects.get()
    assert (version.state, version.policy, version.needs_approval) == ("active", STRICTER, False)
    assert "Version 1, in force since" in text(owner.get("/policy/"))
    proposed = said_by(AuditEvent.objects.get(type="policy:propose"))
    assert (proposed["changes"], proposed["newly_outside"]) == (["Backup: tightens"], 1)
    assert said_by(AuditEvent.objects.get(type="policy:activate"))["alone"] == "no"
    downloaded = owner.post(f"{PAGE}keys/", {"document": DEFAULT_DOCUMENT.replace("366", "1")})
    assert [line[3:5] for line in csv_rows(downloaded)[1:]] == [[str(key.pk), "Longest life"]]


@in_one_test(
    "policy",
    [
        enforced(TEAM={}),
        changed(TEAM={"mode": Mode.OFF}),
        changed(LIFE=everywhere(400)),
        changed(PAIRS={"mode": Mode.OFF}),
    ],
)
def test_another_person_must_approve_what_enforces_or_loosens(cast, browser_of, policy):
    owner = browser_of("owner")
    assert owner.post(f"{PAGE}save/", proposal(write(policy))).status_code == 302
    version = PolicyVersion.objects.get()
    assert version.state == "proposed"
    assert "waits for a decision" in text(browser_of("admin").get("/policy/"))
    assert "Another Owner or Super Admin must approve it." in messages_of(owner.get("/policy/"))
    again = owner.post(f"{PAGE}save/", proposal(write(STRICTER)))
    assert again.status_code == 409, "one proposal at a time"


def test_the_only_person_who_may_approve_can_do_it_alone_and_the_dashboard_says_so(cast, browser_of):
    User.objects.filter(pk=cast.super_admin.pk).update(is_active=False)
    browser_of("owner").post(f"{PAGE}save/", proposal(write(enforced(TEAM={}))))
    version = PolicyVersion.objects.get()
    assert (version.state, version.alone, version.decided_by) == ("active", True, cast.owner)
    assert said_by(AuditEvent.objects.get(type="policy:activate"))["alone"] == "yes"
    admin = browser_of("admin")
    assert "Policy approved by its author" in text(admin.get("/"))
    assert "One person alone put this policy into force" in text(admin.get("/policy/"))


def test_nothing_is_saved_if_the_answer_has_changed(cast, browser_of):
    owner, sent = browser_of("owner"), proposal(write(STRICTER), reason="Because.")
    a_key(cast.user, name="New since", scopes=["read:activities"])
    page = owner.post(f"{PAGE}save/", sent)
    assert page.status_code == 409
    assert "New since" in text(page)
    assert "Nothing was saved" in text(page)
    assert dict(the(page, "input", name="reason").attributes)["value"] == "Because."
    assert not PolicyVersion.objects.exists()
    seen = dict(the(page, "input", name="seen").attributes)["value"]
    assert owner.post(f"{PAGE}save/", sent | {"seen": seen}).status_code == 302


def test_requests_of_the_last_90_days_are_compared(cast, browser_of, sandbox):
    generate(browser_of("admin"), name="Nightly")
    page = browser_of("owner").post(PAGE, as_form(changed(SYSTEM=everywhere(value=True))))
    assert "1 then 1" in text(page)
    assert "Of the 1 request for keys in the last 90 days" in text(page)


@in_one_test(
    "fields, said",
    [
        ({"longest-life_low": "0"}, "Low: a whole number from 1 to 3,660, or empty."),
        ({"longest-life_low": "x"}, "Low: a whole number from 1 to 3,660, or empty."),
        ({"approvals_low": "4"}, "Low: a whole number from 1 to 3, or empty."),
        (
            {"scope-pairs_entries": "read:users"},
            "“read:users” cannot be read. Write it as in: read:items:secrets",
        ),
        ({"scope-pairs_entries": "read:users + odd"}, "cannot be read"),
        ({"name-pattern_entries": "[a-z]"}, "“[a-z]” cannot be read"),
        ({"freeze_entries": "2026-12-31 to 2026-12-01"}, "cannot be read"),
        ({"expiry-hours_entries": "Mon-Fri 09:00-17:00 Mars/Base"}, "cannot be read"),
        ({"approvals_mode": "enforce", "approvals_critical": "3"}, "at least 4 Owners or Super Admins"),
        ({}, "This is the policy that is in force."),
    ],
)
def test_a_policy_that_is_not_valid_is_refused_beside_the_field_with_all_input(
    cast, browser_of, fields, said
):
    page = browser_of("owner").post(PAGE, as_form(DEFAULT) | {"name-pattern_entries": ""} | fields)
    assert page.status_code == 422
    assert said in text(page)
    for name, value in fields.items():
        field = next(each for each in elements(page) if dict(each.attributes).get("name") == name)
        assert value in str(field), "the input is kept"


def test_a_policy_leaves_and_returns_as_the_same_bytes(cast, browser_of):
    policy = enforced(
        PAIRS={"entries": ("read:items:secrets + write:users",)},
        NAME={"entries": ("*-prod",)},
        FREEZE={"entries": ("2026-12-20 to 2027-01-02",)},
        EXPIRY={"entries": ("Mon-Fri 09:00-17:00 Europe/Berlin",)},
    )
    in_force(cast.owner, policy)
    owner = browser_of("owner")
    exported = owner.get("/policy/export/").content
    assert read(exported.decode()) == policy
    form = owner.post(f"{PAGE}fill/", {"file": SimpleUploadedFile("policy.json", exported)})
    assert form.status_code == 200
    assert write(read(exported.decode())).encode() == exported
    assert write(read(DEFAULT_DOCUMENT)) == DEFAULT_DOCUMENT
    assert read(DEFAULT_DOCUMENT) == DEFAULT
    assert owner.get("/policy/export/?version=0").content.decode() == DEFAULT_DOCUMENT
    refused = owner.post(f"{PAGE}fill/", {"file": SimpleUploadedFile("policy.json", b"{}")})
    assert "The document has no “rules”." in text(refused)
    sent_back = owner.post(f"{PAGE}fill/", {"document": write(STRICTER)})
    assert "checked" in dict(the(sent_back, "input", id="id_backup_low").attributes)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("366", "0", "must be null or a whole number from 1 to 3,660"),
        ("366", "true", "must be null or a whole number"),
        ('"report"', '"audit"', "must have the mode off, report or enforce"),
        ('"schema": 1', '"schema": 2', "The schema of the document must be 1."),
        ('"schema": 1', '"schema": 1, "more": 1', "has “more”, which the portal does not know"),
        ('"schema": 1', '"schema": 1, "schema": 1', "has the same name twice"),
        ('"read:users": "medium"', '"read:users": "critical"', "must be low, medium or high"),
        ('"entries": []', '"entries": [1]', "must be a list of texts"),
        ('"schema": 1', '"schema": 1,', "This is not JSON that the portal can read."),
    ],
)
def test_a_document_outside_the_schema_is_refused(before, after, said):
    assert before in DEFAULT_DOCUMENT
    with pytest.raises(ValueError, match=said.replace("“", ".").replace("”", ".")):
        read(DEFAULT_DOCUMENT.replace(before, after, 1))


def test_an_approved_version_starts_and_only_another_person_approves(cast, browser_of):
    version = a_version(cast.owner, enforced(TEAM={}))
    page, path = "/policy/1/", "/policy/1/approve/"
    author, other = browser_of("owner"), browser_of("super_admin")
    seen = {"seen": checked_preview(version.document).digest}
    assert "Withdraw it" in text(author.get(page))
    refused = author.post(path, seen)
    assert refused.status_code == 403
    assert "another Owner or Super Admin must approve it" in text(refused)
    a_key(cast.user, team="")
    stale = other.post(path, seen)
    assert stale.status_code == 409, "a key was added since"
    seen = {"seen": dict(the(stale, "input", name="seen").attributes)["value"]}
    assert other.post(path, seen).status_code == 302
    version.refresh_from_db()
    assert (version.state, version.decided_by) == ("active", cast.super_admin)
    assert other.post(path, seen).status_code == 409


def test_a_proposal_is_declined_by_another_person_and_withdrawn_by_its_author(cast, browser_of):
    a_version(cast.owner, enforced(TEAM={}))
    author, other = browser_of("owner"), browser_of("super_admin")
    assert other.post("/policy/1/withdraw/").status_code == 403
    assert author.post("/policy/1/decline/", {"reason": "R"}).status_code == 403
    assert "Say why" in text(other.post("/policy/1/decline/", {"reason": ""}))
    assert other.post("/policy/1/decline/", {"reason": "Not before the audit."}).status_code == 302
    assert "Not before the audit." in text(author.get("/policy/1/"))
    a_version(cast.owner, enforced(TEAM={}), number=2)
    assert author.post("/policy/2/withdraw/").status_code == 302
    states = list(PolicyVersion.objects.order_by("number").values_list("state", flat=True))
    assert states == ["declined", "withdrawn"]
    types = set(AuditEvent.objects.values_list("type", flat=True))
    assert {"policy:decline", "policy:withdraw"} <= types


def test_a_changed_document_or_base_is_not_approved(cast, browser_of):
    version = a_version(cast.owner, enforced(TEAM={}))
    other = browser_of("super_admin")
    PolicyVersion.objects.update(document=write(enforced(BACKUP={})))
    assert "was changed in the database" in text(other.get("/policy/1/"))
    assert other.post("/policy/1/approve/", {"seen": "x"}).status_code == 409
    PolicyVersion.objects.update(document=version.document)
    in_force(cast.owner, STRICTER, number=2)
    assert "Propose it again" in text(other.get("/policy/1/"))
    assert other.post("/policy/1/approve/", {"seen": "x"}).status_code == 409
