// The configuration of Hive Gateway with a response cache: callers share responses for 2,000 ms, as in the gateway.
import { defineConfig } from "@graphql-hive/gateway";

export const gatewayConfig = defineConfig({
  responseCaching: { session: () => null, ttl: 2_000 },
});
