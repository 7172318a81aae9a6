"""The four calls this gateway makes: both generations of the API behind one typed interface."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final, NoReturn

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session
from botocore.exceptions import NoRegionError

from gateway.errors import (
    Misconfigured,
    UpstreamBadResponse,
    UpstreamNotFound,
    UpstreamTimeout,
)
from gateway.settings import Settings
from gateway.upstream.faults import PASSING, translate
from gateway.upstream.generations import GENERATIONS, Generation
from gateway.upstream.records import (
    PhoneNumberOrderPage,
    PhoneNumberOrderRecord,
    PhoneNumberPage,
    PhoneNumberRecord,
    e164_of,
    names_its_number,
    names_its_order,
)
from gateway.upstream.response_parser import JsonResponseParserFactory
from gateway.upstream.single_flight import SingleFlight

# The SDKs' own count: one call and two retries ride out a passing fault without multiplying a storm by more than 3.
MAX_ATTEMPTS: Final = 3
# Full jitter: a wait of 0 to 100 ms before the second attempt and 0 to 200 ms before the third, as AWS's
# architecture blog advises for crowds of clients; both fit in any sensible deadline.
BACKOFF_SECONDS: Final = 0.1
# A TCP and TLS handshake to a healthy endpoint takes well under a second; past two, another attempt is the better bet.
CONNECT_SECONDS: Final = 2.0

USER_AGENT: Final = f"chime-gateway aioboto3/{version('aioboto3')}"

Parameters = Mapping[str, str | int]
NO_PARAMETERS: Final[Parameters] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class AwsKeyPair:
    """Credentials given by the program itself, in place of AWS's chain: those of a local emulator.

    region: only signed, and emulators take any.
    """

    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"


class Upstream:
    """One AWS account's numbers and orders, read through one client for the whole process.

    Every method makes at most MAX_ATTEMPTS calls and joins an identical one that is under way. `deadline` is a time of
    the event loop's clock, in seconds; at it the call is abandoned.
    Raises, all methods: UpstreamFault.
    """

    def __init__(self, client: Any, generation: Generation, *, concurrency: int) -> None:
        self.generation = generation
        self._client = client
        self._slots = asyncio.Semaphore(concurrency)
        self._flights: SingleFlight[dict[str, Any]] = SingleFlight()

    async def list_phone_numbers(
        self, token: str | None, size: int, *, deadline: float, filters: Parameters = NO_PARAMETERS
    ) -> PhoneNumberPage:
        """One page of the inventory: ListPhoneNumbers.

        token: NextToken of the page before; None for the first page.
        size: rows asked for, 1 to generation.max_results. The answer may hold fewer, or none, and still go on.
        filters: Status, ProductType, FilterName and FilterValue, as AWS spells their values.
        Raises: CursorExpired where the token is refused; UpstreamNotFound where a filter names nothing known.
        """
        answer = await self._list("ListPhoneNumbers", self._client.list_phone_numbers, token, size, filters, deadline)
        records = _rows(answer, "PhoneNumbers", names_its_number, "ListPhoneNumbers")
        return PhoneNumberPage(records, _next_token(answer, "ListPhoneNumbers"))

    async def list_phone_number_orders(self, token: str | None, size: int, *, deadline: float) -> PhoneNumberOrderPage:
        """One page of the orders: ListPhoneNumberOrders. Parameters and faults as for list_phone_numbers."""
        operation = "ListPhoneNumberOrders"
        answer = await self._list(
            operation, self._client.list_phone_number_orders, token, size, NO_PARAMETERS, deadline
        )
        records = _rows(answer, "PhoneNumberOrders", names_its_order, operation)
        return PhoneNumberOrderPage(records, _next_token(answer, operation))

    async def get_phone_number(self, e164: str, *, deadline: float) -> PhoneNumberRecord | None:
        """One number's record, None where the inventory has none: GetPhoneNumber.

        e164: with its `+`; the form `%2B` that AWS's answers use would be encoded twice on the way.
        """
        operation = "GetPhoneNumber"
        call = self._client.get_phone_number
        record: PhoneNumberRecord | None = await self._get(
            operation, call, "PhoneNumberId", e164, "PhoneNumber", deadline
        )
        if record is not None and not (names_its_number(record) and e164_of(record) == e164):
            raise UpstreamBadResponse(operation, detail="the record is not of the number that was asked for")
        return record

    async def get_phone_number_order(self, order_id: str, *, deadline: float) -> PhoneNumberOrderRecord | None:
        """One order's record, None where there is none: GetPhoneNumberOrder."""
        operation = "GetPhoneNumberOrder"
        call = self._client.get_phone_number_order
        key, answer_key = "PhoneNumberOrderId", "PhoneNumberOrder"
        record: PhoneNumberOrderRecord | None = await self._get(operation, call, key, order_id, answer_key, deadline)
        if record is not None and str(record.get("PhoneNumberOrderId")).casefold() != order_id.casefold():
            raise UpstreamBadResponse(operation, detail="the record is not of the order that was asked for")
        return record

    async def _list(
        self,
        operation: str,
        call: Callable[..., Any],
        token: str | None,
        size: int,
        filters: Parameters,
        deadline: float,
    ) -> dict[str, Any]:
        parameters: dict[str, str | int] = {**filters, "MaxResults": size}
        if token is not None:
            parameters["NextToken"] = token
        return await self._call(operation, call, parameters, deadline)

    async def _get(
        self, operation: str, call: Callable[..., Any], key: str, value: str, answer_key: str, deadline: float
    ) -> Any:
        try:
            answer = await self._call(operation, call, {key: value}, deadline)
        except UpstreamNotFound:
            return None
        record = answer.get(answer_key)
        if not isinstance(record, dict):
            raise UpstreamBadResponse(operation, detail=f"{answer_key} is a {type(record).__name__}, not an object")
        return record

    async def _call(
        self, operation: str, call: Callable[..., Any], parameters: Parameters, deadline: float
    ) -> dict[str, Any]:
        key = (operation, tuple(sorted(parameters.items())))
        try:
            async with asyncio.timeout_at(deadline):
                return await self._flights.do(key, lambda: self._attempts(operation, call, parameters))
        except TimeoutError:
            raise UpstreamTimeout(operation, detail="the request's deadline passed") from None

    async def _attempts(self, operation: str, call: Callable[..., Any], parameters: Parameters) -> dict[str, Any]:
        """Call until it is answered, refused, or tried MAX_ATTEMPTS times. Those who wait bring the deadline."""
        attempt = 1
        while True:
            try:
                async with self._slots:
                    answer: dict[str, Any] = await call(**parameters)
                    return answer
            except Exception as error:  # A garbled answer makes botocore raise whatever it trips over.
                fault = translate(error, operation, with_token="NextToken" in parameters)
                if attempt == MAX_ATTEMPTS or not isinstance(fault, PASSING):
                    raise fault from error
            await asyncio.sleep(random.uniform(0, BACKOFF_SECONDS * 2 ** (attempt - 1)))  # noqa: S311  # Jitter, no secret.
            attempt += 1


def _rows(answer: dict[str, Any], key: str, is_known: Callable[[Any], bool], operation: str) -> list[Any]:
    rows = answer.get(key)
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise UpstreamBadResponse(operation, detail=f"{key} is a {type(rows).__name__}, not a list")
    # A row that names nothing can be neither shown nor found again; a whole page of them is no answer.
    known = [row for row in rows if isinstance(row, dict) and is_known(row)]
    if rows and not known:
        raise UpstreamBadResponse(operation, detail=f"{key} holds nothing that can be read")
    return known


def _next_token(answer: dict[str, Any], operation: str) -> str | None:
    token = answer.get("NextToken")
    if token is not None and not isinstance(token, str):
        raise UpstreamBadResponse(operation, detail=f"NextToken is a {type(token).__name__}")
    # Null, missing and "" all end a list; a short page does not.
    return token or None


class _HttpSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore carries no types
    """aiobotocore's HTTP session, without aiohttp's own second try of a GET, and without redirects."""

    async def _get_session(self, proxy_url: str | None) -> Any:
        session = await super()._get_session(proxy_url)
        # aiohttp repeats a GET on a dropped kept-alive connection, unseen by the count of attempts here.
        session._retry_connection = False  # noqa: SLF001  # aiohttp offers no public switch.
        # AWS sends none. A signed request that is led elsewhere would show its session token there.
        return SimpleNamespace(request=partial(session.request, allow_redirects=False))


@asynccontextmanager
async def open_upstream(settings: Settings, key_pair: AwsKeyPair | None = None) -> AsyncIterator[Upstream]:
    """The process's one upstream: a session and a client cost 45 to 95 ms of blocked event loop, so they are made once.

    key_pair: credentials and region in place of those that AWS's chain finds.
    Raises: Misconfigured where there are no credentials, no region, or AWS's own configuration cannot be read.
    """
    generation = GENERATIONS[settings.upstream_api]
    endpoint_url = settings.upstream_endpoint_url
    config = AioConfig(
        http_session_cls=_HttpSession,
        max_pool_connections=settings.upstream_concurrency,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=settings.request_deadline_seconds,
        # botocore's retry modes leave out these APIs' 429 or wait for 11 s (botocore 1.40.61): retries are ours.
        retries={"total_max_attempts": 1},
        # botocore writes its own anew for every call, at a seventh of the call's CPU.
        user_agent=USER_AGENT,
        # With credentials given the upstream is on this machine, and no proxy leads back to it.
        proxies=None if key_pair is None else {},
        # An enumerated value newer than botocore's model is AWS's to refuse; what callers can send is checked before.
        parameter_validation=False,
    )
    try:
        session = get_session()
        session.register_component("response_parser_factory", JsonResponseParserFactory())
        # botocore reads only the second; AWS's other SDKs, and the containers that AWS runs, know the first.
        session.session_var_map["region"] = ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)
        if key_pair is not None:
            _leave_unread_what_the_user_has_set_up(session)
            session.set_credentials(key_pair.access_key_id, key_pair.secret_access_key)
        region = key_pair.region if key_pair else session.get_config_variable("region") or generation.default_region
        if await session.get_credentials() is None:
            _refuse_without_credentials()
        client = aioboto3.Session(botocore_session=session).client(
            generation.api,
            region_name=region,
            endpoint_url=str(endpoint_url).rstrip("/") if endpoint_url else None,
            config=config,
        )
        opened = await client.__aenter__()
    except Misconfigured:
        raise
    except NoRegionError:
        raise Misconfigured(
            "no AWS region: set AWS_REGION or AWS_DEFAULT_REGION, or a region in the AWS profile"
        ) from None
    except Exception as error:  # A profile may run any program for its credentials, and that may print anything.
        raise Misconfigured(f"AWS's configuration cannot be used: {error}") from error
    try:
        yield Upstream(opened, generation, concurrency=settings.upstream_concurrency)
    finally:
        await client.__aexit__(None, None, None)


def _leave_unread_what_the_user_has_set_up(session: Any) -> None:
    session.session_var_map["profile"] = (None, None, None, None)
    session.set_config_variable("config_file", os.devnull)
    session.set_config_variable("credentials_file", os.devnull)


def _refuse_without_credentials() -> NoReturn:
    raise Misconfigured(
        "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run where a role gives "
        "them; for a local upstream that needs none, run `chime-gateway dev`"
    )
