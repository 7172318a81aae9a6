"""The W3C trace context of the request that is being answered: it goes along with each upstream call made for it.

A call that several requests share carries that of the one that began it.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

NO_TRACE: Final[Mapping[str, str]] = MappingProxyType({})

# The headers traceparent and tracestate, of the request whose task, or whose task's child, runs.
TRACE_CONTEXT: Final[ContextVar[Mapping[str, str]]] = ContextVar("trace_context", default=NO_TRACE)
