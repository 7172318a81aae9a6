// Hive Gateway's configuration.
const secret = process.env.GATEWAY_ROUTER_SECRET;

export const gatewayConfig = {
  propagateHeaders: {
    // Send the secret only to the gateway, not to other subgraphs.
    fromClientToSubgraphs: ({ subgraphName }) =>
      secret && subgraphName === "phone-numbers" ? { "x-router-secret": secret } : {},
  },
};
