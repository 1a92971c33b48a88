"""Test the saved views of the pages API keys and Activity."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from keys.models import SavedView
from tests.cast import a_key, said_by
from tests.pages.helpers import (
    HTMX,
    attribute,
    elements,
    events,
    links,
    messages_of,
    names,
    queries,
    reason_beside,
    rows,
    text,
    the,
    within,
    words,
)

LISTS = {"keys": "status=active", "activity": "outcome=refused"}
"""The two pages, each with a filter."""


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def save(browser, name: str, query: str = "status=active", *, on: str = "keys", **more: str):
    return browser.post(f"/{on}/views/", {"name": name, "query": query} | more)


def saved(user, name: str = "Mine", query: str = "status=active", **columns) -> SavedView:
    return SavedView.objects.create(
        **{"page": "inventory", "user": user, "name": name, "query": query} | columns
    )


def tabs(response) -> dict[str, str]:
    [bar] = elements(response, "nav", aria_label="Saved views")
    return {words(link): attribute(link, "href") or "" for link in within(bar, "a")}


def current(response) -> str:
    [bar] = elements(response, "nav", aria_label="Saved views")
    [link] = within(bar, "a", aria_current="page")
    return words(link)


@pytest.mark.parametrize(("on", "query"), LISTS.items())
def test_what_the_page_shows_becomes_a_tab(admin, on, query):
    assert list(tabs(admin.get(f"/{on}/"))) == [{"keys": "All keys", "activity": "All events"}[on]]
    response = save(admin, " Trouble ", f"{query}&after=&x=1", on=on)
    view = SavedView.objects.get()
    assert response["Location"] == f"/{on}/?{query}&view={view.pk}"
    page = admin.get(response["Location"])
    assert "“Trouble” is saved" in messages_of(page)
    assert tabs(page)["Trouble"] == response["Location"]
    assert current(page) == "Trouble"
    assert current(admin.get(f"/{on}/?{query}")) != "Trouble"
    assert tabs(admin.get(f"/{on}/", headers=HTMX))["Trouble"] == response["Location"]


def test_a_view_holds_filters_sort_order_and_columns(admin, cast):
    a_key(cast.owner, name="Payroll", team="Data")
    a_key(cast.owner, name="Other")
    query = "team=data&owner=owner@contenzilla.example&scope=read:users&sort=-name&columns=team,owner"
    page = admin.get(save(admin, "Data", query)["Location"])
    assert names(page) == ["Payroll"]
    assert list(rows(page)[0])[1:-1] == ["Name", "Team", "Owner"]
    assert attribute(the(page, "th", aria_sort="descending"), "scope") == "col"
    assert "differs from the view" not in text(page)


@pytest.mark.parametrize("query", ["", "after=7&view=3", "sort=-created&columns=", "status=nonsense"])
def test_only_a_list_that_differs_from_all_keys_can_be_saved(admin, query):
    page = save(admin, "Nothing", query)
    assert page.status_code == 422
    assert not SavedView.objects.exists()
    assert reason_beside(page, "view_name")


def test_a_change_is_offered_to_be_saved_or_reset(admin, cast):
    view = saved(cast.admin)
    opened = f"/keys/?status=active&view={view.pk}"
    assert "Save changes" not in text(admin.get(opened))
    assert "Save changes" not in text(admin.get(f"{opened}&sort=-created&after={view.pk}"))
    for change in ("&sort=name", "&columns=team", "&q=payroll"):
        page = admin.get(opened + change)
        assert "This list differs from the view “Mine”." in text(page)
        assert current(page) == "Mine"
    assert admin.get(links(page)["Reset"])["Location"] == opened
    form = the(page, "form", action=f"/keys/views/{view.pk}/store/")
    [query] = within(form, "input", name="query")
    stored = admin.post(f"/keys/views/{view.pk}/store/", {"query": attribute(query, "value")})
    assert stored["Location"] == f"/keys/?q=payroll&status=active&view={view.pk}"
    assert "Save changes" not in text(admin.get(stored["Location"]))


def test_the_filter_sort_and_columns_stay_in_the_view_that_is_open(admin, cast):
    a_key(cast.owner)
    view = saved(cast.admin)
    page = admin.get(f"/keys/?status=active&view={view.pk}")
    for form in ("filter", "column-choices"):
        boxes = [*elements(page, "input", form=form), *within(the(page, "form", id=form), "input")]
        assert ("view", str(view.pk)) in [(attribute(one, "name"), attribute(one, "value")) for one in boxes]
    assert f"view={view.pk}" in str(attribute(the(page, "a", id="sort-name"), "href"))


def test_renaming_and_deleting(admin, cast):
    view = saved(cast.admin)
    response = admin.post(f"/keys/views/{view.pk}/edit/", {"name": "Ours", "query": f"q=pay&view={view.pk}"})
    assert response["Location"] == f"/keys/?q=pay&view={view.pk}"
    assert current(admin.get(response["Location"])) == "Ours"
    assert admin.post(f"/keys/views/{view.pk}/delete/")["Location"] == "/keys/"
    assert list(tabs(admin.get("/keys/"))) == ["All keys"]
    assert not events(type__startswith="view:")


def test_deleting_asks_first_and_says_who_else_loses_the_view(admin, browser_of, cast):
    view = saved(cast.admin, "Trouble")
    opened = admin.get(f"/keys/?view={view.pk}", follow=True)
    page = admin.get(links(opened)["Delete the view…"])
    assert "Only you see this view." in text(page)
    assert admin.get(links(page)["Cancel"], follow=True).redirect_chain[-1][0].endswith(f"view={view.pk}")
    assert SavedView.objects.filter(pk=view.pk).exists(), "asking deletes nothing"
    SavedView.objects.update(shared=True)
    page = admin.get(f"/keys/views/{view.pk}/delete/")
    assert "You share it. These people lose it as well: Owner Person, Super Person." in text(page)
    assert "So do people who see only their own keys." in text(page)
    assert "Admin Person shares it." in text(browser_of("owner").get(f"/keys/views/{view.pk}/delete/"))
    SavedView.objects.update(query="owner=ada@contenzilla.example")
    assert "only their own keys" not in text(admin.get(f"/keys/views/{view.pk}/delete/"))
    SavedView.objects.update(user=cast.owner)
    assert admin.get(f"/keys/views/{view.pk}/delete/").status_code == 403
    SavedView.objects.update(shared=False)
    assert admin.get(f"/keys/views/{view.pk}/delete/").status_code == 404
    assert not elements(browser_of("owner").get("/keys/"), "form", action=f"/keys/views/{view.pk}/delete/")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "The name is missing"),
        ("x" * 61, "61 characters"),
        ("sbx_9f3kQ7vLmT2xW8zR4nB6cD1yH5", "may be an API key"),
        ("a\x00b", "invisible character"),
        ("MINE", "There is already a view called “MINE”"),
    ],
)
def test_a_name_that_cannot_be_is_told_beside_the_field_and_the_input_stays(admin, cast, name, reason):
    first, second = saved(cast.admin), saved(cast.admin, "Second", "q=payroll")
    for address, field in (("/keys/views/", "view_name"), (f"/keys/views/{second.pk}/edit/", "edit_name")):
        page = admin.post(address, {"name": name, "query": f"q=payroll&view={second.pk}", "shared": ""})
        assert page.status_code == 422
        assert reason in reason_beside(page, field)
        assert attribute(the(page, id=field), "value") in {name.replace("\x00", "\ufffd"), name, None}
        assert attribute(the(page, id="id_q"), "value") == "payroll"
        assert attribute(the(page, "nav", aria_label="Saved views"), "class") == "tabs"
    assert {view.name for view in SavedView.objects.all()} == {first.name, second.name}


def test_links_of_a_page_with_an_error_lead_to_the_list(admin, cast):
    a_key(cast.owner)
    page = save(admin, "", "status=active")
    assert attribute(the(page, "a", id="sort-name"), "href") == "/keys/?status=active&sort=name"


def test_fifty_are_enough_on_each_page(admin, cast):
    SavedView.objects.bulk_create(
        SavedView(user=cast.admin, page="inventory", name=f"View {number}", query="q=xy")
        for number in range(50)
    )
    assert "You have 50 saved views" in reason_beside(save(admin, "One more"), "view_name")
    assert save(admin, "One more", "outcome=failed", on="activity").status_code == 302


def test_filters_that_are_too_long_for_an_address_are_refused(admin):
    query = f"team={quote('字' * 100)}&system={quote('字' * 100)}&q={quote('字' * 190)}"
    assert "too long" in reason_beside(save(admin, "Long", query), "view_name")


def test_a_private_view_is_its_authors_alone(admin, browser_of, cast):
    view, owner = saved(cast.admin), browser_of("owner")
    assert "Mine" not in tabs(owner.get("/keys/"))
    for verb in ("store", "edit", "delete"):
        answer = owner.post(f"/keys/views/{view.pk}/{verb}/", {"name": "X", "query": "q=pay"})
        assert answer.status_code == 404
    page = owner.get(f"/keys/?status=active&view={view.pk}")
    assert "does not exist, or that its author does not share" in text(page)
    assert current(page) == "All keys"


def test_a_shared_view_is_a_tab_for_everybody_and_changed_by_its_author_or_the_highest(
    admin, browser_of, cast
):
    location = save(admin, "Active", shared="on")["Location"]
    view = SavedView.objects.get()
    assert "Active (shared)" in tabs(browser_of("super_admin").get("/keys/"))
    other = saved(cast.owner, "Owner's", shared=True)
    for verb in ("store", "edit", "delete"):
        body = {"name": "New", "query": "q=pay", "shared": "on"}
        assert admin.post(f"/keys/views/{other.pk}/{verb}/", body).status_code == 403
    page = admin.get(f"/keys/?q=payroll&view={other.pk}")
    assert "Save changes" not in text(page)
    assert "Edit the view" not in text(page)
    assert "Edit the view" in text(browser_of("super_admin").get(location))
    body = {"name": "Active keys", "query": "q=pay", "shared": "on"}
    assert browser_of("super_admin").post(f"/keys/views/{view.pk}/edit/", body).status_code == 302
    assert "Active keys (shared)" in tabs(admin.get("/keys/"))


def test_names_of_shared_views_are_unique_among_them(admin, cast):
    saved(cast.owner, "Straße", shared=True)
    page = save(admin, "STRASSE", shared="on")
    assert "already a shared view called “STRASSE”" in reason_beside(page, "view_name")
    assert "checked" in dict(the(page, id="view_shared").attributes)
    assert save(admin, "STRASSE").status_code == 302
    view = SavedView.objects.get(name="STRASSE")
    answer = admin.post(
        f"/keys/views/{view.pk}/edit/", {"name": "STRASSE", "query": f"view={view.pk}", "shared": "on"}
    )
    assert "already a shared view" in reason_beside(answer, "edit_name")


def test_changes_of_shared_views_are_recorded_with_what_changed(admin):
    save(admin, "Ada's", "owner=ada@contenzilla.example", shared="on")
    view = SavedView.objects.get()
    admin.post(f"/keys/views/{view.pk}/store/", {"query": "status=active&sort=name&columns=last-used"})
    admin.post(f"/keys/views/{view.pk}/edit/", {"name": "Active", "shared": "on"})
    admin.post(f"/keys/views/{view.pk}/edit/", {"name": "Active", "shared": "on"})
    admin.post(f"/keys/views/{view.pk}/edit/", {"name": "Active"})
    admin.post(f"/keys/views/{view.pk}/edit/", {"name": "Active", "shared": "on"})
    admin.post(f"/keys/views/{view.pk}/delete/")
    about = {"view": str(view.pk), "page": "inventory"}
    held = "status=active, sort=name, columns=name,last-used"
    assert [(event.type, said_by(event)) for event in events(type__startswith="view:")] == [
        ("view:share", about | {"name": "Ada's", "filter": "owner=ada@contenzilla.example"}),
        (
            "view:change",
            about
            | {
                "name": "Ada's",
                "before": {"filter": "owner=ada@contenzilla.example"},
                "after": {"filter": held},
            },
        ),
        ("view:change", about | {"name": "Active", "before": {"name": "Ada's"}, "after": {"name": "Active"}}),
        ("view:change", about | {"name": "Active", "before": {"shared": "yes"}, "after": {"shared": "no"}}),
        ("view:share", about | {"name": "Active", "filter": held}),
        ("view:delete", about | {"name": "Active", "filter": held}),
    ]
    assert "ada@contenzilla.example" not in str([event.details for event in events(type__startswith="view:")])
    shown = text(admin.get("/activity/?type=view:share&type=view:change&type=view:delete"))
    assert "status: active, sorted by: name, columns: name, last used" in shown.lower()


def test_people_with_own_keys_save_for_themselves_and_see_shared_views_without_people(browser_of, cast):
    a_key(cast.user, name="My key", team="Data")
    saved(cast.owner, "Data", "team=data&columns=name,team,owner", shared=True)
    saved(cast.owner, "Ada's", "owner=ada@contenzilla.example", shared=True)
    user = browser_of("user")
    page = user.get("/keys/")
    assert list(tabs(page)) == ["All keys", "Data (shared)"]
    opened = user.get(tabs(page)["Data (shared)"])
    assert list(rows(opened)[0])[1:-1] == ["Name", "Team"]
    assert "Edit the view" not in text(opened)
    assert not elements(opened, id="view_shared")
    assert save(user, "Mine").status_code == 302
    assert save(user, "Ours", shared="on").status_code == 403
    hidden, others = SavedView.objects.get(name="Ada's"), saved(cast.owner, page="activity", shared=True)
    assert user.get(f"/keys/?view={others.pk}").status_code == 200
    assert user.get(f"/keys/?view={hidden.pk}").status_code == 200
    assert "ada@" not in user.get(f"/keys/?view={hidden.pk}").content.decode()


def test_a_shared_view_stays_if_its_author_leaves(admin, browser_of, cast):
    view = saved(cast.super_admin, "Left", shared=True)
    type(cast.super_admin).objects.filter(pk=cast.super_admin.pk).update(is_active=False, added_at=None)
    assert "Left (shared)" in tabs(admin.get("/keys/"))
    owner = browser_of("owner")
    page = owner.post(
        f"/keys/views/{view.pk}/edit/", {"name": "Left", "query": f"status=active&view={view.pk}"}
    )
    assert "Its author has left" in reason_beside(page, "edit_shared")
    assert owner.post(f"/keys/views/{view.pk}/delete/").status_code == 302


def test_the_number_of_a_view_alone_opens_what_it_holds_now(admin, cast):
    view = saved(cast.admin)
    for page, on in (("inventory", "keys"), ("activity", "activity")):
        SavedView.objects.update(page=page, query=LISTS[on])
        assert admin.get(f"/{on}/?view={view.pk}")["Location"] == f"/{on}/?{LISTS[on]}&view={view.pk}"
    gone = admin.get(f"/keys/?view={view.pk}")
    assert gone.status_code == 200
    assert "The list shows everything" in text(gone)
    assert admin.get("/keys/?view=nonsense").status_code == 422


def test_a_view_with_a_value_that_is_not_valid_any_more_says_so(admin, cast):
    view = saved(cast.admin, query="scope=read:gone&columns=gone")
    page = admin.get(f"/keys/?view={view.pk}", follow=True)
    assert page.status_code == 422
    assert "The view “Mine” cannot be used as it is" in text(page)
    assert "Delete the view" in text(page)
    assert current(page) == "Mine"
    assert not names(page)


def test_tabs_cost_one_query(admin, cast):
    few = queries(admin, "/keys/")
    for number in range(20):
        saved(cast.admin, f"View {number}")
        saved(cast.owner, f"View {number}", shared=True)
    assert queries(admin, "/keys/") == few


def test_a_value_that_does_not_exist_any_more_is_named(admin, cast, browser_of):
    a_key(cast.owner, name="Payroll", team="Data")
    view = saved(cast.admin, query="owner=gone@contenzilla.example+owner@contenzilla.example")
    page = admin.get(f"/keys/?view={view.pk}", follow=True)
    assert names(page) == ["Payroll"]
    assert "The view “Mine” has a value that does not exist." in text(page)
    assert "The portal knows nobody with the email gone@contenzilla.example." in text(page)
    for name, value in (("team", "Gone"), ("system", "Gone"), ("tag", "gone")):
        page = admin.get(f"/keys/?{name}={value}")
        assert f"No key has the {name} “{value}”." in text(page)
        assert names(page) == []
    assert "does not exist" not in text(admin.get("/keys/?team=data&owner=owner@contenzilla.example"))


def test_people_with_own_keys_learn_nothing_about_other_teams_and_people(browser_of, cast):
    a_key(cast.owner, team="Secret project")
    a_key(cast.user)
    user = browser_of("user")
    for value in ("Secret project", "No such project"):
        assert f"No key has the team “{value}”." in text(user.get(f"/keys/?team={quote(value)}"))
    for email in ("owner@contenzilla.example", "nobody@contenzilla.example"):
        assert "knows nobody" not in text(user.get(f"/keys/?accountable={email}"))
