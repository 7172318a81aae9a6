"""The filters of `phoneNumbers`, and their translation into AWS's parameters."""

from typing import Any, Final

import strawberry

from gateway.schema.associations import ASSOCIATED_ENTITIES, association_parameters, class_of
from gateway.schema.enums import PhoneNumberProductType, PhoneNumberStatus, aws_word, require_supported
from gateway.upstream.services import Service

_FIELDS: Final = {
    entity.key: (str | None, strawberry.field(default=strawberry.UNSET, description=entity.key_description))
    for entity in ASSOCIATED_ENTITIES
}
# AWS's FilterName and FilterValue as one value, so that neither can be missing.
_AssociationFilter: Final[Any] = strawberry.federation.input(
    class_of("PhoneNumberAssociationFilter", _FIELDS),
    one_of=True,
    description="The resource that the numbers are associated with. Set exactly one field.",
)


@strawberry.input(description="Which phone numbers to list. A number must match every field that is set.")
class PhoneNumberFilter:
    """The filters of ListPhoneNumbers."""

    status: PhoneNumberStatus | None = strawberry.field(
        default=strawberry.UNSET, description="Only numbers with this status."
    )
    product_type: PhoneNumberProductType | None = strawberry.field(
        default=strawberry.UNSET, description="Only numbers for this product."
    )
    association: Any = strawberry.field(
        graphql_type=_AssociationFilter | None,
        default=strawberry.UNSET,
        description="Only numbers that are associated with this resource.",
    )


def filter_parameters(given: PhoneNumberFilter | None, service: Service) -> dict[str, str]:
    """Return the parameters of ListPhoneNumbers for a filter.

    Raises:
        BadUserInput: If a value is UNKNOWN, or if the service lacks it. AWS would send status 400 or an empty list.
    """
    parameters: dict[str, str] = {}
    if not given:
        return parameters
    if given.status:
        status = parameters["Status"] = aws_word(given.status)
        require_supported(status, service.phone_number_statuses, service)
    if given.product_type:
        product_type = parameters["ProductType"] = aws_word(given.product_type)
        require_supported(product_type, service.product_types, service)
    if given.association:
        # GraphQL has checked that exactly one field is set (@oneOf).
        filter_name, resource_id = next(
            (entity.filter_name, value)
            for entity in ASSOCIATED_ENTITIES
            if isinstance(value := getattr(given.association, entity.key), str)
        )
        parameters |= association_parameters(filter_name, resource_id, service)
    return parameters
