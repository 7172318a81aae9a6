import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { defineConfig } from 'vite'

// The gateway sends what lies in assets/ as it is: compressed here once, not on each request.
const compressAssets = {
  name: 'compress-assets',
  async writeBundle({ dir }, bundle) {
    for (const name of Object.keys(bundle).filter((name) => name.startsWith('assets/'))) {
      const path = join(dir, name)
      await writeFile(`${path}.gz`, gzipSync(await readFile(path), { level: 9 }))
      await rm(path)
    }
  },
}

export default defineConfig({
  base: '/graphql/',
  plugins: [compressAssets],
  build: {
    // Small ones too are files of this origin, which the page's Content-Security-Policy asks for.
    assetsInlineLimit: 0,
    // Others' code is passed on in the bundle, so their licences go with it.
    license: { fileName: 'licenses.md' },
  },
})
