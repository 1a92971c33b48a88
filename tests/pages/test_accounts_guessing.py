"""Test that guesses at passwords are slowed down, and that they lock out nobody who knows theirs."""

from __future__ import annotations

import itertools
import time

import pytest
from django.test import Client

from keys.actions.people import throttle
from keys.models import Session
from keys.models.throttle import Budget
from tests.cast import CHROME, PASSWORD, email_of
from tests.pages.helpers import events, text
from tests.support.post_office import deliver

LOGIN, CONFIRM = "/accounts/login/", "/accounts/reauthenticate/"
COOKIE = "portal-browser"
TOO_MANY = "There were too many attempts with this email"


def a_browser(ip: str = "203.0.113.5") -> Client:
    return Client(headers={"user-agent": CHROME}, REMOTE_ADDR=ip)


def sign_in(browser: Client, name: str = "admin", password: str = PASSWORD):
    return browser.post(LOGIN, {"login": email_of(name), "password": password})


def gets_in(browser: Client, name: str = "admin") -> bool:
    return sign_in(browser, name).status_code == 302


def guess(browser: Client, times: int, name: str = "admin") -> list[str]:
    return [text(sign_in(browser, name, f"guess {number}")) for number in range(times)]


def addresses():
    return (f"198.51.{high}.{low}" for high, low in itertools.product(range(256), range(1, 255)))


@pytest.fixture(autouse=True)
def _people(cast):
    """Create the people who sign in."""


def test_strangers_lock_nobody_out():
    for ip in itertools.islice(addresses(), 40):
        guess(a_browser(ip), 2)
    assert gets_in(a_browser())


def test_one_address_is_stopped_after_five_wrong_passwords():
    answers = guess(a_browser(), 6)
    assert [TOO_MANY in answer for answer in answers] == [False] * 5 + [True]
    assert not gets_in(a_browser())
    assert gets_in(a_browser(), "owner"), "the office's other people are not in the way"


def test_unknown_people_are_stopped_with_the_same_words():
    known, unknown = guess(a_browser(), 7), guess(a_browser("203.0.113.6"), 7, "stranger")
    assert [answer.replace(email_of("admin"), "") for answer in known] == [
        answer.replace(email_of("stranger"), "") for answer in unknown
    ]


def test_a_browser_that_signed_in_before_is_never_in_the_way_of_strangers():
    own = a_browser()
    assert gets_in(own)
    own.post("/accounts/logout/")
    guess(a_browser(), 8)
    assert not gets_in(a_browser()), "another browser at the same address waits"
    assert gets_in(own)


def test_a_known_browser_has_a_budget_of_its_own():
    own = a_browser()
    sign_in(own)
    own.post("/accounts/logout/")
    answers = guess(own, 11)
    assert [TOO_MANY in answer for answer in answers] == [False] * 10 + [True]
    assert gets_in(a_browser()), "its failures are not those of the address"


def test_the_cookie_is_signed_out_of_reach_and_new_at_each_sign_in():
    own = a_browser()
    cookie = sign_in(own).cookies[COOKIE]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
    own.post("/accounts/logout/")
    assert own.cookies[COOKIE].value == cookie.value, "signing out does not forget the browser"
    assert sign_in(own).cookies[COOKIE].value != cookie.value
    forged = a_browser()
    forged.cookies[COOKIE] = cookie.value.replace(cookie.value[:4], "AAAA")
    guess(forged, 5)
    assert not gets_in(forged)


def test_the_cookie_of_one_person_does_not_help_to_guess_at_another():
    own = a_browser()
    sign_in(own, "user")
    own.post("/accounts/logout/")
    assert TOO_MANY in guess(own, 6)[-1]
    assert gets_in(own, "user")


def test_a_browser_remembers_several_people():
    shared = a_browser()
    for name in ("admin", "user"):
        sign_in(shared, name)
        shared.post("/accounts/logout/")
    guess(a_browser(), 6, "admin")
    assert gets_in(shared, "admin")


def test_a_link_from_the_mailbox_makes_the_browser_known():
    blocked = a_browser()
    guess(blocked, 6)
    blocked.post("/accounts/password/reset/", {"email": email_of("admin")})
    [letter] = deliver()
    link = next(word for word in str(letter.body).split() if "reset/key" in word)
    new = "nine green bottles hang"
    blocked.post(link, {"password1": new, "password2": new})
    assert sign_in(blocked, password=new).status_code == 302


def test_a_success_does_not_start_the_count_anew():
    """An attacker who has an account, or who knows one password, gets no further guesses."""
    ip = "203.0.113.9"
    guess(a_browser(ip), 4)
    assert gets_in(a_browser(ip), "user")
    assert gets_in(a_browser(ip))
    answers = guess(a_browser(ip), 2)
    assert [TOO_MANY in answer for answer in answers] == [False, True]


FEW = 20


@pytest.fixture
def few_at_once(monkeypatch):
    """Let 20 attempts be made at once instead of a hundred."""
    assert (Budget(100, 1, patience=4), Budget(100, 0.5, patience=4)) == (throttle.ACCOUNT, throttle.ADDRESS)
    monkeypatch.setattr(throttle, "ACCOUNT", Budget(FEW, 1, patience=4))
    monkeypatch.setattr(throttle, "ADDRESS", Budget(FEW, 0.5, patience=4))


@pytest.mark.usefixtures("few_at_once")
def test_an_office_signs_in_while_somebody_there_guesses():
    names = ("owner", "super_admin", "user", "login_only", "guest")
    began = time.monotonic()
    for number in range(2 * FEW):
        assert gets_in(a_browser(), names[number % 5])
        if number % 4 == 0:
            guess(a_browser(), 1)
    assert time.monotonic() - began < 40, "one a second"
    assert TOO_MANY in guess(a_browser(), 1)[0]


@pytest.mark.usefixtures("few_at_once")
def test_many_addresses_that_guess_at_one_person_are_slowed_down():
    began = time.monotonic()
    for ip in itertools.islice(addresses(), FEW + 2):
        guess(a_browser(ip), 1)
    assert time.monotonic() - began > 2, "some at once, then one a second"
    assert gets_in(a_browser()), "the person waits a moment"


@pytest.mark.usefixtures("few_at_once")
def test_one_address_that_tries_many_people_is_slowed_down():
    began = time.monotonic()
    for number in range(FEW + 4):
        guess(a_browser(), 1, f"stranger{number}")
    assert time.monotonic() - began > 2, "some at once, then two a second"
    assert gets_in(a_browser())


@pytest.mark.parametrize(("mine", "theirs"), [("2001:db8::1", "2001:db8::ffff:2")])
def test_addresses_of_one_ipv6_network_count_together(mine, theirs):
    guess(a_browser(mine), 3)
    guess(a_browser(theirs), 2)
    assert not gets_in(a_browser("2001:db8::3"))
    assert gets_in(a_browser("2001:db8:0:1::3"))


def refusals() -> list[tuple[str, str]]:
    return [(event.type, event.reason) for event in events(outcome="refused")]


def test_throttled_attempts_are_recorded_once_a_minute_for_each_address():
    for ip in ("203.0.113.5", "198.51.100.7"):
        guess(a_browser(ip), 9)
        own = [event.reason for event in events(outcome="refused", ip=ip)]
        assert own == ["Wrong password."] * 5 + ["Too many attempts."]


def test_guessing_at_the_confirmation_is_stopped_and_recorded(browser_of):
    browser = browser_of("admin", seconds_ago=3600)
    for _ in range(13):
        response = browser.post(CONFIRM, {"password": "wrong"})
    assert TOO_MANY in text(response)
    assert browser.post(CONFIRM, {"password": PASSWORD}).status_code == 200
    wrong, stopped = ("session:confirm", "Wrong password."), ("session:confirm", "Too many attempts.")
    assert refusals() == [wrong] * 10 + [stopped]


def test_wrong_passwords_leave_no_session():
    guess(a_browser(), 7)
    guess(a_browser(), 2, "stranger")
    assert Session.objects.count() == 0
