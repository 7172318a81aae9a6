"""The usual first implementation: Strawberry types, a DataLoader and aioboto3, used as their documentation shows.

uvicorn runs it as `benchmarks.rivals.naive:app`, over the upstream at STUB_URL. It opens one client per process, unlike
many first implementations. A client per request would cost 50 ms more.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from enum import Enum
from typing import Any

import aioboto3
import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader


@strawberry.enum
class PhoneNumberStatus(Enum):
    ACQUIRE_IN_PROGRESS = "AcquireInProgress"
    ACQUIRE_FAILED = "AcquireFailed"
    UNASSIGNED = "Unassigned"
    ASSIGNED = "Assigned"
    RELEASE_IN_PROGRESS = "ReleaseInProgress"
    DELETE_IN_PROGRESS = "DeleteInProgress"
    RELEASE_FAILED = "ReleaseFailed"
    DELETE_FAILED = "DeleteFailed"


@strawberry.enum
class PhoneNumberType(Enum):
    LOCAL = "Local"
    TOLL_FREE = "TollFree"


@strawberry.enum
class ProductType(Enum):
    BUSINESS_CALLING = "BusinessCalling"
    VOICE_CONNECTOR = "VoiceConnector"
    SIP_MEDIA_APPLICATION_DIAL_IN = "SipMediaApplicationDialIn"


@strawberry.enum
class CallingNameStatus(Enum):
    UNASSIGNED = "Unassigned"
    UPDATE_IN_PROGRESS = "UpdateInProgress"
    UPDATE_SUCCEEDED = "UpdateSucceeded"
    UPDATE_FAILED = "UpdateFailed"


@strawberry.enum
class AssociationName(Enum):
    ACCOUNT_ID = "AccountId"
    USER_ID = "UserId"
    VOICE_CONNECTOR_ID = "VoiceConnectorId"
    VOICE_CONNECTOR_GROUP_ID = "VoiceConnectorGroupId"
    SIP_RULE_ID = "SipRuleId"


@strawberry.enum
class OrderStatus(Enum):
    PROCESSING = "Processing"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    PARTIAL = "Partial"


@strawberry.enum
class OrderedStatus(Enum):
    PROCESSING = "Processing"
    ACQUIRED = "Acquired"
    FAILED = "Failed"


@strawberry.type
class Capabilities:
    inbound_call: bool | None
    outbound_call: bool | None
    inbound_sms: bool | None = strawberry.field(name="inboundSMS")
    outbound_sms: bool | None = strawberry.field(name="outboundSMS")
    inbound_mms: bool | None = strawberry.field(name="inboundMMS")
    outbound_mms: bool | None = strawberry.field(name="outboundMMS")


@strawberry.type
class Association:
    name: AssociationName
    value: str
    associated_timestamp: datetime | None


@strawberry.type
class PhoneNumber:
    phone_number_id: str
    e164_phone_number: str
    country: str | None
    type: PhoneNumberType | None
    product_type: ProductType | None
    status: PhoneNumberStatus | None
    capabilities: Capabilities | None
    associations: list[Association]
    calling_name: str | None
    calling_name_status: CallingNameStatus | None
    created_timestamp: datetime | None
    updated_timestamp: datetime | None
    deletion_timestamp: datetime | None

    @classmethod
    def from_aws(cls, record: dict[str, Any]) -> "PhoneNumber":
        able = record["Capabilities"]
        return cls(
            phone_number_id=record["PhoneNumberId"],
            e164_phone_number=record["E164PhoneNumber"],
            country=record.get("Country"),
            type=PhoneNumberType(record["Type"]),
            product_type=ProductType(record["ProductType"]),
            status=PhoneNumberStatus(record["Status"]),
            capabilities=Capabilities(
                inbound_call=able.get("InboundCall"),
                outbound_call=able.get("OutboundCall"),
                inbound_sms=able.get("InboundSMS"),
                outbound_sms=able.get("OutboundSMS"),
                inbound_mms=able.get("InboundMMS"),
                outbound_mms=able.get("OutboundMMS"),
            ),
            associations=[
                Association(
                    name=AssociationName(association["Name"]),
                    value=association["Value"],
                    associated_timestamp=association.get("AssociatedTimestamp"),
                )
                for association in record["Associations"]
            ],
            calling_name=record.get("CallingName"),
            calling_name_status=CallingNameStatus(record["CallingNameStatus"]),
            created_timestamp=record.get("CreatedTimestamp"),
            updated_timestamp=record.get("UpdatedTimestamp"),
            deletion_timestamp=record.get("DeletionTimestamp"),
        )


@strawberry.type
class OrderedPhoneNumber:
    e164_phone_number: str
    status: OrderedStatus | None

    @strawberry.field
    async def phone_number(self, info: strawberry.Info) -> PhoneNumber | None:
        loader: DataLoader[str, PhoneNumber] = info.context["phone_numbers"]
        return await loader.load(self.e164_phone_number)


@strawberry.type
class PhoneNumberOrder:
    phone_number_order_id: strawberry.ID
    product_type: ProductType | None
    status: OrderStatus | None
    ordered_phone_numbers: list[OrderedPhoneNumber]
    created_timestamp: datetime | None
    updated_timestamp: datetime | None

    @classmethod
    def from_aws(cls, record: dict[str, Any]) -> "PhoneNumberOrder":
        return cls(
            phone_number_order_id=strawberry.ID(record["PhoneNumberOrderId"]),
            product_type=ProductType(record["ProductType"]),
            status=OrderStatus(record["Status"]),
            ordered_phone_numbers=[
                OrderedPhoneNumber(e164_phone_number=number["E164PhoneNumber"], status=OrderedStatus(number["Status"]))
                for number in record["OrderedPhoneNumbers"]
            ],
            created_timestamp=record.get("CreatedTimestamp"),
            updated_timestamp=record.get("UpdatedTimestamp"),
        )


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class PhoneNumberConnection:
    nodes: list[PhoneNumber]
    page_info: PageInfo


@strawberry.type
class PhoneNumberOrderConnection:
    nodes: list[PhoneNumberOrder]
    page_info: PageInfo


def parameters(first: int, after: str | None) -> dict[str, Any]:
    return {"MaxResults": first} if after is None else {"MaxResults": first, "NextToken": after}


def page_info(answer: dict[str, Any]) -> PageInfo:
    token = answer.get("NextToken")
    return PageInfo(has_next_page=token is not None, end_cursor=token)


@strawberry.type
class Query:
    @strawberry.field
    async def phone_numbers(
        self, info: strawberry.Info, first: int = 50, after: str | None = None
    ) -> PhoneNumberConnection:
        answer = await info.context["client"].list_phone_numbers(**parameters(first, after))
        return PhoneNumberConnection(
            nodes=[PhoneNumber.from_aws(record) for record in answer["PhoneNumbers"]], page_info=page_info(answer)
        )

    @strawberry.field
    async def phone_number_orders(
        self, info: strawberry.Info, first: int = 50, after: str | None = None
    ) -> PhoneNumberOrderConnection:
        answer = await info.context["client"].list_phone_number_orders(**parameters(first, after))
        return PhoneNumberOrderConnection(
            nodes=[PhoneNumberOrder.from_aws(record) for record in answer["PhoneNumberOrders"]],
            page_info=page_info(answer),
        )


class App(GraphQL[dict[str, Any], None]):
    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> dict[str, Any]:
        client = request.app.state.client

        async def load(numbers: list[str]) -> list[PhoneNumber]:
            answers = await asyncio.gather(*(client.get_phone_number(PhoneNumberId=number) for number in numbers))
            return [PhoneNumber.from_aws(answer["PhoneNumber"]) for answer in answers]

        return {"request": request, "response": response, "client": client, "phone_numbers": DataLoader(load_fn=load)}


@asynccontextmanager
async def lifespan(starlette: Starlette) -> AsyncIterator[None]:
    async with aioboto3.Session().client("chime", endpoint_url=os.environ["STUB_URL"]) as client:
        starlette.state.client = client
        yield


app = Starlette(routes=[Route("/graphql", App(strawberry.Schema(query=Query)))], lifespan=lifespan)
