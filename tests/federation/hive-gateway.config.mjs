// Hive Gateway's configuration.
const secret = process.env.GATEWAY_ROUTER_SECRET;

export const gatewayConfig = {
  // Reject operations above this estimate, by the subgraphs' @cost and @listSize, before a subgraph gets a request. It
  // counts each row about twice, so it allows as much as the gateway's own limit of 5,000.
  demandControl: { maxCost: 10_000 },
  propagateHeaders: {
    // Send the secret only to the gateway, not to other subgraphs.
    fromClientToSubgraphs: ({ subgraphName }) =>
      secret && subgraphName === "phone-numbers" ? { "x-router-secret": secret } : {},
  },
};
