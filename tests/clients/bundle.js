// Bundle the sources of a page into one file, as an application's bundler does.
//
//   node bundle.js FOLDER    read FOLDER/src, write FOLDER/bundle.mjs
import { existsSync } from 'node:fs';
import babel from '@babel/core';
import { build } from 'esbuild';

const folder = process.argv[2];

// The components that tests open. Only Relay's page has the last one.
const components = ['PhoneNumberOrders', 'PhoneNumbers', 'PhoneNumberTable', 'PhoneNumberCount'].filter((name) =>
  existsSync(`${folder}/src/${name}.jsx`),
);

// Replace each graphql`...` by the output of relay-compiler.
const relay = {
  name: 'relay',
  setup(esbuild) {
    esbuild.onLoad({ filter: /\/src\/\w+\.jsx$/ }, async ({ path }) => {
      const { code } = await babel.transformFileAsync(path, {
        configFile: false,
        parserOpts: { plugins: ['jsx'] },
        plugins: [['babel-plugin-relay', { eagerEsModules: true }]],
      });
      return { contents: code, loader: 'jsx' };
    });
  },
};

await build({
  stdin: {
    contents: `
      import { createRoot } from 'react-dom/client';
      import { App } from './src/App.jsx';
      ${components.map((name) => `import { ${name} } from './src/${name}.jsx';`).join('\n')}

      const components = { ${components.join(', ')} };

      export function show(element, names, props) {
        const chosen = names.map((name) => [name, components[name]]);
        createRoot(element).render(<App>{chosen.map(([name, Component]) => <Component key={name} {...props} />)}</App>);
      }
    `,
    loader: 'jsx',
    resolveDir: folder,
  },
  bundle: true,
  // React and the clients print warnings only in development.
  define: { 'process.env.NODE_ENV': '"development"' },
  format: 'esm',
  jsx: 'automatic',
  outfile: `${folder}/bundle.mjs`,
  plugins: [relay],
  resolveExtensions: ['.js'],
});
