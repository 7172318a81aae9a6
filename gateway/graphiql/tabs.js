// The tabs of a first visit: one for each operation in tabs.graphql. All variables are null.
import { parse } from 'graphql'

import source from './tabs.graphql?raw'

// An operation ends at a line that is only a brace. A comment belongs to the operation below it.
const operations = source.split(/(?<=^}$)\n+/m).filter(Boolean)

export const tabs = operations.map((query) => {
  const [{ variableDefinitions }] = parse(query).definitions
  const names = variableDefinitions.map(({ variable }) => variable.name.value)
  const variables = Object.fromEntries(names.map((name) => [name, null]))
  return { query, variables: names.length ? JSON.stringify(variables, null, 2) : null }
})
