// A client that shows a streamed list. It prints a line of JSON for each update.
//
//   node streaming.mjs urql|apollo|apollo-2022 URL QUERY
import { ApolloClient, HttpLink, InMemoryCache } from '@apollo/client';
import { Defer20220824Handler, GraphQL17Alpha9Handler } from '@apollo/client/incremental';
import { Client, cacheExchange, fetchExchange } from '@urql/core';
import { parse } from 'graphql';

const [, , name, url, query] = process.argv;

function show({ data, error }) {
  const list = data?.phoneNumbers;
  const numbers = list?.edges?.map(({ node }) => node.e164PhoneNumber);
  const errorCode = (error?.graphQLErrors ?? error?.errors)?.[0].extensions.code ?? error?.message;
  console.log(JSON.stringify({ numbers, hasNextPage: list?.pageInfo?.hasNextPage, errorCode }));
}

function urql() {
  // By default, urql requests parts by ids, and overwrites the first items with the items of each part.
  const headers = { accept: 'multipart/mixed;deferSpec=20220824, application/json' };
  const exchanges = [cacheExchange, fetchExchange];
  const client = new Client({ url, preferGetMethod: false, fetchOptions: { headers }, exchanges });
  client.query(parse(query), {}).subscribe(show);
}

function apollo(incrementalHandler) {
  const client = new ApolloClient({ cache: new InMemoryCache(), link: new HttpLink({ uri: url }), incrementalHandler });
  client.watchQuery({ query: parse(query), errorPolicy: 'all' }).subscribe(show);
}

const clients = {
  urql,
  apollo: () => apollo(new GraphQL17Alpha9Handler()),
  'apollo-2022': () => apollo(new Defer20220824Handler()),
};
clients[name]();
