"""List the status of every URL for every method and person. test_urls.py asks for each of them."""

from __future__ import annotations

from itertools import pairwise

RANKS = ("owner", "super_admin", "admin", "user", "login_only", "guest")
PEOPLE = (*RANKS, "key_owner", "outsider")
"""The key in an address belongs to ``super_admin``. For ``key_owner``, who has the role User, it is their own."""
METHODS = "GET HEAD POST PUT PATCH DELETE OPTIONS"
SAFE = ("OPTIONS", "HEAD", "GET")  # these change nothing, so one test can send them one after the other


def who(admins: int, others: int, *, key_owner: int | None = None, outsider: int = 302) -> dict[str, int]:
    return {
        **dict.fromkeys(("owner", "super_admin", "admin"), admins),
        **dict.fromkeys(("user", "login_only", "guest"), others),
        "key_owner": others if key_owner is None else key_owner,
        "outsider": outsider,
    }


def own(status: int, *, others: int = 404) -> dict[str, int]:
    """Return ``status`` for the key's owner, ``others`` for the other admins, and 404 for the rest."""
    return who(others, 404, key_owner=status) | {"super_admin": status}


def everybody(status: int) -> dict[str, int]:
    return dict.fromkeys(PEOPLE, status)


def signed_in(status: int, *, outsider: int) -> dict[str, int]:
    return everybody(status) | {"outsider": outsider}


def at_a_border(by: dict[str, int]) -> list[str]:
    """Return the people whose neighbour in rank gets another status, the key's owner and the outsider.

    If all ranks get the same status, the lowest stands for them.
    """
    differ = [pair for pair in pairwise(RANKS) if by[pair[0]] != by[pair[1]]]
    asked = {person for pair in differ for person in pair} or {RANKS[-1]}
    return [person for person in by if person in asked or person not in RANKS]


ADMINS = who(200, 403)
ADMINS_AND_OWN = who(200, 403, key_owner=200)
CHANGED_BY_ADMINS = who(302, 403)
CHANGED_BY_THE_HIGHEST = CHANGED_BY_ADMINS | {"admin": 403}
KEY_READ, KEY_CHANGED = who(200, 404, key_owner=200), who(302, 404, key_owner=302)
REGISTERED = {"GET HEAD": who(200, 404, key_owner=403), "POST": who(302, 404, key_owner=403)}
ACCOUNT_ACTS = ("notifications", "time-zone", "session-end", "sessions-end")
MEMBERS = who(200, 403, key_owner=200) | {"user": 200}
DECIDED = own(403, others=403) | {"owner": 302}
VIEW_ACTS = ("save", "store", "edit", "forget")
CHANNEL_ACTS = ("test", "end", "disable", "enable", "remove", "repeat")
OF_A_FACTOR = ("keys:passkey-rename", "keys:passkey-remove", "keys:authenticator-remove")
SHOWN = {"GET HEAD OPTIONS": everybody(200)}

TABLE: dict[str, dict[str, dict[str, int]]] = {
    "keys:dashboard": {"GET HEAD": who(200, 302)},
    "keys:inbox": {"GET HEAD": signed_in(200, outsider=302)},
    "keys:inbox-all": {"POST": everybody(302)},
    "keys:inbox-done": {"POST": everybody(302)},  # each person's own item
    **{f"keys:{at}": {"GET HEAD": ADMINS_AND_OWN} for at in ("inventory", "inventory-export", "bulk-export")},
    **{f"keys:inventory-{act}": {"POST": who(302, 403, key_owner=302)} for act in VIEW_ACTS[:3]},
    "keys:inventory-forget": {"GET HEAD": ADMINS_AND_OWN, "POST": who(302, 403, key_owner=302)},
    **{past: {"GET HEAD": ADMINS} for past in ("keys:past", "keys:past-export")},
    **{key: {"POST": who(302, 403, key_owner=302)} for key in ("keys:bulk-select", "keys:bulk-again")},
    "keys:emergency": {"GET HEAD": ADMINS, "POST": who(422, 403)},
    "keys:bulk-count": {"GET HEAD": signed_in(302, outsider=302)},
    "keys:bulk": {"GET HEAD": signed_in(200, outsider=302)},
    "keys:bulk-start": {"POST": who(302, 403, key_owner=409)},
    "keys:bulk-stop": {"POST": everybody(302)},
    "keys:wizard": {"GET HEAD": MEMBERS},
    "keys:wizard-details": {"POST": MEMBERS},
    "keys:wizard-scopes": {"POST": MEMBERS},
    "keys:wizard-generate": {"POST": who(302, 403, key_owner=422) | {"user": 422}},
    "keys:store": {"GET HEAD": own(200, others=403)},
    "keys:store-claim": {"POST": own(200, others=403)},
    "keys:store-save": {"POST": own(200, others=403)},
    "keys:store-done": {"POST": own(302, others=403)},
    "keys:paste": {
        "GET HEAD": own(200, others=403),
        "POST": own(302, others=403) | {"key_owner": 403},  # a User may not generate any more
    },
    "keys:register": {"GET HEAD": ADMINS, "POST": CHANGED_BY_ADMINS},
    "keys:imports": {"GET HEAD POST": ADMINS},
    "keys:imports-confirm": {"POST": CHANGED_BY_ADMINS},
    "keys:compare": {"GET HEAD POST": ADMINS},
    "keys:compare-confirm": {"POST": ADMINS},
    "keys:find": {"GET HEAD POST": who(200, 403, key_owner=200) | {"user": 200}},
    "keys:removal": {"GET HEAD": KEY_READ},
    "keys:removal-confirm": {"POST": KEY_CHANGED},
    "keys:key": {"GET HEAD": KEY_READ},
    "keys:mine": {"GET HEAD": signed_in(200, outsider=302)},
    "keys:edit": {"GET HEAD": KEY_READ, "POST": KEY_CHANGED},
    "keys:rotate": {"GET HEAD": who(200, 404, key_owner=403), "POST": who(302, 404, key_owner=403)},
    "keys:policy": {"GET HEAD": ADMINS},
    "keys:posture": {"GET HEAD": ADMINS},
    "keys:exceptions": {"GET HEAD": ADMINS},
    "keys:exceptions-ask": {"GET HEAD": KEY_READ, "POST": who(422, 404, key_owner=422)},  # no rule is broken
    **{f"keys:exceptions-{act}": {"POST": CHANGED_BY_THE_HIGHEST} for act in ("grant", "decline", "end")},
    "keys:policy-export": {"GET HEAD": ADMINS},
    "keys:proposal": {"GET HEAD": ADMINS | {"admin": 403}, "POST": who(422, 403) | {"admin": 403}},
    "keys:proposal-fill": {"POST": who(422, 403) | {"admin": 403}},
    "keys:proposal-keys": {"POST": who(422, 403)},
    "keys:proposal-save": {"POST": who(422, 403) | {"admin": 403}},
    "keys:policy-version": {"GET HEAD": ADMINS},
    "keys:policy-approve": {"POST": who(409, 403) | {"admin": 403}},  # without the digest of the preview
    "keys:policy-decline": {"POST": CHANGED_BY_THE_HIGHEST},
    "keys:policy-withdraw": {"POST": who(403, 403)},  # only its author may
    # The request is one of ``super_admin``; for ``key_owner``, it is their own.
    "keys:requests": {"GET HEAD": signed_in(200, outsider=302)},
    "keys:request": {"GET HEAD": KEY_READ},
    **{f"keys:request-{act}": {"POST": DECIDED} for act in ("approve", "deny", "offer")},
    "keys:request-answer": {"POST": own(302, others=403)},
    "keys:request-withdraw": {"POST": own(302, others=403)},
    "keys:request-use": {"GET HEAD": KEY_CHANGED, "POST": own(409, others=403)},
    "keys:request-review": {"POST": who(302, 404, key_owner=403) | {"super_admin": 403}},
    "keys:reviews": {"GET HEAD": ADMINS},
    "keys:reviews-start": {"GET HEAD": ADMINS, "POST": CHANGED_BY_ADMINS},
    # The admin is the reviewer of the only item; the campaign is open.
    "keys:review": {"GET HEAD": who(200, 404)},
    "keys:review-item": {"GET HEAD": who(200, 404)},
    "keys:review-decide": {"POST": who(409, 404) | {"admin": 302}},
    "keys:review-keep": {"POST": who(302, 404)},
    "keys:review-move": {"POST": who(409, 404) | {"admin": 302}},
    "keys:review-done": {"POST": who(409, 404)},
    "keys:review-sign": {"POST": who(409, 403) | {"admin": 403}},
    "keys:review-stop": {"POST": CHANGED_BY_ADMINS},
    "keys:review-pack": {"POST": ADMINS},
    "keys:rotations": {"GET HEAD": ADMINS},
    "keys:rotation": {"GET HEAD": KEY_READ},
    **{f"keys:rotation-{act}": {"POST": KEY_CHANGED} for act in ("retire", "kill", "extend", "call-off")},
    "keys:correct": REGISTERED,
    "keys:withdraw": REGISTERED,
    "keys:key-adopt": {"POST": KEY_CHANGED | {"key_owner": 403}},
    "keys:key-accept-reach": {"POST": who(409, 404, key_owner=409)},
    "keys:key-keep": {"POST": CHANGED_BY_THE_HIGHEST},
    "keys:key-rescope": {  # GET without a scope: its sender may add one, or not
        "GET HEAD": who(422, 404, key_owner=403) | {"admin": 403},
        "POST": KEY_CHANGED,
    },
    "keys:key-delete": {"GET HEAD": KEY_READ, "POST": KEY_CHANGED},
    "keys:reading": {"GET HEAD": KEY_READ, "POST": KEY_CHANGED},
    "keys:activity": {"GET HEAD": ADMINS},
    "keys:activity-export": {"GET HEAD": ADMINS},
    "keys:verification": {"GET HEAD": ADMINS},
    "keys:verification-start": {"POST": CHANGED_BY_ADMINS},
    "keys:verification-explain": {"POST": CHANGED_BY_THE_HIGHEST},
    "keys:evidence": {"GET HEAD": ADMINS},
    "keys:evidence-download": {"POST": ADMINS},
    "keys:event": {"GET HEAD": ADMINS},
    "keys:event-proof": {"GET HEAD": ADMINS},
    **{f"keys:activity-{act}": {"POST": CHANGED_BY_ADMINS} for act in VIEW_ACTS[:3]},
    "keys:activity-forget": {"GET HEAD": ADMINS, "POST": CHANGED_BY_ADMINS},
    "keys:people": {"GET HEAD": ADMINS},
    "keys:person-add": {"GET HEAD": ADMINS, "POST": CHANGED_BY_ADMINS},
    "keys:person": {"GET HEAD": ADMINS},
    "keys:leaving": {"GET HEAD": ADMINS_AND_OWN, "POST": who(422, 403, key_owner=422)},  # who is accountable
    "keys:leaving-pack": {"POST": ADMINS},
    "keys:person-remove": {"GET HEAD": ADMINS, "POST": CHANGED_BY_ADMINS},
    "keys:person-sign-out": {"GET HEAD": ADMINS, "POST": CHANGED_BY_ADMINS},
    "keys:person-reset-factors": {  # the person has none
        "GET HEAD": ADMINS | {"admin": 403},
        "POST": who(409, 403) | {"admin": 403},
    },
    "keys:person-unlink": {"GET HEAD": ADMINS | {"admin": 403}, "POST": who(409, 403) | {"admin": 403}},
    "keys:account": {"GET HEAD": signed_in(200, outsider=302)},
    **{f"keys:account-{act}": {"POST": everybody(302)} for act in ACCOUNT_ACTS},
    "keys:unlink": {"GET HEAD": signed_in(200, outsider=302), "POST": signed_in(409, outsider=302)},
    # Nobody in this table has a second factor, or must have one, or is linked with SSO.
    "keys:enrol": {"GET HEAD": signed_in(200, outsider=302)},
    "keys:passkey-add": {
        "GET HEAD": signed_in(200, outsider=302),
        "POST": signed_in(422, outsider=302),
    },
    "keys:passkey-options": {"POST": signed_in(200, outsider=302)},
    **{key: {"GET HEAD POST": signed_in(404, outsider=302)} for key in OF_A_FACTOR},
    "keys:authenticator-add": {
        "GET HEAD": signed_in(200, outsider=302),
        "POST": signed_in(422, outsider=302),
    },
    "keys:recovery": {"GET HEAD POST": signed_in(409, outsider=302)},
    "mfa_authenticate": {METHODS: everybody(302)},
    "mfa_login_webauthn": {"POST": signed_in(302, outsider=422)},
    "passkey_options": {"POST": everybody(200)},
    "keys:settings": {"GET HEAD": ADMINS},
    "keys:health": {"GET HEAD": ADMINS},
    "keys:health-release": {"POST": CHANGED_BY_THE_HIGHEST},
    "keys:calendar": {"GET HEAD": everybody(404)},  # nobody has this address
    "keys:calendar-make": {"POST": signed_in(200, outsider=302)},
    "keys:calendar-end": {"POST": everybody(302)},
    "keys:channels": {"GET HEAD": ADMINS | {"admin": 403}},
    "keys:channels-add": {"GET HEAD POST": ADMINS | {"admin": 403}},
    "keys:channel": {"GET HEAD": ADMINS | {"admin": 403}},
    "keys:channel-edit": {"GET HEAD": ADMINS | {"admin": 403}, "POST": CHANGED_BY_THE_HIGHEST},
    "keys:channel-renew": {"POST": ADMINS | {"admin": 403}},
    **{f"keys:channel-{act}": {"POST": CHANGED_BY_THE_HIGHEST} for act in CHANNEL_ACTS},
    "keys:roles": {"GET HEAD": signed_in(200, outsider=302)},
    "keys:roles-refresh": {"POST": CHANGED_BY_ADMINS},
    "keys:help": {"GET HEAD": signed_in(200, outsider=302)},
    "keys:help-page": {"GET HEAD": signed_in(200, outsider=302)},
    "keys:help-image": {"GET HEAD": signed_in(200, outsider=302)},
    **{key: {"GET HEAD": everybody(200)} for key in ("keys:livez", "keys:readyz")},
    "account_login": {
        "GET HEAD": signed_in(302, outsider=200),
        "POST": everybody(302),
        "PUT OPTIONS": signed_in(302, outsider=200),
    },
    "account_logout": {
        "GET HEAD": signed_in(200, outsider=302),
        "POST": everybody(302),
        "OPTIONS": everybody(200),
    },
    # Without PORTAL_OIDC_ISSUER. tests/pages/test_sso.py and test_sso_step_up.py use the pages with it.
    "account_sso": {"POST": everybody(404)},
    "account_sso_confirm": {"POST": signed_in(404, outsider=302)},
    "account_sso_callback": {"GET": everybody(404)},
    # Without PORTAL_SAML_ISSUER. tests/pages/test_saml.py uses these pages with it.
    "account_saml_acs": {"POST": everybody(404)},
    "account_saml_finish": {"GET": everybody(404)},
    "account_saml_metadata": {"GET HEAD": everybody(404)},
    "account_inactive": SHOWN,
    "account_signup": {METHODS: signed_in(302, outsider=200)},  # a page that says who adds people
    "account_reauthenticate": {
        "GET HEAD PUT OPTIONS": signed_in(200, outsider=302),
        "POST": everybody(302),
    },
    "account_change_password": {
        "GET HEAD PUT OPTIONS": signed_in(200, outsider=302),
        "POST": everybody(302),
    },
    "account_reset_password": SHOWN | {"POST": everybody(302), "PUT": everybody(200)},
    "account_reset_password_done": SHOWN,
    "account_reset_password_from_key": {METHODS: everybody(200)},  # the link is too old
    "account_reset_password_from_key_done": SHOWN,
}

OWNER_ONLY: dict[str, dict[str, dict[str, int]]] = {
    "keys:key": {"GET HEAD": own(200)},
    "keys:edit": {"GET HEAD": own(200), "POST": own(302)},
    "keys:rotate": {"GET HEAD": own(200) | {"key_owner": 403}, "POST": own(302) | {"key_owner": 403}},
    "keys:rotation": {"GET HEAD": own(200)},
    **{f"keys:rotation-{act}": {"POST": own(302)} for act in ("retire", "kill", "extend", "call-off")},
    "keys:key-adopt": {"POST": own(302) | {"key_owner": 403}},
    "keys:key-rescope": {"GET HEAD": own(422) | {"key_owner": 403}, "POST": own(302)},
    "keys:key-delete": {"GET HEAD": own(200), "POST": own(302)},
    "keys:removal": {"GET HEAD": own(200)},
    "keys:removal-confirm": {"POST": own(302)},
    "keys:reading": {"GET HEAD": own(200), "POST": own(302)},
    "keys:paste": {"GET HEAD": own(200), "POST": own(302) | {"key_owner": 403}},
    "keys:store": {"GET HEAD": own(200)},
    "keys:store-claim": {"POST": own(200)},
    "keys:store-save": {"POST": own(200)},
    "keys:store-done": {"POST": own(302)},
}
