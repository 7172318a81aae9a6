// GraphiQL's storage: the browser's local storage. Headers may hold secrets, so they are stored only if the user turned
// on "Persist headers". GraphiQL follows that choice everywhere except in its history of queries.
const HISTORY = ['graphiql:queries', 'graphiql:favorites']
const PERSIST = 'graphiql:shouldPersistHeaders'

export const persistsHeaders = () => localStorage.getItem(PERSIST) === 'true'

const withoutHeaders = (json) => JSON.stringify(JSON.parse(json), (key, value) => (key === 'headers' ? undefined : value))

export const storage = {
  getItem: (key) => localStorage.getItem(key),
  setItem(key, value) {
    const withheld = HISTORY.includes(key) && !persistsHeaders()
    localStorage.setItem(key, withheld ? withoutHeaders(value) : value)
    if (key === PERSIST) {
      for (const kept of HISTORY.filter((name) => localStorage.getItem(name))) {
        this.setItem(kept, localStorage.getItem(kept))
      }
    }
  },
  removeItem: (key) => localStorage.removeItem(key),
  clear() {
    for (const key of Object.keys(localStorage).filter((name) => name.startsWith('graphiql:'))) {
      localStorage.removeItem(key)
    }
  },
  get length() {
    return localStorage.length
  },
}
