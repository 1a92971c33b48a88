"""A value of a person that is missing or cannot be read costs the value, but not the person."""

from __future__ import annotations

from uuid import UUID

from keys.cerby import values, wire
from tests.cerby.test_wire import person, without
from tests.support.cases import in_one_test


@in_one_test(
    "broken, dropped",
    [
        (person(email=None), "email"),
        (person(email=7), "email"),
        (person(email="nobody"), "email"),
        (without(person(), "email"), "email"),
        (person(isGuest="no"), "isGuest"),
        (person(isGuest=0), "isGuest"),
        (without(person(), "isGuest"), "isGuest"),
        (person(status=None), "status"),
        (without(person(), "status"), "status"),
    ],
)
def test_a_value_that_is_missing_or_cannot_be_read_costs_the_value_but_not_the_person(broken, dropped):
    ada = wire.person(broken)
    assert ada.unreadable == (dropped,)
    assert ada.confirms_role == (dropped == "email")
    assert (ada.email, ada.status, ada.is_guest).count("" if dropped != "isGuest" else None) == 1


@in_one_test(
    "value",
    [
        '"a@b.example", "email": "c@d.example"',
        "NaN",
        "-Infinity",
        "9" * 19,
        "9" * 5000,
        '"a' + "a" * 10_000 + '@b"',
    ],
)
def test_a_value_that_parsers_read_differently_costs_only_itself(value):
    body = (
        f'{{"id": "{UUID(int=1)}", "type": "user", "attributes": {{"firstName": "Ada", "email": {value}}}}}'
    )
    ada = wire.person(values.document(body.encode()))
    assert (ada.first_name, ada.email, "email" in ada.unreadable) == ("Ada", "", True)
