"""The portal's exceptions, each with an HTTP status and a sentence that people can act on.

PortalError
├── NotAllowed          403  the person's role or not owning the key forbids it
├── NotFound            404  it doesn't exist, or this person may not know that it does
├── Invalid             422  the input is not valid; names the field and the reason
│   ├── Taken               another key has the name; says which one
│   └── OutsidePolicy       an enforced rule of the policy does not allow it
├── Conflict            409  another person or process changed it first
│   ├── NeedsApproval       other people must approve it first; says how many
│   ├── OutOfDate           what was approved cannot be done any more
│   ├── RequestUsed         the request's id already belongs to a key that was asked for differently
│   ├── PreviewChanged      the preview of a policy has another answer now
│   └── ShownOnce           the page that showed recovery codes is loaded again
├── Gone                410  the one view has been used, or it has expired
├── TooOften            429  too many requests by this person; says when to try again
├── Busy                503  this process has too much to do; says when to try again
├── NotReady            503  this node has not joined the portal yet, or contradicts it
├── SignInAgain         401  this step needs a recent sign-in
├── ProviderError       502  the sign-in provider's answer cannot be used
│   ├── ProviderDown        503  it does not answer, or its answer cannot be read
│   └── ProviderRefused     403  it refused, or its answer fails a check
├── RoleNotConfirmed    503  the action needs a role that Cerby confirms now, and Cerby does not answer
└── CerbyError          502  a request to Cerby failed
    ├── CerbyNeverReached   503  nothing was sent: DNS, connection or TLS failed
    ├── CerbyRefused        502  Cerby answered 4xx and changed nothing
    │   ├── CerbyUnauthorized   Cerby rejects the portal's credential
    │   ├── CerbyForbidden      the credential's user may not do this
    │   ├── CerbyNotFound       no such resource
    │   ├── CerbyConflict       the resource's state forbids it
    │   └── CerbyTooMany        rate limit; says when to try again
    │       └── CerbyPaused         429  not sent, because the pause after a rate limit isn't over
    └── CerbyInDoubt        504  Cerby may or may not have carried out the request
        └── CerbyKeyWithoutSecret   Cerby made a key, but its plain text did not arrive
"""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID


class PortalError(Exception):
    status: HTTPStatus = HTTPStatus.INTERNAL_SERVER_ERROR
    title: str = "Something went wrong"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotAllowed(PortalError):
    """``allowed`` lists the roles that may do it, highest first."""

    status = HTTPStatus.FORBIDDEN
    title = "You may not do this"

    def __init__(self, sentence: str, *, allowed: list[str]) -> None:
        super().__init__(sentence)
        self.allowed = allowed


class ProviderError(PortalError):
    status = HTTPStatus.BAD_GATEWAY
    title = "Sign-in with SSO did not work"


class ProviderDown(ProviderError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The sign-in provider does not answer"


class ProviderRefused(ProviderError):
    status = HTTPStatus.FORBIDDEN
    title = "You are not signed in"


class RoleNotConfirmed(PortalError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Cerby cannot confirm your role"


class NotFound(PortalError):
    status = HTTPStatus.NOT_FOUND
    title = "Not found"


class Invalid(PortalError):
    """The input is not valid.

    ``fields`` maps the name of a form field to a sentence that states the problem and the rule.
    """

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "Check what you entered"

    def __init__(self, sentence: str = "Check what you entered.", **fields: str) -> None:
        super().__init__(sentence)
        self.fields = fields


class Taken(Invalid):
    """The name belongs to the key with the id ``by``."""

    def __init__(self, sentence: str, *, by: UUID) -> None:
        super().__init__(name=sentence)
        self.by = by


class OutsidePolicy(Invalid):
    """An enforced rule of the policy does not allow it. Each sentence names the rule and what would pass."""

    title = "The policy does not allow this"


class Conflict(PortalError):
    status = HTTPStatus.CONFLICT
    title = "This has changed in the meantime"


class NeedsApproval(Conflict):
    """``needed``: how many people must approve the act."""

    title = "This needs approval"

    def __init__(self, needed: int) -> None:
        people = "Another person must" if needed == 1 else f"{needed} other people must"
        super().__init__(f"{people} approve this before it is done.")
        self.needed = needed


class OutOfDate(Conflict):
    """Something that the approvers of a request relied on has changed."""

    title = "This is out of date"


class RequestUsed(Conflict):
    """A duplicated browser tab sends its request under the id that the other tab has used."""

    title = "Another tab has used this request"


class PreviewChanged(Conflict):
    """Other keys or requests would break the policy than the person has seen."""

    title = "The answer has changed"

    def __init__(self) -> None:
        super().__init__(
            "Since you saw the preview, the keys, the requests or the policy in force have changed. Nothing "
            "was saved. Look at the new answer below."
        )


class OnlyForForms(PortalError):
    """A person opened an address that only a form may use, such as one that the browser kept."""

    title = "There is no page here"
    status = HTTPStatus.METHOD_NOT_ALLOWED


class ShownOnce(Conflict):
    """A page that showed recovery codes is loaded again. ``what`` happened when they were shown."""

    title = "Recovery codes are shown once"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} The recovery codes were shown once, and are not shown again. If nobody wrote them down, "
            "generate new ones on the page Your account."
        )


class Gone(PortalError):
    status = HTTPStatus.GONE
    title = "This is no longer available"


class TooOften(PortalError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    title = "Wait a moment"


class Busy(PortalError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The portal is busy"


class NotReady(PortalError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The portal is not ready"


class SignInAgain(PortalError):
    """``next_path`` is the page to return to after the sign-in."""

    status = HTTPStatus.UNAUTHORIZED
    title = "Confirm that it is you"

    def __init__(self, next_path: str) -> None:
        super().__init__("Confirm your password to continue.")
        self.next_path = next_path


class CerbyError(PortalError):
    status = HTTPStatus.BAD_GATEWAY
    title = "The request to Cerby failed"


class CerbyNeverReached(CerbyError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Cerby cannot be reached"


class CerbyRefused(CerbyError):
    """Cerby answered with a 4xx. ``upstream_status`` and ``code`` come from its answer."""

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
    """Cerby answered 429. ``retry_after`` is in seconds; Cerby documents only "retry in five minutes"."""

    title = "Cerby asks for a pause"

    def __init__(self, sentence: str, *, retry_after: int = 300) -> None:
        super().__init__(sentence, upstream_status=HTTPStatus.TOO_MANY_REQUESTS, code="too_many_requests")
        self.retry_after = retry_after


class CerbyPaused(CerbyTooMany):
    """The request was not sent, because the pause after an earlier 429 isn't over."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class CerbyInDoubt(CerbyError):
    status = HTTPStatus.GATEWAY_TIMEOUT
    title = "Cerby's answer did not arrive"


class CerbyKeyWithoutSecret(CerbyInDoubt):
    """Cerby created a key, but its answer lacks the plain text. ``upstream_id`` is Cerby's id of the key."""

    def __init__(self, sentence: str, *, upstream_id: str) -> None:
        super().__init__(sentence)
        self.upstream_id = upstream_id
