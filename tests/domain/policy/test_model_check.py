"""Check every order of proposals, approvals and exceptions, with the code's own guards. Each is removed once.

The model is small: an author, an approver and a key's owner, two proposals and one exception, and days that pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from keys.models.policy_exception import MOST_DAYS
from keys.rules.policy.decisions import Against, Asked, Proposal
from tests.support.cases import in_one_test

PEOPLE = (1, 2)
OWNER = 2
"""The key's owner, who may approve what others propose."""


@dataclass(frozen=True)
class Version:
    author: int
    base: int
    document: int = 0
    state: str = "proposed"


@dataclass(frozen=True)
class World:
    """``answer``: counts the changes of the keys. ``asked_by`` is 0 without an exception."""

    versions: tuple[Version, ...] = ()
    in_force: int = 0
    answer: int = 0
    tampered: bool = False
    asked_by: int = 0
    exception: str = ""
    wrong: str = ""


def remaining(reasons: list[Against], without: Against | None) -> bool:
    """Return whether a guard is left that stops the act."""
    return any(reason is not without for reason in reasons)


def proposals(world: World) -> Iterator[World]:
    if len(world.versions) == 2 or any(each.state == "proposed" for each in world.versions[-1:]):
        return
    for author in PEOPLE:
        yield replace(world, versions=(*world.versions, Version(author, world.in_force)))


def decisions(world: World, without: Against | None) -> Iterator[World]:
    for place, version in enumerate(world.versions):
        for person in PEOPLE:
            for seen in {world.answer, 0}:
                is_intact = version.document == 0
                proposal = Proposal(
                    version.author, version.state == "proposed", is_intact, version.base, world.in_force
                )
                reasons = proposal.against(person) + ([Against.UNSEEN] if seen != world.answer else [])
                if not remaining(reasons, without):
                    yield approved(world, place, person, seen)
        if version.state == "proposed":
            for end in ("declined", "withdrawn"):
                yield with_version(world, place, replace(version, state=end))


def approved(world: World, place: int, person: int, seen: int) -> World:
    version = world.versions[place]
    wrongs = {
        "its author approved it": person == version.author,
        "it was decided twice": version.state != "proposed",
        "another document was approved": version.document != 0,
        "it replaced a version that nobody compared": version.base != world.in_force,
        "nobody saw who would break it": seen != world.answer,
    }
    after = with_version(world, place, replace(version, state="active"))
    return replace(
        after, in_force=place + 1, wrong=next((words for words, is_so in wrongs.items() if is_so), "")
    )


def with_version(world: World, place: int, version: Version) -> World:
    return replace(world, versions=(*world.versions[:place], version, *world.versions[place + 1 :]))


def exceptions(world: World, without: Against | None) -> Iterator[World]:
    if not world.exception:
        for person in PEOPLE:
            yield replace(world, asked_by=person, exception="asked")
        return
    for person in (*PEOPLE, 3):
        asked = Asked(world.asked_by, OWNER, is_open=world.exception == "asked")
        if not remaining(asked.against(person), without):
            wrongs = {
                "granted by the person who asked": person == world.asked_by,
                "granted by the key's owner": person == OWNER,
                "granted twice": world.exception != "asked",
            }
            wrong = next((words for words, is_so in wrongs.items() if is_so), "")
            yield replace(world, exception="granted", wrong=wrong)
    if world.exception == "asked":
        yield replace(world, exception="declined")
    if world.exception == "granted":
        yield replace(world, exception="ended")


def others(world: World) -> Iterator[World]:
    """Yield what happens outside: the keys change, or somebody changes a document in the database."""
    if world.answer < 1:
        yield replace(world, answer=world.answer + 1)
    if world.versions and not world.tampered:
        changed = replace(world.versions[-1], document=1)
        yield replace(with_version(world, len(world.versions) - 1, changed), tampered=True)


def walk(without: Against | None = None) -> tuple[set[World], set[str]]:
    ahead, seen, wrongs = [World()], {World()}, set()
    while ahead:
        world = ahead.pop()
        if world.wrong:
            wrongs.add(world.wrong)
            continue  # do not explore beyond a problem
        onward = {*proposals(world), *decisions(world, without), *exceptions(world, without), *others(world)}
        ahead += onward - seen
        seen |= onward
    return seen, wrongs


def test_nothing_goes_wrong_in_any_order():
    worlds, wrongs = walk()
    assert wrongs == set()
    assert len(worlds) > 1000
    assert {version.state for world in worlds for version in world.versions} == {
        *("proposed", "active", "declined", "withdrawn")
    }
    assert MOST_DAYS == 90


GUARDS = {
    Against.OWN: "its author approved it",
    Against.DECIDED: "it was decided twice",
    Against.CHANGED: "another document was approved",
    Against.UNSEEN: "nobody saw who would break it",
    Against.ASKED: "granted by the person who asked",
    Against.OWNED: "granted by the key's owner",
}


@in_one_test("guard, wrong", GUARDS.items())
def test_the_check_notices_each_missing_guard(guard, wrong):
    assert wrong in walk(without=guard)[1]


def test_two_proposals_at_once_need_the_guard_against_an_old_base():
    """One proposal waits at a time, so an old base needs a version that was put into force past the portal."""
    world = World(versions=(Version(1, base=0),), in_force=7)
    assert [each for each in decisions(world, None) if each.in_force == 1] == []
    wrongs = {each.wrong for each in decisions(world, Against.OUTDATED)}
    assert "it replaced a version that nobody compared" in wrongs
