import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { defineConfig } from 'vite'

// The gateway sends the files of assets/ unchanged. Compress them once here instead of on each request.
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
    // Keep small assets as files too, because the page's Content-Security-Policy allows only files of this origin.
    assetsInlineLimit: 0,
    // The bundle contains the code of other projects, so it includes their licences.
    license: { fileName: 'licenses.md' },
  },
})
