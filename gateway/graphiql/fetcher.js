// The function through which GraphiQL sends requests to its gateway.
import { createGraphiQLFetcher } from '@graphiql/toolkit'
import { parse } from 'graphql'

import { credentialPhrase, isNeeded, setOutcome } from './credential.js'

export const MISSING = `This gateway needs ${credentialPhrase}. Enter it at the top of the page.`

// Return a fetcher that sends a credential. A request whose "Headers" pane has a credential of its own sends that one.
export function fetcherFor(credential) {
  const sendFreely = createGraphiQLFetcher({ url: '/graphql' })
  if (!isNeeded) {
    return (request, options) => sendFreely(named(request), options)
  }
  const header = { authorization: `Bearer ${credential}` }
  const send = createGraphiQLFetcher({ url: '/graphql', headers: header, fetch: noting(credential) })
  return (request, options) => {
    const names = Object.keys(options?.headers ?? {}).map((name) => name.toLowerCase())
    if (names.includes('authorization') || names.includes('x-api-key')) {
      return sendFreely(named(request), options)
    }
    return credential ? send(named(request), options) : { errors: [{ message: MISSING }] }
  }
}

// Return `fetch`, but note whether the gateway accepts the credential.
const noting = (credential) => async (url, init) => {
  try {
    const response = await fetch(url, init)
    const isRejected = response.status === 401 || response.status >= 500
    setOutcome(credential, isRejected ? await reason(response.clone()) : 'accepted')
    return response
  } catch (error) {
    if (error.name !== 'AbortError') {
      setOutcome(credential, 'The gateway does not respond.')
    }
    throw error
  }
}

// Return the message of an error response, which a proxy may have sent.
async function reason(response) {
  try {
    return (await response.json()).errors[0].message
  } catch {
    return `The server responds with the status ${response.status}.`
  }
}

// Keep the operation's name only if the document has it. For 0.1 s after a change of tab or text, GraphiQL still sends
// the previous operation's name.
function named({ operationName, ...request }) {
  try {
    const names = parse(request.query).definitions.map(({ name }) => name?.value)
    return names.includes(operationName) ? { ...request, operationName } : request
  } catch {
    return request
  }
}
