"""Define the URLs of the portal's pages. A page's URL name, view, template and test file share one word."""

from __future__ import annotations

from django.urls import URLPattern, path, register_converter
from django.urls.converters import IntConverter

from keys.models import SavedView
from keys.views import (
    account,
    activity,
    authenticator,
    bulk,
    calendar,
    channel,
    channels,
    compare,
    correct,
    dashboard,
    edit,
    emergency,
    enrol,
    event,
    evidence,
    exceptions,
    find,
    health,
    imports,
    inbox,
    inventory,
    key,
    leaving,
    mine,
    passkey,
    past,
    paste,
    person,
    policy,
    posture,
    proposal,
    reading,
    recovery,
    register,
    removal,
    request,
    review,
    reviews,
    roles,
    rotate,
    rotation,
    saved_views,
    store,
    unlink,
    verification,
    withdraw,
    wizard,
)
from keys.views import help as help_page
from keys.views import settings as settings_page

app_name = "keys"


class RowConverter(IntConverter):
    """The number of a row. A larger one fits no column, so it is no address of a page."""

    regex = "[0-9]{1,18}"


register_converter(RowConverter, "row")


def _saved_views(address: str, page: SavedView.Page) -> list[URLPattern]:
    """Return the addresses that save, store, edit and delete the saved views of the list ``page``."""
    one, listed = f"{address}/views/<row:view_id>", {"page": page}
    return [
        path(f"{address}/views/", saved_views.save_list, listed, name=f"{page}-save"),
        path(f"{one}/store/", saved_views.store_list, listed, name=f"{page}-store"),
        path(f"{one}/edit/", saved_views.change_view, listed, name=f"{page}-edit"),
        path(f"{one}/delete/", saved_views.forget_view, listed, name=f"{page}-forget"),
    ]


urlpatterns = [
    # Dashboard
    path("", dashboard.dashboard, name="dashboard"),
    # Inbox
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/read/", inbox.all_read, name="inbox-all"),
    path("inbox/<row:item_id>/done/", inbox.mark_done, name="inbox-done"),
    # Inventory
    path("keys/", inventory.inventory, name="inventory"),
    path("keys/export/", inventory.export_inventory_csv, name="inventory-export"),
    *_saved_views("keys", SavedView.Page.INVENTORY),
    # The inventory as of a past time
    path("keys/past/", past.past, name="past"),
    path("keys/past/export/", past.export_past_csv, name="past-export"),
    # Stop all keys of a team, system, vendor or agent
    path("keys/emergency/", emergency.emergency, name="emergency"),
    # Bulk actions on selected keys
    path("keys/bulk/select/", bulk.select, name="bulk-select"),
    path("keys/bulk/count/", bulk.count, name="bulk-count"),
    path("keys/bulk/<uuid:selection_id>/", bulk.bulk, name="bulk"),
    path("keys/bulk/<uuid:selection_id>/start/", bulk.begin, name="bulk-start"),
    path("keys/bulk/<uuid:selection_id>/stop/", bulk.stop, name="bulk-stop"),
    path("keys/bulk/<uuid:selection_id>/again/", bulk.again, name="bulk-again"),
    path("keys/bulk/<uuid:selection_id>/export/", bulk.export, name="bulk-export"),
    # Wizard: Generate API key
    path("keys/new/", wizard.wizard, name="wizard"),
    path("keys/new/details/", wizard.details, name="wizard-details"),
    path("keys/new/scopes/", wizard.scopes, name="wizard-scopes"),
    path("keys/new/generate/", wizard.generate, name="wizard-generate"),
    # Store your API key
    path("keys/<uuid:key_id>/store/", store.store, name="store"),
    path("keys/<uuid:key_id>/store/claim/", store.claim, name="store-claim"),
    path("keys/<uuid:key_id>/store/save/", store.save_key, name="store-save"),
    path("keys/<uuid:key_id>/store/done/", store.done, name="store-done"),
    # Paste an API key that was created in Cerby's web app
    path("keys/<uuid:key_id>/paste/", paste.paste, name="paste"),
    # Keys that exist already
    path("keys/register/", register.register, name="register"),
    path("keys/import/", imports.imports, name="imports"),
    path("keys/import/confirm/", imports.import_now, name="imports-confirm"),
    path("keys/mine/", mine.mine, name="mine"),
    path("keys/find/", find.find, name="find"),
    # Compare with Cerby's web app
    path("keys/compare/", compare.compare, name="compare"),
    path("keys/compare/confirm/", compare.confirm, name="compare-confirm"),
    # Manual deletion in Cerby's web app
    path("keys/<uuid:key_id>/removal/", removal.removal, name="removal"),
    path("keys/<uuid:key_id>/removal/confirm/", removal.confirm_removed, name="removal-confirm"),
    # API key settings
    path("keys/<uuid:key_id>/", key.key, name="key"),
    path("keys/<uuid:key_id>/correct/", correct.correct, name="correct"),
    path("keys/<uuid:key_id>/withdraw/", withdraw.withdraw, name="withdraw"),
    path("keys/<uuid:key_id>/rotate/", rotate.rotate, name="rotate"),
    path("keys/<uuid:key_id>/edit/", edit.edit, name="edit"),
    path("keys/<uuid:key_id>/adopt/", key.adopt, name="key-adopt"),
    path("keys/<uuid:key_id>/accept-reach/", key.accept_grown_reach, name="key-accept-reach"),
    path("keys/<uuid:key_id>/keep/", key.keep, name="key-keep"),
    path("keys/<uuid:key_id>/rescope/", key.rescope, name="key-rescope"),
    path("keys/<uuid:key_id>/delete/", key.delete, name="key-delete"),
    path("keys/<uuid:key_id>/reading/", reading.reading, name="reading"),
    # Policy
    path("policy/", policy.policy, name="policy"),
    path("policy/export/", policy.export_document, name="policy-export"),
    path("policy/proposal/", proposal.edit_policy, name="proposal"),
    path("policy/proposal/fill/", proposal.fill, name="proposal-fill"),
    path("policy/proposal/keys/", proposal.keys_as_csv, name="proposal-keys"),
    path("policy/proposal/save/", proposal.propose, name="proposal-save"),
    path("policy/exceptions/", exceptions.all_exceptions, name="exceptions"),
    path("keys/<uuid:key_id>/exceptions/ask/", exceptions.ask, name="exceptions-ask"),
    path("policy/exceptions/<uuid:exception_id>/grant/", exceptions.grant, name="exceptions-grant"),
    path("policy/exceptions/<uuid:exception_id>/decline/", exceptions.decline_one, name="exceptions-decline"),
    path("policy/exceptions/<uuid:exception_id>/end/", exceptions.end_early, name="exceptions-end"),
    path("policy/<row:number>/", policy.version, name="policy-version"),
    path("policy/<row:number>/approve/", policy.approve, name="policy-approve"),
    path("policy/<row:number>/decline/", policy.decline, name="policy-decline"),
    path("policy/<row:number>/withdraw/", policy.withdraw_version, name="policy-withdraw"),
    # Requests for approval
    path("requests/", request.requests, name="requests"),
    path("requests/<uuid:request_id>/", request.request_, name="request"),
    path("requests/<uuid:request_id>/approve/", request.approve_one, name="request-approve"),
    path("requests/<uuid:request_id>/deny/", request.deny_one, name="request-deny"),
    path("requests/<uuid:request_id>/offer/", request.offer_one, name="request-offer"),
    path("requests/<uuid:request_id>/answer/", request.answer, name="request-answer"),
    path("requests/<uuid:request_id>/withdraw/", request.withdraw_one, name="request-withdraw"),
    path("requests/<uuid:request_id>/use/", request.use, name="request-use"),
    path("requests/<uuid:request_id>/review/", request.review_one, name="request-review"),
    # Reviews of keys
    path("reviews/", reviews.reviews, name="reviews"),
    path("reviews/start/", reviews.start_one_review, name="reviews-start"),
    path("reviews/<uuid:campaign_id>/", review.review, name="review"),
    path("reviews/<uuid:campaign_id>/decide/", review.decide_one, name="review-decide"),
    path("reviews/<uuid:campaign_id>/keep/", review.keep_several, name="review-keep"),
    path("reviews/<uuid:campaign_id>/items/<row:item_id>/", review.item, name="review-item"),
    path("reviews/<uuid:campaign_id>/items/<row:item_id>/move/", review.move, name="review-move"),
    path("reviews/<uuid:campaign_id>/items/<row:item_id>/done/", review.declare, name="review-done"),
    path("reviews/<uuid:campaign_id>/sign/", review.sign, name="review-sign"),
    path("reviews/<uuid:campaign_id>/stop/", review.stop_repeating_it, name="review-stop"),
    path("reviews/<uuid:campaign_id>/pack/", review.download_pack, name="review-pack"),
    # Posture
    path("posture/", posture.posture, name="posture"),
    # Rotations
    path("rotations/", rotation.rotations, name="rotations"),
    path("rotations/<uuid:rotation_id>/", rotation.rotation, name="rotation"),
    path("rotations/<uuid:rotation_id>/retire/", rotation.retire, name="rotation-retire"),
    path("rotations/<uuid:rotation_id>/kill/", rotation.kill, name="rotation-kill"),
    path("rotations/<uuid:rotation_id>/extend/", rotation.extend, name="rotation-extend"),
    path("rotations/<uuid:rotation_id>/call-off/", rotation.abandon, name="rotation-call-off"),
    # Activity
    path("activity/", activity.activity, name="activity"),
    path("activity/export/", activity.export_activity_csv, name="activity-export"),
    # Verify the audit log
    path("activity/verify/", verification.verification, name="verification"),
    path("activity/verify/start/", verification.start, name="verification-start"),
    path("activity/verify/explain/", verification.explain, name="verification-explain"),
    # Evidence pack
    path("activity/evidence/", evidence.evidence, name="evidence"),
    path("activity/evidence/download/", evidence.download, name="evidence-download"),
    # An event and its proof
    path("activity/<uuid:uid>/", event.event, name="event"),
    path("activity/<uuid:uid>/proof/", event.proof, name="event-proof"),
    *_saved_views("activity", SavedView.Page.ACTIVITY),
    # People
    path("people/", person.people, name="people"),
    path("people/add/", person.add, name="person-add"),
    path("people/<row:user_id>/", person.person, name="person"),
    path("people/<row:user_id>/leaving/", leaving.leaving, name="leaving"),
    path("people/<row:user_id>/leaving/pack/", leaving.pack, name="leaving-pack"),
    path("people/<row:user_id>/remove/", person.remove, name="person-remove"),
    path("people/<row:user_id>/sign-out/", person.sign_person_out, name="person-sign-out"),
    path("people/<row:user_id>/reset-factors/", person.reset_factors_of, name="person-reset-factors"),
    path("people/<row:user_id>/unlink/", unlink.unlink_person, name="person-unlink"),
    # Your account
    path("account/", account.account, name="account"),
    path("account/notifications/", account.notifications, name="account-notifications"),
    path("account/calendar/make/", calendar.make, name="calendar-make"),
    path("account/calendar/end/", calendar.end_address, name="calendar-end"),
    path("calendar/<slug:token>.ics", calendar.calendar, name="calendar"),
    path("account/time-zone/", account.time_zone, name="account-time-zone"),
    path("account/sessions/<uuid:handle>/end/", account.end_session, name="account-session-end"),
    path("account/sessions/end-others/", account.end_other_sessions, name="account-sessions-end"),
    path("account/unlink/", unlink.unlink_own, name="unlink"),
    # Second factors
    path("account/second-factor/", enrol.enrol, name="enrol"),
    path("account/passkeys/add/", passkey.add_own_passkey, name="passkey-add"),
    path("account/passkeys/options/", passkey.new_challenge, name="passkey-options"),
    path("account/passkeys/<row:passkey_id>/rename/", passkey.rename, name="passkey-rename"),
    path("account/passkeys/<row:passkey_id>/remove/", passkey.remove_own_passkey, name="passkey-remove"),
    path("account/authenticator/add/", authenticator.add_own_app, name="authenticator-add"),
    path("account/authenticator/remove/", authenticator.remove_own_app, name="authenticator-remove"),
    path("account/recovery-codes/", recovery.recovery, name="recovery"),
    # Workspace Configuration
    path("settings/", settings_page.settings, name="settings"),
    path("settings/health/", health.health, name="health"),
    path("settings/health/release/", health.release, name="health-release"),
    # Channels of notifications
    path("settings/notifications/", channels.channels, name="channels"),
    path("settings/notifications/add/", channels.add_to_channels, name="channels-add"),
    path("settings/notifications/<row:channel_id>/", channel.channel, name="channel"),
    path("settings/notifications/<row:channel_id>/edit/", channel.edit_one_channel, name="channel-edit"),
    path("settings/notifications/<row:channel_id>/test/", channel.test_one_channel, name="channel-test"),
    path("settings/notifications/<row:channel_id>/renew/", channel.renew, name="channel-renew"),
    path("settings/notifications/<row:channel_id>/end/", channel.end_former, name="channel-end"),
    path("settings/notifications/<row:channel_id>/disable/", channel.disable, name="channel-disable"),
    path("settings/notifications/<row:channel_id>/enable/", channel.enable, name="channel-enable"),
    path(
        "settings/notifications/<row:channel_id>/remove/", channel.remove_one_channel, name="channel-remove"
    ),
    path(
        "settings/notifications/<row:channel_id>/deliveries/<row:delivery_id>/again/",
        channel.repeat,
        name="channel-repeat",
    ),
    path("roles/", roles.roles, name="roles"),
    path("roles/refresh/", roles.refresh, name="roles-refresh"),
    # Help
    path("help/", help_page.index, name="help"),
    path("help/images/<str:name>", help_page.image, name="help-image"),
    path("help/<slug:name>/", help_page.page, name="help-page"),
    # Probes
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
]
