// The page: GraphiQL over this gateway's own endpoint, opened on tabs that teach.
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
    // Without these two, a choice to persist headers would be forgotten on the next visit, though not the headers.
    shouldPersistHeaders: persistsHeaders(),
    showPersistHeadersSettings: true,
  },
  element(GraphiQL.Logo, null, 'chime-gateway'),
)

createRoot(document.getElementById('graphiql')).render(page)
