// GraphiQL writes an error of the schema's request into the response. It leaves it there when the schema has loaded, so
// this removes it.
import { pick, useGraphiQL } from '@graphiql/react'
import { useEffect } from 'react'

export function SchemaError() {
  const { fetchError, responseEditor } = useGraphiQL(pick('fetchError', 'responseEditor'))
  useEffect(() => {
    const clear = () => responseEditor?.getValue() === fetchError && responseEditor.setValue('')
    return fetchError ? clear : undefined
  }, [fetchError, responseEditor])
  return null
}
