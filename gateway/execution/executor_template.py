"""The arguments of graphql-core's executor that are the same in each execution of an operation.

`Executor.build` looks up the operation, its fragments and the types of its variables for each request. That takes 3 %
of a small request's time. So the first executor's are kept, and later requests only convert the variables' values.
"""

from typing import Any

from graphql import Undefined, coerce_input_value
from graphql.execution import Executor, VariableValues
from graphql.execution.values import VariableValueSource


class ExecutorTemplate:
    """The arguments that all executors of one operation share.

    Args:
        executor: The operation's first executor, made by `Executor.build`.
    """

    def __init__(self, executor: Executor[Any]) -> None:
        self.fragment_definitions = executor.fragment_definitions
        self.fragments = executor.fragments
        self.operation = executor.operation
        self._signatures = [source.signature for source in executor.variable_values.sources.values()]

    def coerce_variables(self, inputs: dict[str, Any]) -> VariableValues | None:
        """Return the variables' values, or None if one is absent or not valid.

        `Executor.build` then finds the default value or the error. It also rejects values that are nested too deeply,
        but no input object of the schema contains itself.

        Args:
            inputs: The values as the client sent them, by the variable's name.
        """
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature in self._signatures:
            name = signature.name
            value = inputs.get(name, Undefined)
            coerced_value = Undefined if value is Undefined else coerce_input_value(value, signature.type)
            if coerced_value is Undefined:
                return None
            sources[name] = VariableValueSource(signature, value)
            coerced[name] = coerced_value
        return VariableValues(sources, coerced)
