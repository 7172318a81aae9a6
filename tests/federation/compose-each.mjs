// Compose each of several sets of subgraphs with each composer, in one process, because to load the composers takes longer
// than to compose. Standard input holds an object of names, each with an object of subgraphs by name: the SDL of each.
// Standard output gets [name, composer, supergraph or "", messages] for each composition.
import { text } from "node:stream/consumers";
import { parse } from "graphql";
import { composers } from "./composers.mjs";

const results = [];
for (const [name, subgraphs] of Object.entries(JSON.parse(await text(process.stdin)))) {
  for (const [composer, compose] of Object.entries(composers)) {
    const { supergraph = "", messages } = compose(
      Object.entries(subgraphs).map(([subgraph, sdl]) => ({
        name: subgraph,
        url: `http://127.0.0.1/${subgraph}`,
        typeDefs: parse(sdl),
      })),
    );
    results.push([name, composer, supergraph, messages.map(({ message }) => message)]);
  }
}
console.log(JSON.stringify(results));
