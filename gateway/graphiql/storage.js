// Where GraphiQL keeps what its user left: the browser's storage, but for headers, which may hold secrets. They are
// kept only where "Persist headers" was turned on. GraphiQL heeds that itself, except in its history of what was run.
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
