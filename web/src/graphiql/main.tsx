import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./page.css";

import { GraphiQL } from "graphiql";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { examples } from "./examples";
import { createFetcher } from "./fetcher";

const fetcher = createFetcher({ path: "/graphql" });

rememberFirstTab();

createRoot(document.getElementById("graphiql")!).render(
  <StrictMode>
    <GraphiQL
      fetcher={fetcher}
      defaultTabs={examples}
      defaultEditorToolsVisibility="variables"
    >
      <GraphiQL.Logo>
        <span className="logo">
          Taxirank <span>GraphiQL</span>
        </span>
      </GraphiQL.Logo>
    </GraphiQL>
  </StrictMode>,
);

/** For the first tab, GraphiQL 5.4 shows the given operation but reads the variables only from the browser's storage. */
function rememberFirstTab() {
  try {
    if (localStorage.getItem("graphiql:tabState") !== null) return;
    localStorage.setItem("graphiql:query", examples[0]!.query);
    localStorage.setItem("graphiql:variables", examples[0]!.variables ?? "");
  } catch {
    // No storage in this browser: GraphiQL works without it.
  }
}
