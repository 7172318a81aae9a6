"""Which operation of a document is run."""

from collections.abc import Iterator

from graphql import GraphQLError, OperationDefinitionNode
from strawberry.extensions import SchemaExtension

from gateway.errors import BadUserInput


class NamedOperation(SchemaExtension):
    """Refuse a document of several operations that does not say which one: Strawberry would run the first.

    Source: GraphQL specification, GetOperation.
    """

    def on_validate(self) -> Iterator[None]:
        """Put the refusal in the place of what validation found, which is looked at before this ends."""
        request = self.execution_context
        named = request._provided_operation_name  # noqa: SLF001  # The public name is a guess at the first.
        definitions = request.graphql_document.definitions if request.graphql_document else ()
        if not named and sum(isinstance(each, OperationDefinitionNode) for each in definitions) > 1:
            fault = BadUserInput("Say by operationName which of the operations to run.")
            request.pre_execution_errors = [GraphQLError(str(fault), original_error=fault)]
        yield
