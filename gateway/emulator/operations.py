"""The four operations, each from a request to the JSON of its response."""

from dataclasses import dataclass
from urllib.parse import unquote

import orjson

from gateway.emulator.aws_errors import NOT_FOUND, AwsError
from gateway.emulator.next_tokens import NextTokens, TokenScope
from gateway.emulator.query_validation import list_phone_number_orders_request, list_phone_numbers_request
from gateway.emulator.service_model import OperationName, ServiceModel
from gateway.emulator.store import Store, StoredRecord, normalize_e164


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of one API over one store. Each blocks on the database, so run it in a thread."""

    service: ServiceModel
    store: Store
    tokens: NextTokens

    def list_phone_numbers(self, raw_query: str) -> bytes:
        """Return one page of the numbers that match all filters.

        Raises:
            AwsError: BadRequest if a parameter or the token is invalid, NotFound if the filter's resource is unknown.

        Source: Amazon Chime API 2018-05-01 and Amazon Chime SDK voice API 2022-08-03, ListPhoneNumbers.
        """
        request = list_phone_numbers_request(raw_query, self.service)
        filters = request.filters
        association = filters.association or (None, None)
        scope = self._scope("ListPhoneNumbers", *association, filters.product_type, filters.status)
        after = self._after(scope, request.next_token)
        if filters.association is not None and not self.store.knows_resource(*filters.association):
            raise AwsError(NOT_FOUND)
        # If there is one row more than the page has, there is a next page.
        rows = self.store.phone_numbers(filters, after=after, limit=request.max_results + 1)
        return self._page("PhoneNumbers", scope, rows, request.max_results)

    def list_phone_number_orders(self, raw_query: str) -> bytes:
        """Return one page of the orders.

        Raises:
            AwsError: BadRequest if a parameter or the token is invalid.

        Source: Amazon Chime API 2018-05-01 and Amazon Chime SDK voice API 2022-08-03, ListPhoneNumberOrders.
        """
        request = list_phone_number_orders_request(raw_query, self.service)
        scope = self._scope("ListPhoneNumberOrders")
        after = self._after(scope, request.next_token)
        rows = self.store.phone_number_orders(after=after, limit=request.max_results + 1)
        return self._page("PhoneNumberOrders", scope, rows, request.max_results)

    def get_phone_number(self, phone_number_id: str) -> bytes:
        """Return a number by its E.164 form, with or without the plus, or by its PhoneNumberId (`%2B12065550100`).

        Raises:
            AwsError: NotFound if the number does not exist.

        Source: Amazon Chime API 2018-05-01 and Amazon Chime SDK voice API 2022-08-03, GetPhoneNumber.
        """
        e164 = normalize_e164(unquote(phone_number_id))
        record = None if e164 is None else self.store.phone_number(e164)
        if record is None:
            raise AwsError(NOT_FOUND)
        return _json({"PhoneNumber": orjson.Fragment(record)})

    def get_phone_number_order(self, phone_number_order_id: str) -> bytes:
        """Return an order by its ID. An ID need not be a GUID, because the ID in AWS's sample is not one.

        Raises:
            AwsError: NotFound if the order does not exist.

        Source: Amazon Chime API 2018-05-01 and Amazon Chime SDK voice API 2022-08-03, GetPhoneNumberOrder.
        """
        record = self.store.phone_number_order(phone_number_order_id)
        if record is None:
            raise AwsError(NOT_FOUND)
        return _json({"PhoneNumberOrder": orjson.Fragment(record)})

    def _scope(self, operation: OperationName, *filters: str | None) -> TokenScope:
        return TokenScope(self.service.api, operation, filters)

    def _after(self, scope: TokenScope, next_token: str | None) -> int:
        return 0 if next_token is None else self.tokens.read(scope, next_token)

    def _page(self, key: str, scope: TokenScope, rows: list[StoredRecord], size: int) -> bytes:
        page = rows[:size]
        next_token = self.tokens.issue(scope, page[-1].place) if len(rows) > size else None
        return _json({"NextToken": next_token, key: [orjson.Fragment(row.record) for row in page]})


def _json(response: dict[str, object]) -> bytes:
    return orjson.dumps(response, option=orjson.OPT_SORT_KEYS)
