"""Slow down guesses at passwords without locking out the person whose password is guessed."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter
from dataclasses import dataclass

from keys.models import Throttle
from keys.models.throttle import Budget
from keys.models.throttle import throttle_name as _name

KNOWN_BROWSER = Budget(10, 60)
"""Wrong passwords of one person in a browser in which they have signed in before. Nothing else limits it."""
ACCOUNT_AND_ADDRESS = Budget(5, 60)
ACCOUNT = Budget(100, 1, patience=4)
ADDRESS = Budget(100, 0.5, patience=4)
CONFIRMATION = Budget(10, 60)
"""Wrong passwords of a person who is signed in already."""
CODES_AND_ADDRESS = Budget(5, 60)
CODES = Budget(20, 60)
"""Wrong codes of one person whose password was right, in all browsers that are not known: at most one in
330,000 guesses a minute is right, and a known browser has its own budget."""
MAILS_ABOUT_CODES = Budget(1, 60 * 60)
LINKS = Budget(3, 20 * 60)
"""Links to set a password, for one account. Earlier links keep working, so nobody needs more."""
SSO = Budget(60, 2)
"""Visits to the sign-in provider, from one network or by one person. Each takes a row for ten minutes."""
WAITING_AT_ONCE = 3
"""Waiting attempts in this process: each occupies a thread of the web server."""
OUTCOME_WITHIN = 4.0
"""Seconds to wait for the outcome of others: if one of them was right, it does not count."""

_waiting = threading.BoundedSemaphore(WAITING_AT_ONCE)
_running: Counter[str] = Counter()
"""The names that attempts of this process have taken, and whose outcome nobody knows yet."""
_outcomes = threading.Condition()


@dataclass
class Attempt:
    """An attempt that was let through. It counts as a failure until ``give_back`` is called.

    Check the password or code in a ``with`` block. Others wait for its end before they are refused, so that
    many right passwords at the same time are all accepted.
    """

    taken: list[tuple[str, Budget]]

    def __enter__(self) -> None:
        """Its outcome is awaited since it was let through."""

    def __exit__(self, *_: object) -> None:
        with _outcomes:
            _running.subtract(name for name, _ in self.taken)
            _outcomes.notify_all()

    def take(self, name: str, budget: Budget) -> float | None:
        """Return the seconds to wait, or None if there were too many failures."""
        pause = Throttle.objects.take(name, budget)
        if pause is not None:
            self.taken.append((name, budget))
            with _outcomes:
                _running[name] += 1
        return pause

    def give_back(self) -> None:
        """Stop counting this attempt. The earlier ones still count."""
        for name, budget in self.taken:
            Throttle.objects.give_back(name, budget)


def admit_sign_in(email: str, ip: str, known_browser: str) -> Attempt | None:
    """Return an attempt, after a wait if necessary, or None if there were too many failures.

    ``known_browser`` identifies a browser in which the person has signed in before. It is "" for any other.
    """
    account = email.strip().lower()
    if known_browser:
        return _admit([(_name("browser", account, known_browser), KNOWN_BROWSER)])
    return _admit(
        [
            (_name("pair", account, _network(ip)), ACCOUNT_AND_ADDRESS),
            (_name("account", account), ACCOUNT),
            (_name("address", _network(ip)), ADDRESS),
        ]
    )


def admit_confirmation(user_id: int) -> Attempt | None:
    """Return an attempt of a signed-in person to enter their password, or None after too many wrong ones."""
    return _admit([(_name("confirmation", str(user_id)), CONFIRMATION)])


def admit_code(user_id: int, ip: str, known_browser: str) -> Attempt | None:
    """Return an attempt to enter the code of a second factor after the right password, or None."""
    person = str(user_id)
    if known_browser:
        return _admit([(_name("code", person, known_browser), KNOWN_BROWSER)])
    return _admit(
        [
            (_name("code at", person, _network(ip)), CODES_AND_ADDRESS),
            (_name("code", person), CODES),
        ]
    )


def is_first_use(text: str, seconds: float) -> bool:
    """Return whether nobody has used this challenge or secret, and let nobody use it for ``seconds``."""
    return Throttle.objects.lease(_name("used once", text), seconds) is not None


def admit_mail_about_code(user_id: int) -> bool:
    """Return whether a mail about wrong codes may be sent to the person now."""
    return _is_admitted(_name("code mail", str(user_id)), MAILS_ABOUT_CODES)


def admit_link(email: str) -> bool:
    """Return whether another link to set a password may be mailed."""
    return _is_admitted(_name("link", email.strip().lower()), LINKS)


def admit_sso(who: str) -> bool:
    """Return whether ``who``, an address or a signed-in person, may visit the sign-in provider."""
    return _is_admitted(_name("sso", _network(who)), SSO)


def forget_old() -> int:
    """Delete the rows that no longer limit anything, and return their number."""
    return Throttle.objects.filter(busy_until__lt=time.time()).delete()[0]


def _admit(wanted: list[tuple[str, Budget]]) -> Attempt | None:
    attempt, wait = Attempt([]), 0.0
    for name, budget in wanted:
        pause = attempt.take(name, budget)
        ends = time.monotonic() + OUTCOME_WITHIN
        while pause is None and _wait_for_an_outcome(name, ends):
            pause = attempt.take(name, budget)
        if pause is None:
            break
        wait = max(wait, pause)
    else:
        if not wait or _wait(wait):
            return attempt
    with attempt:
        attempt.give_back()
    return None


def _is_admitted(name: str, budget: Budget) -> bool:
    attempt = _admit([(name, budget)])
    if attempt is None:
        return False
    with attempt:
        return True


def _wait_for_an_outcome(name: str, ends: float) -> bool:
    """Wait until an attempt of this process that has taken ``name`` is over, or return False."""
    with _outcomes:
        return _running[name] > 0 and _outcomes.wait(ends - time.monotonic())


def _wait(seconds: float) -> bool:
    """Wait and return True, or return False if too many attempts wait already."""
    if not _waiting.acquire(blocking=False):
        return False
    try:
        time.sleep(seconds)
    finally:
        _waiting.release()
    return True


def _network(ip: str) -> str:
    """Return the address, or for IPv6 the network of 64 bits that one person can have."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if address.version == 4:  # noqa: PLR2004 - the version's name is its number
        return ip
    return str(ipaddress.ip_network(f"{ip}/64", strict=False).network_address)
