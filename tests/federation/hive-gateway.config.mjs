// Hive Gateway's configuration.
const secret = process.env.GATEWAY_ROUTER_SECRET;

export const gatewayConfig = {
  propagateHeaders: {
    // The secret is for the gateway alone; no other subgraph is sent it.
    fromClientToSubgraphs: ({ subgraphName }) =>
      secret && subgraphName === "phone-numbers" ? { "x-router-secret": secret } : {},
  },
};
