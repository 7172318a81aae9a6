// The page: GraphiQL over this gateway's endpoint. It opens with example tabs.
import './editor.js'
import 'graphiql/style.css'
import '@graphiql/plugin-explorer/style.css'
import './page.css'

import { DocExplorerStore } from '@graphiql/plugin-doc-explorer'
import { explorerPlugin } from '@graphiql/plugin-explorer'
import { HistoryStore } from '@graphiql/plugin-history'
import { GraphiQLProvider } from '@graphiql/react'
import { GraphiQL, GraphiQLInterface, HISTORY_PLUGIN } from 'graphiql'
import { createElement as element, Fragment, useMemo } from 'react'
import { createRoot } from 'react-dom/client'

import { isNeeded, useCredential } from './credential.js'
import { docsPanel } from './docs-panel.js'
import { fetcherFor } from './fetcher.js'
import { SchemaError } from './schema-error.js'
import { SignIn } from './sign-in.js'
import { persistsHeaders, storage } from './storage.js'
import { SystemTheme } from './system-theme.js'
import { tabs } from './tabs.js'

const plugins = [docsPanel, HISTORY_PLUGIN, explorerPlugin({ showAttribution: false })]
const view = element(
  DocExplorerStore,
  null,
  element(SchemaError),
  element(SystemTheme),
  element(
    GraphiQLInterface,
    { defaultEditorToolsVisibility: 'variables', showPersistHeadersSettings: true },
    element(GraphiQL.Logo, null, 'chime-gateway'),
  ),
)

function Page() {
  const { credential, attempt } = useCredential()
  // GraphiQL loads the schema with each new fetcher.
  const fetcher = useMemo(() => fetcherFor(credential), [credential, attempt])
  return element(
    Fragment,
    null,
    isNeeded && element(SignIn),
    element(
      GraphiQLProvider,
      {
        fetcher,
        plugins,
        referencePlugin: docsPanel,
        schemaDescription: true,
        defaultTabs: tabs,
        storage,
        // Without it, the next visit would forget the choice to persist headers, but keep the headers.
        shouldPersistHeaders: persistsHeaders(),
      },
      element(HistoryStore, null, view),
    ),
  )
}

createRoot(document.getElementById('graphiql')).render(element(Page))
