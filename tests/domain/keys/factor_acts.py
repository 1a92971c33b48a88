"""The acts with second factors, for test_acts.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator

from keys.actions.factors.add import add_app, add_passkey
from keys.actions.factors.ask import ask_for_factor
from keys.actions.factors.make_codes import make_codes
from keys.actions.factors.remove import remove_factor
from keys.actions.factors.rename_passkey import rename_passkey
from keys.actions.factors.reset import reset_factors
from keys.actions.factors.use import use_code
from keys.models.factor import CODES, PASSKEY
from tests.cast import actor
from tests.support.authenticators import code_of
from tests.support.scene import Scene

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def _with_a_passkey(scene: Scene) -> list[str]:
    return add_passkey(scene.me, "Laptop", {"id": "a credential"})


def _row(scene: Scene, kind: str) -> int:
    return Authenticator.objects.get(user=scene.cast.admin, type=kind).pk


def _adding_a_passkey(scene: Scene) -> Callable[[], Any]:
    return lambda: _with_a_passkey(scene)


def _adding_an_app(scene: Scene) -> Callable[[], Any]:
    return lambda: add_app(scene.me, SECRET, code_of(SECRET))


def _making_codes(scene: Scene) -> Callable[[], Any]:
    _with_a_passkey(scene)
    present = _row(scene, CODES)
    return lambda: make_codes(scene.me, replaces=present)


def _removing(scene: Scene) -> Callable[[], Any]:
    _with_a_passkey(scene)
    passkey = _row(scene, PASSKEY)
    return lambda: remove_factor(scene.me, passkey)


def _renaming(scene: Scene) -> Callable[[], Any]:
    _with_a_passkey(scene)
    passkey = _row(scene, PASSKEY)
    return lambda: rename_passkey(scene.me, passkey, "Desk")


def _using(scene: Scene) -> Callable[[], Any]:
    codes = _with_a_passkey(scene)
    return lambda: use_code(scene.me, codes[0], recovery=True)


def _resetting(scene: Scene) -> Callable[[], Any]:
    _with_a_passkey(scene)
    owner = actor(scene.cast.owner)
    return lambda: reset_factors(owner, scene.cast.admin.pk, reason="A lost phone.")


DONE: dict[str, tuple[Callable[[Scene], Callable[[], Any]], list[str]]] = {
    "factors/add: a passkey": (_adding_a_passkey, ["factor:add", "factor:make-codes"]),
    "factors/add: an app": (_adding_an_app, ["factor:add", "factor:make-codes"]),
    "factors/ask": (lambda scene: lambda: ask_for_factor(scene.me), ["factor:ask"]),
    "factors/make_codes": (_making_codes, ["factor:make-codes"]),
    "factors/remove": (_removing, ["factor:remove", "factor:remove"]),
    "factors/rename_passkey": (_renaming, ["factor:rename"]),
    "factors/use": (_using, ["factor:use-code"]),
    "factors/reset": (_resetting, ["factor:reset"]),
}
