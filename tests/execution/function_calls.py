"""Work counted in calls of Python functions, which does not depend on a clock, load or machine."""

import gc
import sys
from collections import Counter
from collections.abc import Awaitable
from types import FrameType
from typing import Any, Final, TypeVar

T = TypeVar("T")

# asyncio visits all existing tasks, including those that earlier tests left behind.
_OF_EARLIER_TASKS: Final = {"WeakSet.__iter__", "WeakSet._commit_removals", "_get_loop"}


async def count_calls(awaitable: Awaitable[T]) -> tuple[T, Counter[str]]:
    """Return an awaitable's result, and how often each function was called for it, by qualified name.

    Resuming a coroutine or generator counts as a call. Calls of the tests' own functions do not count.
    """
    calls: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        name = frame.f_code.co_qualname
        if (
            event == "call"
            and name not in _OF_EARLIER_TASKS
            and not frame.f_globals.get("__name__", "").startswith("tests.")
        ):
            calls[name] += 1

    # Garbage collection is not part of this work, and hypothesis would count each collection as a call.
    gc.disable()
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        given = await awaitable
    finally:
        sys.setprofile(before)
        gc.enable()
    return given, calls


def fields_executed(calls: Counter[str]) -> int:
    """Return the number of fields that graphql-core executed one by one."""
    return calls["Executor.execute_field"]


def projections_compiled(calls: Counter[str]) -> int:
    """Return the number of selections for which a projection was compiled, or found impossible."""
    return calls["compile_projection"]
