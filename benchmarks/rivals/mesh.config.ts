// The configuration of Mesh Compose for the stub at STUB_URL: both lists, and a link from each ordered number to its record.
import { defineConfig } from "@graphql-mesh/compose-cli";
import { loadJSONSchemaSubgraph } from "@omnigraph/json-schema";

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;
const object = (title: string, properties: object) => ({ type: "object", title, properties });
const list = (items: object) => ({ type: "array", items });

const number = object("PhoneNumber", {
  PhoneNumberId: text,
  E164PhoneNumber: text,
  Country: text,
  Type: text,
  ProductType: text,
  Status: text,
  Capabilities: object("Capabilities", {
    InboundCall: flag,
    OutboundCall: flag,
    InboundSMS: flag,
    OutboundSMS: flag,
    InboundMMS: flag,
    OutboundMMS: flag,
  }),
  Associations: list(object("Association", { Name: text, Value: text, AssociatedTimestamp: text })),
  CallingName: text,
  CallingNameStatus: text,
  CreatedTimestamp: text,
  UpdatedTimestamp: text,
  DeletionTimestamp: text,
});

const order = object("PhoneNumberOrder", {
  PhoneNumberOrderId: text,
  ProductType: text,
  Status: text,
  OrderedPhoneNumbers: list(object("OrderedPhoneNumber", { E164PhoneNumber: text, Status: text })),
  CreatedTimestamp: text,
  UpdatedTimestamp: text,
});

const page = {
  argTypeMap: { maxResults: { type: "integer" }, nextToken: text },
  requestSchema: undefined,
};

export const composeConfig = defineConfig({
  subgraphs: [
    {
      sourceHandler: loadJSONSchemaSubgraph("Chime", {
        endpoint: process.env["STUB_URL"]!,
        operations: [
          {
            type: "Query",
            field: "phoneNumbers",
            path: "/phone-numbers?max-results={args.maxResults}&next-token={args.nextToken}",
            method: "GET",
            argTypeMap: page.argTypeMap,
            responseSchema: object("PhoneNumberPage", { PhoneNumbers: list(number), NextToken: text }),
          },
          {
            type: "Query",
            field: "phoneNumberOrders",
            path: "/phone-number-orders?max-results={args.maxResults}&next-token={args.nextToken}",
            method: "GET",
            argTypeMap: page.argTypeMap,
            responseSchema: object("PhoneNumberOrderPage", { PhoneNumberOrders: list(order), NextToken: text }),
          },
          {
            type: "Query",
            field: "phoneNumber",
            path: "/phone-numbers/{args.number}",
            method: "GET",
            argTypeMap: { number: text },
            responseSchema: object("PhoneNumberAnswer", { PhoneNumber: number }),
          },
        ],
      }),
    },
  ],
  additionalTypeDefs: /* GraphQL */ `
    extend type OrderedPhoneNumber {
      found: PhoneNumberAnswer
        @resolveTo(
          sourceName: "Chime"
          sourceTypeName: "Query"
          sourceFieldName: "phoneNumber"
          requiredSelectionSet: "{ E164PhoneNumber }"
          sourceArgs: { number: "{root.E164PhoneNumber}" }
        )
    }
  `,
});
