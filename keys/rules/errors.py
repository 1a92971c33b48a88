"""Everything that can go wrong, each with an HTTP status and a sentence a person can act on.

PortalError
├── NotAllowed          403  the role, or not owning the key, forbids it
├── NotFound            404  no such thing, or not for this person to know
├── Invalid             422  what was typed cannot be used; says which field and why
├── Conflict            409  somebody or something was faster; look again
├── Gone                410  the one view has been used up, or its time is over
├── TooOften            429  this person has asked too often; says when to ask again
├── SignInAgain         401  this step wants a fresh sign-in
└── CerbyError          502  Cerby did not do what was asked
    ├── CerbyNeverReached   503  nothing was sent: name, connection or TLS failed
    ├── CerbyRefused        502  Cerby answered 4xx: nothing was done
    │   ├── CerbyUnauthorized   the portal's own credential is not accepted
    │   ├── CerbyForbidden      the credential's user may not do this
    │   ├── CerbyNotFound       no such resource
    │   ├── CerbyConflict       the resource's state forbids it
    │   └── CerbyTooMany        asked too often; says when to ask again
    │       └── CerbyPaused         429  the pause that Cerby asked for is not over: it was not asked
    └── CerbyInDoubt        504  the request may or may not have been carried out
        └── CerbyKeyWithoutSecret   a key was made, but its plain text did not arrive
"""

from __future__ import annotations

from http import HTTPStatus


class PortalError(Exception):
    status: HTTPStatus = HTTPStatus.INTERNAL_SERVER_ERROR
    title: str = "Something went wrong"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotAllowed(PortalError):
    """``allowed`` names who may, highest role first."""

    status = HTTPStatus.FORBIDDEN
    title = "You may not do this"

    def __init__(self, sentence: str, *, allowed: list[str]) -> None:
        super().__init__(sentence)
        self.allowed = allowed


class NotFound(PortalError):
    status = HTTPStatus.NOT_FOUND
    title = "Not found"


class Invalid(PortalError):
    """Input that cannot be used.

    ``fields`` maps a form field's name to a sentence that says what was wrong and what is allowed.
    """

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "Check what you entered"

    def __init__(self, sentence: str = "Check what you entered.", **fields: str) -> None:
        super().__init__(sentence)
        self.fields = fields


class Conflict(PortalError):
    status = HTTPStatus.CONFLICT
    title = "This has changed in the meantime"


class Gone(PortalError):
    status = HTTPStatus.GONE
    title = "This is no longer available"


class TooOften(PortalError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    title = "Wait a moment"


class SignInAgain(PortalError):
    """``next_path`` is the page to come back to."""

    status = HTTPStatus.UNAUTHORIZED
    title = "Confirm that it is you"

    def __init__(self, next_path: str) -> None:
        super().__init__("This step asks you to confirm your password again.")
        self.next_path = next_path


class CerbyError(PortalError):
    status = HTTPStatus.BAD_GATEWAY
    title = "Cerby did not do what was asked"


class CerbyNeverReached(CerbyError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Cerby cannot be reached"


class CerbyRefused(CerbyError):
    """Cerby answered with a 4xx. ``upstream_status`` and ``code`` are Cerby's own."""

    title = "Cerby refused"

    def __init__(self, sentence: str, *, upstream_status: int, code: str = "") -> None:
        super().__init__(sentence)
        self.upstream_status = upstream_status
        self.code = code


class CerbyUnauthorized(CerbyRefused):
    pass


class CerbyForbidden(CerbyRefused):
    pass


class CerbyNotFound(CerbyRefused):
    pass


class CerbyConflict(CerbyRefused):
    pass


class CerbyTooMany(CerbyRefused):
    """429. ``retry_after`` is in seconds; Cerby publishes "retry in five minutes" and no figures."""

    title = "Cerby asks for a pause"

    def __init__(self, sentence: str, *, retry_after: int = 300) -> None:
        super().__init__(sentence, upstream_status=HTTPStatus.TOO_MANY_REQUESTS, code="too_many_requests")
        self.retry_after = retry_after


class CerbyPaused(CerbyTooMany):
    """Not sent, because of an earlier 429."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class CerbyInDoubt(CerbyError):
    status = HTTPStatus.GATEWAY_TIMEOUT
    title = "Cerby's answer did not arrive"


class CerbyKeyWithoutSecret(CerbyInDoubt):
    """A create succeeded, its answer names a key, but holds no plain text. ``upstream_id`` is Cerby's id."""

    def __init__(self, sentence: str, *, upstream_id: str) -> None:
        super().__init__(sentence)
        self.upstream_id = upstream_id
