// The function through which GraphiQL sends requests to its gateway.
import { createGraphiQLFetcher } from '@graphiql/toolkit'
import { parse } from 'graphql'

const send = createGraphiQLFetcher({ url: '/graphql' })

export const fetcher = (request, options) => send({ ...request, operationName: namedIn(request) }, options)

// Return the operation's name if the document has it. For 0.1 s after a change of tab or text, GraphiQL still sends
// the previous operation's name.
function namedIn({ query, operationName }) {
  try {
    const names = parse(query).definitions.map(({ name }) => name?.value)
    return names.includes(operationName) ? operationName : undefined
  } catch {
    return undefined
  }
}
