// Compose the subgraphs that CONFIG names into one schema for a router: node compose.mjs CONFIG SUPERGRAPH [COMPOSER]
// COMPOSER is @apollo/composition, @theguild/federation-composition or @wundergraph/composition. Its messages go to
// standard error. The exit code is 1 if composition fails.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import * as apollo from "@apollo/composition";
import * as guild from "@theguild/federation-composition";
import * as wundergraph from "@wundergraph/composition";
import { parse, print } from "graphql";

const composers = {
  "@apollo/composition"(subgraphs) {
    const { supergraphSdl, errors = [], hints = [] } = apollo.composeServices(subgraphs);
    return { supergraph: supergraphSdl, messages: [...errors, ...hints] };
  },
  "@theguild/federation-composition"(subgraphs) {
    const { supergraphSdl, errors = [] } = guild.composeServices(subgraphs);
    return { supergraph: supergraphSdl, messages: errors };
  },
  // Its routers read a configuration in another format, which contains this schema.
  "@wundergraph/composition"(subgraphs) {
    const { success, federatedGraphAST, errors = [], warnings } = wundergraph.federateSubgraphs({
      subgraphs: subgraphs.map(({ name, url, typeDefs }) => ({ name, url, definitions: typeDefs })),
      version: wundergraph.LATEST_ROUTER_COMPATIBILITY_VERSION,
    });
    return { supergraph: success ? print(federatedGraphAST) : undefined, messages: [...errors, ...warnings] };
  },
};

const [config, output, composer = "@apollo/composition"] = process.argv.slice(2);
const { subgraphs } = JSON.parse(readFileSync(config, "utf8"));
const { supergraph, messages } = composers[composer](
  Object.entries(subgraphs).map(([name, { routing_url, schema }]) => ({
    name,
    url: routing_url,
    typeDefs: parse(readFileSync(resolve(dirname(config), schema.file), "utf8")),
  })),
);
for (const { message } of messages) {
  console.error(message);
}
if (supergraph === undefined) {
  process.exitCode = 1;
} else {
  writeFileSync(output, supergraph);
}
