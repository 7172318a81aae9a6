// The bar above GraphiQL, if callers must authenticate: it takes the credential, and shows whether the gateway accepts it.
import { createElement as element, useState } from 'react'

import { credentialName, credentialPhrase, signIn, signOut, useCredential } from './credential.js'

export function SignIn() {
  const { credential, outcome } = useCredential()
  const isOpen = credential === null || (outcome !== null && outcome !== 'accepted')
  return element(
    'section',
    { className: 'sign-in', 'aria-label': 'Authentication' },
    element('p', { role: 'status' }, message(credential, outcome)),
    isOpen && element(CredentialForm),
    credential !== null && element('button', { type: 'button', onClick: signOut }, 'Sign out'),
  )
}

function message(credential, outcome) {
  if (outcome === 'accepted') {
    return `Signed in with ${credentialPhrase}. It counts for all tabs, until you close this page.`
  }
  return outcome ?? (credential === null ? `This gateway needs ${credentialPhrase}.` : `Checking the ${credentialName}.`)
}

function CredentialForm() {
  const [text, setText] = useState('')
  const submit = (event) => {
    event.preventDefault()
    signIn(text)
    setText('')
  }
  return element(
    'form',
    { onSubmit: submit },
    element('label', { htmlFor: 'credential' }, credentialName),
    // The field has no name, so that no submission can put it into a URL.
    element('input', {
      id: 'credential',
      type: 'password',
      autoComplete: 'off',
      autoFocus: true,
      required: true,
      spellCheck: false,
      value: text,
      onChange: (event) => setText(event.target.value),
    }),
    element('button', { type: 'submit' }, `Use this ${credentialName}`),
  )
}
