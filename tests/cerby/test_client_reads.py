"""Test reads: repetition, lists and errors."""

import threading
import time
from uuid import UUID, uuid4

import pytest

from keys.cerby.client import CerbyClient
from keys.cerby.exchange import Limits
from keys.rules.errors import (
    CerbyError,
    CerbyForbidden,
    CerbyInDoubt,
    CerbyNeverReached,
    CerbyNotFound,
    CerbyRefused,
    CerbyTooMany,
    CerbyUnauthorized,
)
from tests.support.bad_server import (
    EXTERNAL_ID,
    KEY_ID,
    OWNER_ID,
    KeepAlive,
    Step,
    closed_port,
    data,
    http,
    listed_key,
    listing,
    refusal,
    serving,
    user,
    vault,
)
from tests.support.cases import in_one_test

QUICK = Limits(connect=2, answer=0.4, total=3, body=100_000, pages=5, pauses=(0.01, 0.01, 0.01))


def client(server_or_url, limits=QUICK, **credentials):
    url = getattr(server_or_url, "url", server_or_url)
    return CerbyClient(url, **({"token": "tok-1", "api_key": "key-1"} | credentials), limits=limits)


def read_person(cerby):
    return cerby.person(UUID(OWNER_ID))


def test_a_person_is_read_with_the_api_key():
    with serving(data(user())) as server:
        assert read_person(client(server)).email == "ada@contenzilla.example"
    assert server.lines() == [f"GET /api/v1/users/{OWNER_ID} HTTP/1.1"]
    assert (server.header("X-API-Key"), server.header("Authorization")) == ("key-1", None)
    assert server.header("Accept") == "application/json"


def test_keys_are_read_with_the_token_and_other_reads_may_use_it():
    with serving(data(listed_key())) as server:
        client(server).key(UUID(KEY_ID))
    assert (server.header("X-API-Key"), server.header("Authorization")) == (None, "Bearer tok-1")
    with serving(data(user())) as server:
        read_person(client(server, api_key=None))
    assert server.header("Authorization") == "Bearer tok-1"


def test_without_a_credential_nothing_is_sent():
    with serving(data(user())) as server:
        with pytest.raises(CerbyUnauthorized):
            read_person(client(server, token=None, api_key=None))
        with pytest.raises(CerbyUnauthorized):
            client(server, token=None).key(UUID(KEY_ID))
        assert server.connections == 0
        assert read_person(client(server, token=None))


PASSING_TROUBLE: dict[str, Step] = {
    "502": http(502),
    "503": refusal(503, "busy"),
    "503 with an odd Retry-After": refusal(503, "busy", Retry_After="soon"),
    "504 in HTML": http(504, "<h1>Oops</h1>", Content_Type="text/html"),
    "reset": lambda conversation: conversation.reset(),
    "closed": b"",
}


@in_one_test("step", PASSING_TROUBLE.values())
def test_a_read_is_repeated_three_times(step):
    with serving(step, step, step, data(user())) as server:
        assert read_person(client(server))
    assert len(server.requests) == 4
    with serving(step) as server, pytest.raises(CerbyError):
        read_person(client(server))
    assert len(server.requests) == 4


def test_retry_after_sets_the_pause_up_to_a_limit():
    limits = Limits(pauses=(0, 0), longest_pause=0.3)
    with serving(refusal(503, "busy", Retry_After="3000"), data(user())) as server:
        begun = time.monotonic()
        read_person(client(server, limits))
        assert 0.3 <= time.monotonic() - begun < 60
    last = refusal(
        503, "busy", Retry_After="0", Connection="close"
    )  # so that the repetition does not find a closed connection
    with serving(last, data(user())) as server:
        begun = time.monotonic()
        read_person(client(server, Limits(pauses=(60,), longest_pause=60, total=90)))
        assert time.monotonic() - begun < 30


def test_no_repetition_starts_after_the_total_time():
    with serving(refusal(503, "busy", Retry_After="9")) as server, pytest.raises(CerbyInDoubt):
        read_person(client(server, Limits(total=1)))
    assert len(server.requests) == 1


@in_one_test(
    "step, kind",
    [
        (refusal(400, "no"), CerbyRefused),
        (refusal(401, "no"), CerbyUnauthorized),
        (refusal(403, "no"), CerbyForbidden),
        (refusal(404, "no"), CerbyNotFound),
        (refusal(408, "no"), CerbyRefused),
        (refusal(429, "no", Retry_After="7"), CerbyTooMany),
        (http(301, Location="https://elsewhere.example/"), CerbyError),
        (http(500), CerbyInDoubt),
        (http(204), CerbyInDoubt),
        (http(201, {"data": user()}), CerbyInDoubt),
        (http(200, "<html>", Content_Type="text/html"), CerbyInDoubt),
        (http(200, {"data": {}}), CerbyInDoubt),
        (http(200, {"data": user(user_id=KEY_ID)}), CerbyInDoubt),
        (http(200, {"data": user()}, Content_Length="9999"), CerbyInDoubt),
        (lambda conversation: conversation.hang(), CerbyInDoubt),
    ],
)
def test_other_outcomes_are_not_repeated(step, kind):
    with serving(step) as server, pytest.raises(CerbyError) as caught:
        read_person(client(server))
    assert type(caught.value) is kind
    assert len(server.requests) == 1


def test_too_many_requests_gives_the_time_to_wait():
    with (
        serving(refusal(429, "no", Retry_After="61")) as server,
        pytest.raises(CerbyTooMany, match="2 minutes") as caught,
    ):
        read_person(client(server))
    assert caught.value.retry_after == 61


def test_a_refused_connection_raises_never_reached():
    with pytest.raises(CerbyNeverReached, match="nothing was read"):
        read_person(client(f"http://127.0.0.1:{closed_port()}"))


def test_a_pooled_connection_that_the_server_closed_is_replaced():
    """The request fails on the old connection and is repeated over a new one."""
    with serving(KeepAlive(data(user())), PASSING_TROUBLE["reset"], data(user())) as server:
        cerby = client(server)
        read_person(cerby)
        assert read_person(cerby)
    assert server.connections == 2
    assert len(server.requests) == 3


def test_reads_share_connections_and_threads_share_the_client():
    with serving(KeepAlive(data(user()), after=0.02)) as server:
        cerby = client(server)
        for _ in range(5):
            read_person(cerby)
        assert server.connections == 1
        people = []
        threads = [threading.Thread(target=lambda: people.append(read_person(cerby))) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(people) == 10
        assert 1 < server.connections <= 10


def many_users(count):
    return [user(f"u{number}@contenzilla.example", str(uuid4())) for number in range(count)]


def test_a_list_is_read_page_by_page():
    users = many_users(7)
    pages = [listing(users[at : at + 3], total=7, following="/ignored") for at in (0, 3)]
    with serving(*pages, listing(users[6:], total=7)) as server:
        assert [str(person.id) for person in client(server).people()] == [each["id"] for each in users]
    assert [line.split()[1] for line in server.lines()] == [
        f"/api/v1/users?page%5Bnumber%5D={number}&page%5Bsize%5D=100" for number in (1, 2, 3)
    ]


def test_an_empty_page_ends_a_list_that_shrank():
    users = many_users(2)
    with serving(listing(users, total=3), listing([], total=2)) as server:
        assert len(list(client(server).people())) == 2
    assert len(server.requests) == 2


def test_a_list_that_ends_before_its_count_is_an_error():
    users = many_users(2)
    with serving(listing(users, total=99), listing([], total=99)) as server, pytest.raises(CerbyInDoubt):
        list(client(server).people())


def test_a_count_that_is_too_low_does_not_hide_a_next_page():
    users = many_users(3)
    with serving(listing(users[:2], total=2, following="/more"), listing(users[2:], total=2)) as server:
        assert len(list(client(server).people())) == 3


def test_an_item_that_moves_to_the_next_page_is_returned_once():
    users = many_users(3)
    with serving(listing(users[:2], total=3), listing(users[1:], total=3)) as server:
        assert [str(person.id) for person in client(server).people()] == [each["id"] for each in users]


def test_a_list_that_repeats_itself_is_an_error():
    with (
        serving(listing(many_users(2), total=9)) as server,
        pytest.raises(CerbyInDoubt, match="repeats itself"),
    ):
        list(client(server).people())
    assert len(server.requests) == 2


def test_a_list_that_does_not_end_is_an_error():
    pages = [listing(many_users(1), total=999) for _ in range(9)]
    with serving(*pages) as server, pytest.raises(CerbyInDoubt, match="does not end"):
        list(client(server).people())
    assert len(server.requests) == QUICK.pages


@pytest.mark.parametrize(
    ("read", "item"),
    [
        (lambda cerby: cerby.person_by_email("ada@contenzilla.example"), user()),
        (lambda cerby: cerby.keys_by_external_id(UUID(EXTERNAL_ID)), listed_key()),
        (lambda cerby: cerby.vaults(within=0.3), vault(KEY_ID)),
        (lambda cerby: list(cerby.keys(within=0.3)), listed_key()),
    ],
)
def test_the_time_for_a_list_is_for_all_its_pages(read, item):
    """A server that answers each page in time would hold the thread of a person for hours."""
    items = [item | {"id": str(uuid4())} for _ in range(30)]
    pages = [KeepAlive(listing([each], total=999, following="/y"), after=0.03) for each in items]
    with serving(*pages) as server:
        with pytest.raises(CerbyInDoubt, match="in time"):
            read(client(server, Limits(total=0.3, pauses=())))
        assert len(server.requests) < len(pages)


def test_items_that_cannot_be_read_do_not_hide_the_others():
    nameless = {"type": "user", "attributes": {}}
    with serving(listing([user(), user(user_id="7"), nameless, nameless])) as server:
        assert [person.id for person in client(server).people()] == [UUID(OWNER_ID)]
    with serving(listing([vault("7"), vault(OWNER_ID)])) as server:
        assert [vault.id for vault in client(server).vaults()] == [UUID(OWNER_ID)]


@pytest.mark.parametrize(
    "broken", [[user(user_id="7")], [None, None], [user()] * 1001], ids=["id", "null", "many"]
)
def test_a_list_without_a_readable_item_or_with_too_many_is_an_error(broken):
    with serving(listing(broken)) as server, pytest.raises(CerbyInDoubt):
        list(client(server).people())


def test_a_page_that_comes_again_is_an_error_although_an_item_on_it_cannot_be_read():
    with (
        serving(listing([user(), user(user_id="7")], total=500)) as server,
        pytest.raises(CerbyInDoubt, match="repeats itself"),
    ):
        list(client(server).people())


def test_a_person_by_email_has_exactly_that_email():
    users = [user("ada@contenzilla.example.org", str(uuid4())), user("Ada@Contenzilla.example")]
    with serving(listing(users)) as server:
        assert client(server).person_by_email("aDA@contenzilla.EXAMPLE").email == "Ada@Contenzilla.example"
        assert client(server).person_by_email("ada@contenzilla") is None
    assert "filter=aDA%40contenzilla.EXAMPLE&" in server.lines()[0]


def test_only_ascii_letters_are_case_folded_in_emails():
    with serving(listing([user("\u212aim@contenzilla.example")])) as server:  # the Kelvin sign lowers to "k"
        assert client(server).person_by_email("kim@contenzilla.example") is None


def test_two_people_with_the_same_email_are_an_error():
    with (
        serving(listing([user(), user(user_id=str(uuid4()))])) as server,
        pytest.raises(CerbyError, match="more than one"),
    ):
        client(server).person_by_email("ada@contenzilla.example")


def test_vaults():
    with serving(listing([vault(KEY_ID), vault(OWNER_ID, "Finance")])) as server:
        assert [found.name for found in client(server).vaults()] == ["Main", "Finance"]


def test_filters_apply_even_if_the_server_ignores_them():
    ours, other = listed_key(), listed_key(str(uuid4()), externalId=None, status="removed")
    with serving(listing([other, ours])) as server:
        cerby = client(server)
        assert [str(key.id) for key in cerby.keys_by_external_id(UUID(EXTERNAL_ID))] == [KEY_ID]
        assert [key.status for key in cerby.keys(statuses=["removed"])] == ["removed"]
        assert len(list(cerby.keys())) == 2
    assert f"filter%5BexternalId%5D={EXTERNAL_ID}" in server.lines()[0]
    assert "filter%5Bstatus%5D=removed" in server.lines()[1]
