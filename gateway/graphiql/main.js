// The page: GraphiQL over this gateway's endpoint. It opens with example tabs.
import 'graphiql/setup-workers/vite'
import 'graphiql/style.css'
import '@graphiql/plugin-explorer/style.css'
import './page.css'

import { explorerPlugin } from '@graphiql/plugin-explorer'
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql'
import { createElement as element } from 'react'
import { createRoot } from 'react-dom/client'

import { fetcher } from './fetcher.js'
import { persistsHeaders, storage } from './storage.js'
import { tabs } from './tabs.js'

const page = element(
  GraphiQL,
  {
    fetcher,
    plugins: [HISTORY_PLUGIN, explorerPlugin({ showAttribution: false })],
    defaultTabs: tabs,
    defaultEditorToolsVisibility: 'variables',
    storage,
    // Without these two, the next visit would forget the choice to persist headers, but keep the headers.
    shouldPersistHeaders: persistsHeaders(),
    showPersistHeadersSettings: true,
  },
  element(GraphiQL.Logo, null, 'chime-gateway'),
)

createRoot(document.getElementById('graphiql')).render(page)
