"""Context for every template: the portal, the actor, and what the actor may see."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from keys.rules.permissions import Action
from keys.rules.sso import button
from keys.selectors.inbox.page import waiting_for
from keys.selectors.mine.page import has_keys
from keys.selectors.people import owns_keys
from keys.views.people import actor_of, must_use_provider, offers_provider


def portal(request: HttpRequest) -> dict[str, Any]:
    signed_in = getattr(request, "user", None) is not None and request.user.is_authenticated
    actor = actor_of(request) if signed_in else None
    user_id = actor.user_id if actor else 0
    sees_all = actor is not None and actor.may(Action.SEE_INVENTORY)
    return {
        "portal": {
            "sandbox": settings.PORTAL_IS_SANDBOX,
            "workspace": settings.CERBY_WORKSPACE,
            "passwords": settings.PORTAL_PASSWORD_SIGN_IN,
            "sso": button(),
            "assisted": settings.CERBY_ISSUE_MODE == "assisted",
        },
        "actor": actor,
        "waiting": SimpleLazyObject(lambda: waiting_for(user_id)),  # parts of a page do not ask for it
        "may_see_inventory": sees_all,
        "has_own_keys_only": actor is not None and not sees_all and owns_keys(user_id),
        "has_my_keys": sees_all or (actor is not None and has_keys(user_id)),
        "may_see_configuration": actor is not None and actor.may(Action.SEE_CONFIGURATION),
        "may_manage_channels": actor is not None and actor.may(Action.MANAGE_CHANNELS),
        "may_request": actor is not None and actor.may(Action.REQUEST_KEY),
        "may_break_glass": actor is not None and actor.may(Action.BREAK_GLASS),
        "may_generate": actor is not None and actor.may(Action.GENERATE_KEY),
        "may_register": actor is not None and actor.may(Action.REGISTER_KEY),
        "may_see_activity": actor is not None and actor.may(Action.SEE_ACTIVITY),
        "may_see_people": actor is not None and actor.may(Action.SEE_PEOPLE),
        "offers_provider": partial(offers_provider, request),
        "must_use_provider": partial(must_use_provider, request),
        "may_find": actor is not None and actor.may(Action.FIND_KEY),
    }
