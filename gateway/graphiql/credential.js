// The credential that the user has entered: an API key or an access token. It counts for all tabs of the page. Only the
// session storage holds it, so it is gone when the browser's tab is closed.
import { useSyncExternalStore } from 'react'

const STORED = 'chime-gateway:credential'

// `none`, `api-key` or `jwt`, as the gateway wrote it into the page.
const { authentication } = document.getElementById('graphiql').dataset

export const isNeeded = authentication !== 'none'
export const [credentialName, credentialPhrase] =
  authentication === 'jwt' ? ['access token', 'an access token'] : ['API key', 'an API key']

// `outcome` is `accepted`, or the reason of the rejection in words, or null until the gateway has responded. `attempt`
// differs for each credential that is entered, also if it is the same one again.
let state = { credential: sessionStorage.getItem(STORED), outcome: null, attempt: 0 }
const listeners = new Set()

function change(changed) {
  state = { ...state, ...changed }
  listeners.forEach((listener) => listener())
}

function subscribe(listener) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const useCredential = () => useSyncExternalStore(subscribe, () => state)

export function signIn(text) {
  const credential = text.trim().replace(/^Bearer\s+/i, '')
  // A header can hold no other characters.
  const isPossible = /^[\x21-\x7e]+$/.test(credential)
  if (isPossible) {
    sessionStorage.setItem(STORED, credential)
  } else {
    sessionStorage.removeItem(STORED)
  }
  change({
    credential: isPossible ? credential : null,
    outcome: isPossible ? null : `That is not ${credentialPhrase}, because of its spaces or special characters.`,
    attempt: state.attempt + 1,
  })
}

// Forget the credential, and all responses that it has brought.
export function signOut() {
  sessionStorage.removeItem(STORED)
  location.reload()
}

// Note whether the gateway accepts a credential, unless the user has entered another one since.
export function setOutcome(credential, outcome) {
  if (credential === state.credential && outcome !== state.outcome) {
    change({ outcome })
  }
}
