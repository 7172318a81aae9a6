// The three composers. Each takes subgraphs ({ name, url, typeDefs }) and returns the supergraph, or undefined if
// composition fails, and its messages: errors, warnings and hints.
import * as apollo from "@apollo/composition";
import * as guild from "@theguild/federation-composition";
import * as wundergraph from "@wundergraph/composition";
import { print } from "graphql";

export const composers = {
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
