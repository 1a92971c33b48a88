"""Rotations: the list, the page of one, and its buttons."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.models import ApiKey, Rotation
from keys.rules.lifecycle import State
from tests.cast import a_key, a_live_key
from tests.domain.rotation.steps import a_rotation
from tests.pages.helpers import links, reason_beside, rows, text, the, within, words

HOUR = timedelta(hours=1)


@pytest.fixture
def rotation(cast, sandbox):
    """Return a rotation in OVERLAP, whose new key is stored and not used."""
    old = a_live_key(sandbox, cast.admin, name="Nightly export")[0]
    ApiKey.objects.filter(pk=old.pk).update(lineage=old.pk, generation=1)
    new = a_live_key(sandbox, cast.admin, name="Nightly export · r2", lineage=old.pk, generation=2)[0]
    return a_rotation(ApiKey.objects.get(pk=old.pk), new)


def url(rotation: Rotation, act: str = "") -> str:
    return f"/rotations/{rotation.pk}/{act}"


def prove(rotation: Rotation) -> None:
    """Let the new key be in use for 25 hours and the old one be quiet since then."""
    now = timezone.now()
    ApiKey.objects.filter(pk=rotation.new_id).update(last_used_at=now, confirmed_at=now)
    ApiKey.objects.filter(pk=rotation.old_id).update(confirmed_at=now)
    Rotation.objects.filter(pk=rotation.pk).update(state="quiet", used_at=now - 25 * HOUR, quiet_at=now)


def state_of(rotation: Rotation) -> tuple[str, str, str]:
    found = Rotation.objects.select_related("old", "new").get(pk=rotation.pk)
    return found.state, found.old.state, found.new.state


def test_with_proof_retire_is_one_button(browser_of, rotation):
    prove(rotation)
    admin = browser_of("admin")
    page = text(admin.get(url(rotation)))
    assert "The old key is quiet: proved" in page
    assert "Retire it although" not in page
    assert admin.post(url(rotation, "retire/"))["Location"] == url(rotation)
    assert state_of(rotation) == ("retired", State.REVOKED, State.HELD)
    after = text(admin.get(url(rotation)))
    assert "proof: the new key was used, and the old one was quiet" in after
    assert "Kill now" not in after


def test_without_proof_it_needs_a_tick_and_a_reason(browser_of, rotation):
    admin = browser_of("admin")
    refused = admin.post(url(rotation, "retire/"))
    assert refused.status_code == 422
    assert reason_beside(refused, "id_retire_without_proof")
    assert admin.post(url(rotation, "retire/"), {"without_proof": "on"}).status_code == 422
    assert state_of(rotation) == ("overlap", State.HELD, State.HELD)
    admin.post(url(rotation, "retire/"), {"without_proof": "on", "reason": "The robot is off."})
    assert state_of(rotation) == ("retired", State.REVOKED, State.HELD)


def test_kill_now_deletes_the_old_key(browser_of, rotation):
    admin = browser_of("admin")
    assert admin.post(url(rotation, "kill/")).status_code == 422
    ApiKey.objects.filter(pk=rotation.new_id).update(state=State.CLAIMED)
    admin.post(url(rotation, "kill/"), {"reason": "It is on a public page."})
    assert state_of(rotation)[1] == State.HELD, "nobody has ticked that software stops working"
    admin.post(url(rotation, "kill/"), {"reason": "It is on a public page.", "stops": "on"})
    assert state_of(rotation) == ("retired", State.REVOKED, State.CLAIMED)
    page = admin.get(url(rotation))
    assert links(page)["Store the new key"] == f"/keys/{rotation.new_id}/store/"
    assert "State Killed Ended" in text(page)
    assert rows(admin.get("/rotations/?state=retired"))[0]["State"].startswith("Killed")


def test_extending_needs_a_reason(browser_of, rotation):
    admin = browser_of("admin")
    assert admin.post(url(rotation, "extend/"), {"overlap": "3d"}).status_code == 422
    admin.post(url(rotation, "extend/"), {"overlap": "3d", "reason": "A holiday."})
    ends = Rotation.objects.get(pk=rotation.pk).overlap_until
    assert ends - rotation.overlap_until > 2 * 24 * HOUR
    earlier = admin.post(url(rotation, "extend/"), {"overlap": "1h", "reason": "A holiday."})
    assert "That is not later than the present end." in text(earlier)


def test_calling_off_deletes_the_new_key(browser_of, rotation):
    admin = browser_of("admin")
    admin.post(url(rotation, "call-off/"), {"reason": "The wrong key.", "stops": "on"})
    assert state_of(rotation) == ("called_off", State.HELD, State.REVOKED)
    page = text(admin.get(url(rotation)))
    assert "Call it off" not in page
    assert "It was deleted." in page
    assert "It was not, before the rotation ended" in page


def test_only_possible_lengths_are_offered(browser_of, rotation):
    admin = browser_of("admin")
    Rotation.objects.filter(pk=rotation.pk).update(overlap_until=timezone.now() + 2 * 24 * HOUR)
    ApiKey.objects.filter(pk=rotation.old_id).update(expires_at=timezone.now() + 5 * 24 * HOUR)
    offered = within(the(admin.get(url(rotation)), "select", id="id_extend_overlap"), "option")
    assert [words(option) for option in offered] == ["3 days", "Until the old key expires"]
    Rotation.objects.filter(pk=rotation.pk).update(overlap_until=timezone.now() + 5 * 24 * HOUR)
    assert "so it cannot last longer" in text(admin.get(url(rotation)))
    past = timezone.now() - HOUR
    Rotation.objects.filter(pk=rotation.pk).update(state="overdue", overlap_until=past)
    offered = within(the(admin.get(url(rotation)), "select", id="id_extend_overlap"), "option")
    assert words(offered[0]) == "1 hour", "an overlap that ends now is no extension"
    assert admin.post(url(rotation, "extend/"), {"overlap": "now", "reason": "A holiday."}).status_code == 422
    ApiKey.objects.filter(pk=rotation.old_id).update(expires_at=past)
    assert "so it cannot last longer" in text(admin.get(url(rotation)))


def test_after_a_suspected_leak_every_page_leads_to_kill_now(browser_of, rotation):
    Rotation.objects.filter(pk=rotation.pk).update(because="suspected-leak")
    admin = browser_of("admin")
    for address in (f"/keys/{rotation.old_id}/", f"/keys/{rotation.new_id}/", url(rotation)):
        assert links(admin.get(address))["Kill it now"] == f"{url(rotation)}#kill"
    store = browser_of("admin").get(f"/keys/{rotation.new_id}/store/")
    assert links(store)["Kill it now"] == f"{url(rotation)}#kill"


def test_a_key_that_is_in_use_again_turns_the_card_amber(browser_of, rotation):
    Rotation.objects.filter(pk=rotation.pk).update(returned_at=timezone.now())
    for address in (url(rotation), f"/keys/{rotation.old_id}/", f"/keys/{rotation.new_id}/"):
        assert "The old key was used again" in text(browser_of("admin").get(address))


def test_in_assisted_mode_a_person_deletes_the_old_key_in_cerby(browser_of, rotation, settings):
    settings.CERBY_ISSUE_MODE = "assisted"
    admin = browser_of("admin")
    reading = links(admin.get(url(rotation)))["Enter a reading of Nightly export"]
    assert reading == f"/keys/{rotation.old_id}/reading/?back={url(rotation)}"
    answer = admin.post(url(rotation, "kill/"), {"reason": "A leak.", "stops": "on"})
    assert answer["Location"] == f"/keys/{rotation.old_id}/removal/"


def test_the_list_filters_by_state_and_reason(browser_of, cast, rotation):
    ended = a_rotation(
        a_key(cast.admin, name="Former"),
        a_key(cast.admin),
        state="called_off",
        ended_at=timezone.now(),
        because="policy",
    )
    admin = browser_of("admin")

    def shown(query: str) -> list[str]:
        return [row["Rotation of"] for row in rows(admin.get(f"/rotations/?{query}"))]

    assert shown("") == ["Nightly export"]
    assert shown("state=called_off") == ["Former"]
    assert sorted(shown("state=all")) == ["Former", "Nightly export"]
    assert shown("state=all&because=policy") == ["Former"]
    assert "No rotation fits these filters." in text(admin.get("/rotations/?because=policy"))
    assert shown("state=nonsense") == ["Nightly export"]
    assert links(admin.get(f"/rotations/?state=all&after={rotation.pk}")) is not None
    assert str(ended.pk) in admin.get("/rotations/?state=called_off").content.decode()


def test_the_dashboard_counts_what_waits(browser_of, rotation):
    Rotation.objects.filter(pk=rotation.pk).update(state="overdue")
    page = browser_of("admin").get("/")
    assert "Rotations overdue" in text(page)
    assert "/rotations/?state=overdue" in page.content.decode()
