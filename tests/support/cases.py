"""Run the cases of a test one after another in one test, if pytest would need more time for each than the case itself."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

Test = Callable[..., None]


def in_one_test(names: str, cases: Iterable[Any]) -> Callable[[Test], Test]:
    """Call the test with each of ``cases``. The arguments are those of ``pytest.mark.parametrize``.

    The cases share the test's fixtures, but not their changes to the database, which are rolled back after
    each case if the test runs in a transaction. The first case that fails ends the test, and is named.
    """
    arguments = [name.strip() for name in names.split(",")]
    values = [value if len(arguments) > 1 else (value,) for value in cases]

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run_all(**fixtures: Any) -> None:
            assert values, "there are no cases"
            for value in values:
                with case(f"{names} = {', '.join(map(repr, value))}"), _undone():
                    test(**fixtures, **dict(zip(arguments, value, strict=True)))

        signature = inspect.signature(test)
        others = [one for name, one in signature.parameters.items() if name not in arguments]
        run_all.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]  # for pytest
        return run_all

    return decorate


@contextmanager
def case(name: str) -> Iterator[None]:
    """Name the case in the message of a failure."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"The case: {name}")
        raise


@contextmanager
def _undone() -> Iterator[None]:
    if not connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
