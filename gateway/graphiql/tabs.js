// What the page opens on: one tab for each operation in tabs.graphql, its variables null.
import { parse } from 'graphql'

import source from './tabs.graphql?raw'

// An operation ends where a line is but a brace; the comment above the next one is the next one's.
const operations = source.split(/(?<=^}$)\n+/m).filter(Boolean)

export const tabs = operations.map((query) => {
  const [{ variableDefinitions }] = parse(query).definitions
  const names = variableDefinitions.map(({ variable }) => variable.name.value)
  const variables = Object.fromEntries(names.map((name) => [name, null]))
  return { query, variables: names.length ? JSON.stringify(variables, null, 2) : null }
})
