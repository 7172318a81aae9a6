// Read two numbers of one Voice Connector into a cache of Apollo Client. Then write a name to it, as a subgraph would send
// that owns the Voice Connector, and print the Voice Connectors in the cache and those that the numbers lead to.
//
//   node apollo-cache.mjs URL CACHE    CACHE is a module that exports `cache`
import { ApolloClient, HttpLink, gql } from '@apollo/client';

const [url, path] = process.argv.slice(2);
const { cache } = await import(path);
const client = new ApolloClient({ cache, link: new HttpLink({ uri: url }) });
const numbers = (fields) => gql`{
  phoneNumbers(first: 2) { nodes { id associations { target { ... on VoiceConnector { ${fields} } } } } }
}`;

await client.query({ query: numbers('voiceConnectorId') });
const connectors = Object.keys(cache.extract()).filter((key) => key.startsWith('VoiceConnector'));
const fragment = gql`fragment Name on VoiceConnector { name }`;
for (const id of connectors) cache.writeFragment({ id, fragment, data: { name: 'Seattle' } });
const { phoneNumbers } = cache.readQuery({ query: numbers('voiceConnectorId name') });
const targets = phoneNumbers.nodes.flatMap(({ associations }) => associations.map(({ target }) => target));
console.log(JSON.stringify({ connectors, targets }));
