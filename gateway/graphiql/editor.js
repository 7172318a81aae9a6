// Monaco, the editor: its workers, and a silent console.
import { language } from 'monaco-editor/esm/vs/basic-languages/graphql/graphql.js'
import EditorWorker from 'monaco-editor/esm/vs/editor/editor.worker.js?worker'
import JsonWorker from 'monaco-editor/esm/vs/language/json/json.worker.js?worker'
import GraphQLWorker from 'monaco-graphql/esm/graphql.worker.js?worker'

// GraphiQL's own set-up (graphiql/setup-workers/vite) writes each worker to the console.
const WORKERS = { json: JsonWorker, graphql: GraphQLWorker }
globalThis.MonacoEnvironment = { getWorker: (_id, label) => new (WORKERS[label] ?? EditorWorker)() }

// Monaco's rule for directives is an example that writes each of them to the console, at each change of its line.
for (const [, action] of language.tokenizer.root.filter(Array.isArray)) {
  delete action.log
}
