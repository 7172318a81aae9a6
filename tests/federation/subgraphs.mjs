// Serve the two other subgraphs of the example: node subgraphs.mjs CONTACTS_PORT VOICE_CONNECTORS_PORT
import { readFileSync } from "node:fs";
import { ApolloServer } from "@apollo/server";
import { ApolloServerPluginInlineTraceDisabled } from "@apollo/server/plugin/disabled";
import { startStandaloneServer } from "@apollo/server/standalone";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { parse } from "graphql";

const range = (start, length) => Array.from({ length }, (_, index) => `+${start + index}`);

// This subgraph knows only the key of a PhoneNumber. The gateway's sample data contain all of these numbers except the
// last.
const contacts = [...range(12065550100, 3), ...range(12125550100, 37), "+12065550199"].map((number, desk) => ({
  id: `desk-${desk}`,
  name: `Desk ${desk}`,
  phoneNumber: { e164PhoneNumber: number },
}));
const contactOf = new Map(contacts.map((contact) => [contact.phoneNumber.e164PhoneNumber, contact]));

const voiceConnectors = [
  { voiceConnectorId: "abcdef1ghij2klmno3pqr4", name: "Seattle" },
  { voiceConnectorId: "bcdefg2hijk3lmnop4qrs5", name: "Portland" },
];

function page(rows, { first, after }) {
  first ??= 50;
  const start = Number(after ?? -1) + 1;
  const edges = rows.map((node, index) => ({ node, cursor: `${index}` })).slice(start, start + first);
  const pageInfo = {
    hasNextPage: start + first < rows.length,
    hasPreviousPage: start > 0,
    startCursor: edges.at(0)?.cursor,
    endCursor: edges.at(-1)?.cursor,
  };
  return { edges, pageInfo };
}

async function serve(file, port, resolvers) {
  const typeDefs = parse(readFileSync(new URL(file, import.meta.url), "utf8"));
  const server = new ApolloServer({
    schema: buildSubgraphSchema([{ typeDefs, resolvers }]),
    plugins: [ApolloServerPluginInlineTraceDisabled()],
  });
  const { url } = await startStandaloneServer(server, { listen: { host: "127.0.0.1", port: Number(port) } });
  console.log(`${file} ${url}`);
}

const [contactsPort, voiceConnectorsPort] = process.argv.slice(2);
await serve("contacts.graphql", contactsPort, {
  Query: { contacts: (_, range) => page(contacts, range) },
  Contact: { __resolveReference: ({ id }) => contacts.find((contact) => contact.id === id) },
  PhoneNumber: { contact: ({ e164PhoneNumber }) => contactOf.get(e164PhoneNumber) },
});
await serve("voice-connectors.graphql", voiceConnectorsPort, {
  Query: { voiceConnectors: () => voiceConnectors },
  VoiceConnector: {
    __resolveReference: ({ voiceConnectorId }) =>
      voiceConnectors.find((connector) => connector.voiceConnectorId === voiceConnectorId),
  },
});
