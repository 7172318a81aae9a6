// The documentation panel. GraphiQL's own one says only "Error fetching schema" if there is no schema. This one says why.
import { DOC_EXPLORER_PLUGIN, DocExplorer } from '@graphiql/plugin-doc-explorer'
import { DocsFilledIcon, DocsIcon, useGraphiQL } from '@graphiql/react'
import { createElement as element } from 'react'

export const docsPanel = {
  title: DOC_EXPLORER_PLUGIN.title,
  icon: () => element(useGraphiQL(({ visiblePlugin }) => visiblePlugin === docsPanel) ? DocsFilledIcon : DocsIcon),
  content: Content,
}

function Content() {
  const error = useGraphiQL(({ fetchError }) => fetchError)
  if (!error) {
    return element(DocExplorer)
  }
  return element(
    'section',
    { className: 'graphiql-doc-explorer', 'aria-label': docsPanel.title },
    element('div', { className: 'graphiql-doc-explorer-title' }, 'Docs'),
    element('p', { className: 'graphiql-doc-explorer-error' }, `There is no documentation. ${reason(error)}`),
  )
}

// Return the message within GraphiQL's text of an error, which is the JSON of a GraphQL result.
function reason(error) {
  try {
    return JSON.parse(error).errors[0].message
  } catch {
    return error
  }
}
