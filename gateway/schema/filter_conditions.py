"""The translation of filter arguments into AWS's parameters and the gateway's conditions.

AWS filters numbers by one status, one product type and one association. It does not filter orders.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.errors import BadUserInput
from gateway.listing.conditions import (
    Condition,
    contains_number,
    contains_number_with_status,
    contains_text,
    has_capabilities,
    has_value,
    has_word,
    is_in_country,
    is_within,
    number_starts_with,
)
from gateway.listing.instants import read_instant
from gateway.listing.list_filter import ListFilter
from gateway.schema.associated_resources import ASSOCIATED_RESOURCES
from gateway.schema.enums import AwsEnum, aws_word, require_supported
from gateway.schema.filters import (
    DateTimeRange,
    PhoneNumberCapabilitiesFilter,
    PhoneNumberFilter,
    PhoneNumberOrderFilter,
)
from gateway.upstream.call import NO_PARAMETERS
from gateway.upstream.services import MAX_ID_LENGTH, Service

_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")
# An E.164 number has at most 15 digits, and no country code starts with 0. Source: ITU-T E.164.
_NUMBER_PREFIX: Final = re.compile(r"\+?([1-9][0-9]{0,14})")
# With one character, a search would match nearly every number.
_SHORTEST_SEARCH: Final = 2
_CAPABILITIES: Final = {
    "inbound_call": "InboundCall",
    "outbound_call": "OutboundCall",
    "inbound_sms": "InboundSMS",
    "outbound_sms": "OutboundSMS",
    "inbound_mms": "InboundMMS",
    "outbound_mms": "OutboundMMS",
}


def phone_number_list_filter(
    given: PhoneNumberFilter | None, service: Service, association: Mapping[str, Any] = NO_PARAMETERS
) -> ListFilter:
    """Return the filter of a list of phone numbers.

    Args:
        given: The filter argument. Null and unset list all numbers.
        service: The API, which may lack a value.
        association: The parameters of the resource whose numbers are listed, if the list belongs to one.

    Raises:
        BadUserInput: If a value is UNKNOWN, if the service lacks it, or if it makes no sense.
    """
    if not given:
        return ListFilter(association)
    if given.association and association:
        raise BadUserInput(
            "This list already belongs to one associated resource, and AWS accepts one. Leave association out of its "
            "filter."
        )
    parameters = {**association, **_association_parameters(given.association, service)}
    if given.product_type:
        product_type = parameters["ProductType"] = aws_word(given.product_type)
        require_supported(product_type, service.product_types, service)
    statuses = _words_of(given.status, given.status_in)
    for word in _given_words(given.status, given.status_in):
        require_supported(word, service.phone_number_statuses, service)
    conditions = [
        *_word_conditions({"Type": given.type, "CallingNameStatus": given.calling_name_status}),
        *_text_conditions(given),
        *_presence_conditions({"CallingName": given.has_calling_name, "Associations": given.associated}),
        *_capability_conditions(given.capabilities),
        *_time_conditions(
            CreatedTimestamp=("created", given.created),
            UpdatedTimestamp=("updated", given.updated),
            DeletionTimestamp=("deletion", given.deletion),
        ),
    ]
    if statuses is not None and len(statuses) == 1:
        parameters["Status"] = statuses[0]
    elif statuses is not None:
        conditions.append(has_word("Status", statuses))
    return ListFilter(parameters, conditions, matches_nothing=statuses == [])


def phone_number_order_list_filter(given: PhoneNumberOrderFilter | None) -> ListFilter:
    """Return the filter of a list of orders. The gateway applies all of it.

    Raises:
        BadUserInput: If a value is UNKNOWN, or if it makes no sense.
    """
    if not given:
        return ListFilter()
    statuses = _words_of(given.status, given.status_in)
    conditions = [
        *_word_conditions({"ProductType": given.product_type, "OrderType": given.order_type}),
        *_time_conditions(CreatedTimestamp=("created", given.created), UpdatedTimestamp=("updated", given.updated)),
    ]
    if statuses is not None:
        conditions.append(has_word("Status", statuses))
    if given.e164_phone_number:
        conditions.append(contains_number(given.e164_phone_number))
    if given.ordered_phone_number_status:
        conditions.append(contains_number_with_status(aws_word(given.ordered_phone_number_status)))
    return ListFilter({}, conditions, matches_nothing=statuses == [])


def association_parameters(filter_name: str, resource_id: str, service: Service) -> dict[str, str]:
    """Return the parameters FilterName and FilterValue of ListPhoneNumbers.

    Raises:
        BadUserInput: If the service lacks the filter, or if the id is empty or too long.
    """
    if not 0 < len(resource_id) <= MAX_ID_LENGTH:
        raise BadUserInput(
            f"The id of an associated resource must have 1 to {MAX_ID_LENGTH} characters; it has {len(resource_id)}."
        )
    require_supported(filter_name, service.filter_names, service)
    return {"FilterName": filter_name, "FilterValue": resource_id}


def _association_parameters(given: Any, service: Service) -> dict[str, str]:
    if not given:
        return {}
    # GraphQL has checked that exactly one field is set (@oneOf).
    filter_name, resource_id = next(
        (resource.filter_name, value)
        for resource in ASSOCIATED_RESOURCES
        if isinstance(value := getattr(given, resource.key), str)
    )
    return association_parameters(filter_name, resource_id, service)


def _given_words(one: AwsEnum | None, several: Sequence[AwsEnum] | None) -> list[str]:
    """Return AWS's words of `status` and `statusIn`."""
    return [aws_word(member) for member in (*([one] if one else ()), *(several or ()))]


def _words_of(one: AwsEnum | None, several: Sequence[AwsEnum] | None) -> list[str] | None:
    """Return the words that both `status` and `statusIn` accept, each once, or None if neither is set."""
    wanted = aws_word(one) if one else None
    if not isinstance(several, list):
        return None if wanted is None else [wanted]
    words = dict.fromkeys(aws_word(member) for member in several)
    return [word for word in words if wanted in (None, word)]


def _word_conditions(members: Mapping[str, AwsEnum | None]) -> list[Condition]:
    return [has_word(key, [aws_word(member)]) for key, member in members.items() if member]


def _presence_conditions(wanted: Mapping[str, bool | None]) -> list[Condition]:
    return [has_value(key, wanted=value) for key, value in wanted.items() if isinstance(value, bool)]


def _capability_conditions(given: PhoneNumberCapabilitiesFilter | None) -> list[Condition]:
    if not given:
        return []
    wanted = {word: value for name, word in _CAPABILITIES.items() if isinstance(value := getattr(given, name), bool)}
    return [has_capabilities(wanted)] if wanted else []


def _text_conditions(given: PhoneNumberFilter) -> list[Condition]:
    conditions: list[Condition] = []
    if isinstance(given.country, str):
        if not _COUNTRY.fullmatch(given.country):
            raise BadUserInput("country must be a code of two letters (ISO 3166-1 alpha-2), such as US.")
        conditions.append(is_in_country(given.country))
    if isinstance(given.e164_starts_with, str):
        prefix = _NUMBER_PREFIX.fullmatch(given.e164_starts_with)
        if prefix is None:
            raise BadUserInput(
                "e164StartsWith must be the start of a number in E.164 format, such as +1206: the country code first, "
                "1 to 15 digits, without spaces."
            )
        conditions.append(number_starts_with(f"+{prefix[1]}"))
    if isinstance(given.search, str):
        if len(given.search) < _SHORTEST_SEARCH or not any(map(str.isalnum, given.search)):
            raise BadUserInput(
                f"search must have at least {_SHORTEST_SEARCH} characters, and a letter or digit among them."
            )
        conditions.append(contains_text(given.search))
    return conditions


def _time_conditions(**ranges: tuple[str, DateTimeRange | None]) -> list[Condition]:
    """Return the conditions for timestamps, by their keys. Each has the name of its argument.

    Raises:
        BadUserInput: If a period ends before it starts.
    """
    conditions: list[Condition] = []
    for key, (name, given) in ranges.items():
        start = read_instant(given.from_) if given else None
        end = read_instant(given.before) if given else None
        if start and end and end < start:
            raise BadUserInput(f"{name} ends before it starts. Its from must not be later than its before.")
        if start or end:
            conditions.append(is_within(key, start, end))
    return conditions
