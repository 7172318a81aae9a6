// Compose the subgraphs that CONFIG names into one schema for a router: node compose.mjs CONFIG SUPERGRAPH [COMPOSER]
// COMPOSER is @apollo/composition, @theguild/federation-composition or @wundergraph/composition. Its messages go to
// standard error. The exit code is 1 if composition fails.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse } from "graphql";
import { composers } from "./composers.mjs";

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
