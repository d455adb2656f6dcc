import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const CLIENT = fileURLToPath(new URL("../clients/typescript/src", import.meta.url));

// To work on the pages, `npm run watch` and reload: the Python server serves the newest build, from the same origin and
// under the same policy as in production. (Vite's own server cannot start GraphiQL's workers.)
export default defineConfig({
  resolve: {
    // The client package, from its sources: with the packages of this folder, whether its own are installed or not.
    alias: [
      { find: /^@taxirank\/client$/, replacement: `${CLIENT}/index.ts` },
      { find: /^@taxirank\/client\/(.+)$/, replacement: `${CLIENT}/$1.ts` },
    ],
    dedupe: ["@urql/core", "graphql", "graphql-ws", "react"],
  },
  build: {
    // Each file name in this folder contains a hash of the contents: the server lets browsers keep it for ever.
    assetsDir: "assets",
    // Tells the server which files the map of the admin consists of.
    manifest: true,
    rolldownOptions: {
      // One build, one entry a page: the pages share their chunks.
      input: {
        board: "index.html",
        graphiql: "graphiql/index.html",
        city: "city/index.html",
        // Not a page: the admin's own pages load it.
        "trip-map": "src/admin/tripMap.ts",
      },
      // Libraries contain directives for React's compiler, which has already run on them.
      checks: { moduleLevelDirective: false },
    },
    // The code editor is one chunk of this size, loaded by GraphiQL alone and after its frame is drawn.
    chunkSizeWarningLimit: 5000,
  },
});
