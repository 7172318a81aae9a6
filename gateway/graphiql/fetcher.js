// How the page asks its gateway.
import { createGraphiQLFetcher } from '@graphiql/toolkit'
import { parse } from 'graphql'

const send = createGraphiQLFetcher({ url: '/graphql' })

export const fetcher = (request, options) => send({ ...request, operationName: namedIn(request) }, options)

// For a tenth of a second after a change of tab or text GraphiQL still names the operation that was there before.
function namedIn({ query, operationName }) {
  try {
    const names = parse(query).definitions.map(({ name }) => name?.value)
    return names.includes(operationName) ? operationName : undefined
  } catch {
    return undefined
  }
}
