"""Stage each change that the portal can make, with the events that record it, for test_acts.py."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import QueryDict
from django.utils import timezone

from keys.actions.audit.explain_damage import explain_damage
from keys.actions.audit.export_csv import export_activity, export_inventory
from keys.actions.audit.export_evidence import export_evidence
from keys.actions.audit.verify import request_verification
from keys.actions.audit.view_inventory import view_inventory
from keys.actions.audit.view_past import view_past
from keys.actions.bulk.start import start_bulk
from keys.actions.bulk.stop import stop_bulk
from keys.actions.compare.confirm_group import Confirmation, confirm_group
from keys.actions.keys.acknowledge import acknowledge_key
from keys.actions.keys.adopt import adopt_key
from keys.actions.keys.await_paste import await_paste
from keys.actions.keys.claim import claim_key
from keys.actions.keys.confirm_removal import confirm_removal
from keys.actions.keys.correct import Correction, correct_key
from keys.actions.keys.delete import delete_key
from keys.actions.keys.edit import Edit, edit_key
from keys.actions.keys.enter_reading import Reading, enter_reading
from keys.actions.keys.find_leaked import find_leaked
from keys.actions.keys.import_keys import import_keys
from keys.actions.keys.issue import issue_key
from keys.actions.keys.paste import paste_key
from keys.actions.keys.reconcile import reconcile
from keys.actions.keys.register import register_key
from keys.actions.keys.rescope import rescope_key
from keys.actions.keys.save_in_cerby import save_in_cerby
from keys.actions.keys.settle_scopes import settle_scopes
from keys.actions.keys.withdraw import withdraw_import, withdraw_key
from keys.actions.leavers.assign import assign_tasks
from keys.actions.leavers.plan import plan_keys
from keys.actions.people import sign_in
from keys.actions.people.add import add_person
from keys.actions.people.change_password import change_password
from keys.actions.people.end_sessions import end_sessions
from keys.actions.people.erase import erase_person
from keys.actions.people.refresh import refresh_person
from keys.actions.people.refresh_all import refresh_everyone
from keys.actions.people.remove import remove_person
from keys.actions.people.sign_out_elsewhere import sign_out_elsewhere
from keys.actions.people.unlink_sso import unlink_sso
from keys.actions.reach.accept import accept_reach
from keys.actions.safeguards.keep import keep_key
from keys.actions.safeguards.pause import begin_pause
from keys.actions.safeguards.quarantine import Cause, end_quarantine, start_quarantine
from keys.actions.saved_views import delete_view, edit_view, save_view, store_state
from keys.actions.sso.link import link_person
from keys.audit import log
from keys.models import ApiKey, HeldBack, Quarantine, Reach, ScopeChange, Selection, User
from keys.rules.events import Event
from keys.rules.leaving import Plan
from keys.rules.lifecycle import SETTLED_AFTER, State
from keys.rules.permissions import Role
from keys.rules.sso import Claims
from keys.selectors.compare.matching import Group
from keys.selectors.compare.plan import Paste, comparison
from keys.validation.existing_key import Registration
from keys.validation.ownership import Ownership
from tests import cast as people
from tests.cast import a_key, actor, with_a_life
from tests.domain.keys import factor_acts, notification_acts, policy_acts, request_acts, rotation_acts
from tests.support.scene import Scene

CORRECTION = Correction("Right", people.email_of("owner"), datetime(2099, 1, 1, tzinfo=UTC), "A typo.")
Act = Callable[[], Any]
Staged = Callable[[Scene], Act]
"""A function that sets the scene and returns the action to call."""


def on(act: Callable[..., Any], subject: Callable[[Scene], Any], *arguments: Any, **named: Any) -> Staged:
    """Return a stage that calls ``act(actor, subject, …)`` on a prepared subject."""

    def stage(scene: Scene) -> Act:
        made = subject(scene)
        return lambda: act(scene.me, made, *arguments, **named)

    return stage


def saving(scene: Scene) -> Act:
    key_id, plain = scene.viewed_key()
    vault = uuid.UUID(scene.sandbox.add_vault("Robots"))
    return lambda: save_in_cerby(scene.me, key_id, secret=plain, vault_id=vault)


def refreshing(scene: Scene) -> Act:
    scene.sandbox.set_person(scene.ids["user"], role="workspace_admin")
    return lambda: refresh_person(scene.cast.user)


def adding(scene: Scene) -> Act:
    User.objects.filter(pk=scene.cast.guest.pk).update(added_at=None, is_active=False)
    return lambda: add_person(scene.cast.guest.email)


def pasting(scene: Scene) -> Act:
    key = a_key(scene.cast.admin, state=State.AWAITED, cerby_id=None, stored_at=None, origin="pasted")
    plain = by_hand(scene)
    return lambda: paste_key(scene.me, key.id, plain)


def by_hand(scene: Scene) -> str:
    now = timezone.now()
    facts: dict[str, Any] = {
        "created_at": now,
        "expires_at": now + timedelta(days=1),
        "scopes": ["read:users"],
    }
    return scene.sandbox.add_key(owner_email=scene.cast.admin.email, name="By hand", **facts)[1]


def existing(scene: Scene) -> Registration:
    soon = timezone.now() + timedelta(days=1)
    return Registration("By hand", scene.cast.admin.email, "To test with.", soon, ("read:users",))


def registering(scene: Scene) -> Act:
    plain = by_hand(scene)
    return lambda: register_key(scene.me, existing(scene), secret=plain)


def declared_csv(scene: Scene) -> str:
    lines = [f"{name},{scene.cast.admin.email},2099-01-01,Why,read:users" for name in ("One", "Two")]
    return "\n".join(["name,owner,expires,purpose,scopes", *lines])


def declared(scene: Scene, **columns: Any) -> uuid.UUID:
    return a_key(scene.cast.admin, cerby_id=None, origin="declared", **columns).id


def imported(scene: Scene) -> uuid.UUID:
    import_id = uuid.uuid4()
    for _ in range(2):
        declared(scene, imported_in=import_id)
    return import_id


def to_be_removed_by_hand(scene: Scene) -> uuid.UUID:
    return a_key(scene.cast.admin, state=State.REVOKING, cerby_id=None, origin="declared").id


def in_doubt(scene: Scene) -> uuid.UUID:
    now = timezone.now()
    return a_key(scene.cast.admin, state=State.IN_DOUBT, cerby_id=None, stored_at=None, created_at=now).id


def found_again(scene: Scene) -> uuid.UUID:
    key_id = scene.key(stored_at=None)
    ApiKey.objects.filter(pk=key_id).update(state=State.IN_DOUBT, cerby_id=None)
    return key_id


def abandoned(scene: Scene) -> uuid.UUID:
    """Create a key whose process died during the call to Cerby, long ago."""
    long_ago = timezone.now() - SETTLED_AFTER - timedelta(minutes=2)
    key = a_key(
        scene.cast.admin,
        state=State.CALLING,
        cerby_id=None,
        stored_at=None,
        lease=uuid.uuid4(),
        lease_until=long_ago,
    )
    return key.id


def requested(scene: Scene) -> uuid.UUID:
    return a_key(scene.cast.admin, state=State.REQUESTED, cerby_id=None, stored_at=None).id


def settling(scene: Scene) -> Act:
    """Create a key whose process died during the call a minute ago. Cerby does not list it yet."""
    now = timezone.now()
    lease = {"lease": uuid.uuid4(), "lease_until": now}
    key = a_key(scene.cast.admin, state=State.CALLING, cerby_id=None, stored_at=None, **lease)
    with_a_life(key)
    return lambda: reconcile(key)


def changed_without_an_answer(scene: Scene) -> Act:
    """Create a key whose scopes Cerby has changed, as somebody asked, although its answer was lost."""
    key = ApiKey.objects.get(pk=scene.key())
    after = ["read:teams"]
    ScopeChange.objects.create(key=key, actor=scene.cast.admin, after=after, lease=None, until=timezone.now())
    log.append(Event.KEY_RESCOPE_STARTED, actor=scene.me, key=key, before=key.scopes, after=after)
    scene.sandbox.change_key(str(key.cerby_id), scopes=after)
    return lambda: settle_scopes(key)


def grown(scene: Scene) -> uuid.UUID:
    now = timezone.now()
    Reach.objects.create(person=scene.cast.admin, counted_at=now, due_at=now, secrets=2)
    return a_key(scene.cast.admin, reach_since=now - timedelta(days=1), reach_grew_at=now).id


def planning(scene: Scene) -> Act:
    key = a_key(scene.cast.guest)
    return lambda: plan_keys(scene.me, key.owner_id, [key.pk], Plan("remove"))


def leaving(scene: Scene) -> Act:
    a_key(scene.cast.guest, owner_left_at=timezone.now())
    return assign_tasks


def elsewhere(scene: Scene) -> Act:
    people.signed_in(scene.cast.admin)
    return lambda: sign_out_elsewhere(scene.me, here="")


def unlinking(scene: Scene) -> Callable[[], Any]:
    guest, owner = scene.cast.guest, actor(scene.cast.owner)
    claims = Claims("https://login.example.com", "id-of-guest", "", False, None, "")
    link_person(guest, claims, ip="", browser="")
    return lambda: unlink_sso(owner, guest.pk, reason="A new account.")


def erasing(scene: Scene) -> Act:
    User.objects.filter(pk=scene.cast.guest.pk).update(is_active=False)
    return lambda: erase_person(None, scene.cast.guest.email)


def held_back(scene: Scene) -> uuid.UUID:
    """Create a held key, which only the highest roles may keep."""
    User.objects.filter(pk=scene.cast.admin.pk).update(role=Role.SUPER_ADMIN)
    key_id = scene.key(state=State.ABSENT)
    HeldBack.objects.create(key_id=key_id, reason="Why", since=timezone.now())
    return key_id


def damaged(scene: Scene) -> int:
    """Create damage, which only the highest roles may explain."""
    User.objects.filter(pk=scene.cast.admin.pk).update(role=Role.SUPER_ADMIN)
    return people.a_damaged_record().pk


def ending(_: Scene) -> Act:
    Quarantine.objects.create(since=timezone.now(), cause=Cause.OPERATOR)
    return lambda: end_quarantine(None)


def comparing(scene: Scene) -> Act:
    scene.key(name="Nightly export")
    paste = Paste(f"Nightly export\t1 day ago\t{scene.cast.admin.email}\tActive\n")
    shown = comparison(scene.me, paste).digest(Group.CONFIRMED)
    return lambda: confirm_group(scene.me, paste, Confirmation(Group.CONFIRMED, shown))


ACTIVE = QueryDict("status=active")
DONE: dict[str, tuple[Staged, list[str]]] = {
    "keys/issue": (on(issue_key, Scene.request), ["key:request", "key:call", "key:issue"]),
    "keys/await_paste": (on(await_paste, Scene.request), ["key:request", "key:await"]),
    "keys/paste": (pasting, ["key:paste"]),
    "keys/register: with its value": (registering, ["key:register"]),
    "keys/register: declared": (on(register_key, existing), ["key:register"]),
    "keys/import_keys": (on(import_keys, declared_csv), ["key:register", "key:register"]),
    "keys/find_leaked": (lambda scene: lambda: find_leaked(scene.me, text="a suspicious text"), ["key:find"]),
    "keys/confirm_removal": (on(confirm_removal, to_be_removed_by_hand), ["key:confirm-removal"]),
    "keys/enter_reading": (on(enter_reading, declared, Reading(never_used=True)), ["key:reading"]),
    "compare/confirm_group": (comparing, ["key:confirm", "inventory:compare"]),
    "keys/claim": (on(claim_key, Scene.waiting_key, session="s"), ["key:reveal"]),
    "keys/acknowledge": (on(acknowledge_key, lambda scene: scene.viewed_key()[0]), ["key:store"]),
    "keys/save_in_cerby": (saving, ["key:start-save", "key:store"]),
    "keys/rescope": (on(rescope_key, Scene.key, "read:items", on=True), ["key:start-rescope", "key:rescope"]),
    "keys/settle_scopes": (changed_without_an_answer, ["key:rescope"]),
    "keys/delete": (on(delete_key, Scene.key), ["key:start-delete", "key:delete"]),
    "keys/delete: before it was asked for": (on(delete_key, requested), ["key:cancel"]),
    "keys/delete: answer lost, not made": (on(delete_key, abandoned), ["key:lose-answer", "key:look-up"]),
    "keys/delete: answer lost, made": (on(delete_key, found_again), ["key:look-up", "key:delete"]),
    "audit/export_csv: inventory": (on(export_inventory, lambda _: QueryDict()), ["inventory:export"]),
    "audit/export_csv: activity": (on(export_activity, lambda _: QueryDict()), ["activity:export"]),
    "audit/export_evidence": (
        lambda scene: (
            lambda: export_evidence(scene.me, timezone.now() - timedelta(days=1), timezone.now()).close()
        ),
        ["policy:apply", "evidence:export"],
    ),
    "audit/verify": (
        lambda scene: lambda: request_verification(scene.me, lambda _: None),
        ["record:start-verify"],
    ),
    "audit/explain_damage": (on(explain_damage, damaged, "A backup was restored."), ["record:explain"]),
    "people/refresh": (refreshing, ["person:change"]),
    "people/refresh_all": (lambda scene: lambda: refresh_everyone(scene.me), ["roles:refresh"]),
    "people/add": (adding, ["person:add", "person:change"]),
    "people/end_sessions": (
        lambda scene: lambda: end_sessions(scene.me, scene.cast.guest.pk, reason="A stolen laptop."),
        ["session:revoke"],
    ),
    "people/sign_out_elsewhere": (elsewhere, ["session:close"]),
    "people/remove": (lambda scene: lambda: remove_person(scene.cast.guest.email), ["person:remove"]),
    "people/sign_in": (
        lambda scene: lambda: sign_in.record(scene.cast.admin, ip="192.0.2.7", browser="Chrome on Linux"),
        ["session:start"],
    ),
    "people/change_password": (
        lambda scene: (
            lambda: change_password(
                User.objects.get(pk=scene.cast.admin.pk),
                "nine green bottles hang",
                by_link=False,
                ip="192.0.2.7",
                browser="",
            )
        ),
        ["password:change"],
    ),
    "people/erase": (erasing, ["person:erase"]),
    "people/unlink_sso": (unlinking, ["sso:unlink"]),
    "keys/adopt": (
        on(adopt_key, lambda scene: scene.key(origin="discovered", purpose=""), purpose="Exports."),
        ["key:adopt"],
    ),
    "keys/edit": (
        on(edit_key, Scene.key, Edit(Ownership(team="Data"), note="", purpose="Exports."), version=0),
        ["key:edit"],
    ),
    "reach/accept": (on(accept_reach, grown), ["key:reach-accept"]),
    "leavers/plan": (planning, ["key:plan"]),
    "leavers/assign": (leaving, ["key:owner-leave"]),
    "keys/correct": (on(correct_key, declared, CORRECTION, version=0), ["key:correct"]),
    "keys/withdraw": (on(withdraw_key, declared, reason="Registered twice."), ["key:withdraw"]),
    "keys/withdraw: an import": (
        on(withdraw_import, imported, reason="The wrong file."),
        ["key:withdraw", "key:withdraw"],
    ),
    **request_acts.DONE,
    **rotation_acts.DONE,
    "safeguards/keep": (on(keep_key, held_back), ["key:keep"]),
    "safeguards/quarantine: start": (
        lambda _: lambda: start_quarantine(Cause.OPERATOR, "Why"),
        ["quarantine:start"],
    ),
    "safeguards/quarantine: end": (ending, ["quarantine:end"]),
    "safeguards/pause": (lambda _: lambda: begin_pause(0), ["pause:start"]),
    "keys/reconcile": (settling, ["key:lose-answer"]),
    "audit/view_inventory": (lambda scene: lambda: view_inventory(scene.me, QueryDict()), ["inventory:view"]),
    "audit/view_inventory: search": (on(view_inventory, lambda _: ACTIVE), ["inventory:search"]),
    "audit/view_past": (lambda scene: lambda: view_past(scene.me, QueryDict()), ["inventory:search"]),
    "bulk/start": (on(start_bulk, Scene.selection, Selection.Act.REMIND, str), ["bulk:start"]),
    "bulk/stop": (on(stop_bulk, Scene.running_selection), ["bulk:stop"]),
    "saved_views/save_view": (
        on(save_view.save_view, lambda _: "inventory", ACTIVE, "New", shared=True),
        ["view:share"],
    ),
    "saved_views/edit_view": (on(edit_view.edit_view, Scene.view, "New", shared=True), ["view:change"]),
    "saved_views/store_state": (on(store_state.store_state, Scene.view, ACTIVE), ["view:change"]),
    "saved_views/delete_view": (on(delete_view.delete_view, Scene.view), ["view:delete"]),
    **factor_acts.DONE,
    **notification_acts.DONE,
    **policy_acts.DONE,
    "people/sign_in: end": (lambda scene: lambda: sign_in.record_end(scene.me), ["session:end"]),
}
NO_ACT_OF_ITS_OWN = {
    **dict.fromkeys(("bulk/freeze", "bulk/as_started", "bulk/carry_out", "bulk/one_key"), "test_bulk.py"),
    "reach/count": "counts what people own in Cerby, and records which keys can open more: test_reach.py",
    "dropped": "remembers what could not be read, for an alert: tests/cerby/test_published.py",
    **dict.fromkeys(
        tuple(f"sso/{step}" for step in ("begin", "confirm", "find", "link", "refuse", "take")),
        "steps of a visit to the sign-in provider: test_sso.py",
    ),
    "people/choose_time_zone": "changes nothing but the person's own pages: test_account.py",
    **dict.fromkeys(("people/forget_factors", "people/copies"), "parts of other acts: test_refresh.py"),
    "people/password_link": "makes a link: test_accounts_passwords.py",
    "people/throttle": "counts attempts that the views record: test_throttle.py",
    "circuit_breaker": "records that a run was stopped: test_sweep.py, test_refresh_all.py",
    "transition": "changes a key's state for every other act: test_transition.py",
    "sync/revoke_orphans": "the last step of the sweep: test_sweep.py, test_quarantine.py",
    **dict.fromkeys(("safeguards/hold_back", "safeguards/rollback_guard"), "test_quarantine.py"),
    "sync/sweep": "goes through Cerby's list, what fails with one key does not stop the others: test_sweep.py",
    **dict.fromkeys(("sync/compare", "sync/discover"), "parts of the sweep: test_sweep.py"),
    **dict.fromkeys(("keys/repair", "sync/reclaim"), "restores a row from the log: test_repair.py"),
    "sync/owners": "a step of the sweep; reads people, and makes rows for those who are new",
    "people/confirm_role": "checks the permission for other acts: test_confirm_role.py",
    **dict.fromkeys(
        ("saved_views/turn", "saved_views/record", "bulk/tell_reminded", "compare/end_task", "leavers/tell"),
        "parts of the acts beside them",
    ),
    **rotation_acts.PARTS,
    **dict.fromkeys(("channels/one_channel", "people/one_person"), "find what the acts beside them change"),
    "inbox/finish": "changes nothing but the person's own inbox: test_inbox.py",
    "notifications/forget_old": "deletes what has been kept for long enough: notifications/test_acts.py",
    "policy/find": "compares keys with the policy, and changes no key: test_findings.py",
    **dict.fromkeys(("notifications/notify", "notifications/settle"), "parts of other acts: test_outbox.py"),
    **request_acts.PARTS,
    "people/accountable": "finds the people whom other acts record: test_ownership.py",
    **dict.fromkeys(("keys/revoke", "keys/match_cerby_id", "keys/prove"), "steps of other acts of keys"),
}
