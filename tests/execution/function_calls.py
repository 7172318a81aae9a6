"""Work counted in calls of Python functions, which no clock, load or machine changes."""

import gc
import sys
from collections import Counter
from collections.abc import Awaitable
from types import FrameType
from typing import Any, Final, TypeVar

T = TypeVar("T")

# asyncio's look through all tasks that there are, as many of them as earlier tests have left behind.
_OF_EARLIER_TASKS: Final = {"WeakSet.__iter__", "WeakSet._commit_removals", "_get_loop"}


async def count_calls(awaitable: Awaitable[T]) -> tuple[T, Counter[str]]:
    """What is awaited, and how often each function was called for it, by its qualified name.

    Going on with a coroutine or generator counts as a call as well; what tests do themselves does not.
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

    # What is collected meanwhile is not this work's; hypothesis counts collections by a function of its own.
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
    """Fields that graphql-core resolved and completed one by one."""
    return calls["Executor.execute_field"]


def projections_compiled(calls: Counter[str]) -> int:
    """Selections that were looked at, and answered by a generated function from then on if they can be."""
    return calls["compile_projection"]
