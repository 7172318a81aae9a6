// Serve a supergraph with Apollo Gateway: node apollo-gateway.mjs SUPERGRAPH PORT
import { readFileSync } from "node:fs";
import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";

const secret = process.env.GATEWAY_ROUTER_SECRET;

class WithSecret extends RemoteGraphQLDataSource {
  willSendRequest({ request }) {
    request.http.headers.set("x-router-secret", secret);
  }
}

const [supergraph, port] = process.argv.slice(2);
const gateway = new ApolloGateway({
  supergraphSdl: readFileSync(supergraph, "utf8"),
  // Send the secret only to the gateway, not to other subgraphs.
  buildService: ({ name, url }) =>
    secret && name === "phone-numbers" ? new WithSecret({ url }) : new RemoteGraphQLDataSource({ url }),
});
const server = new ApolloServer({ gateway });
const { url } = await startStandaloneServer(server, { listen: { host: "127.0.0.1", port: Number(port) } });
console.log(`Supergraph ${url}`);
