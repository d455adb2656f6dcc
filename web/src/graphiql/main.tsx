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

/** Of the first tab, GraphiQL 5.4 shows the operation, but takes the variables from the browser's storage alone. */
function rememberFirstTab() {
  try {
    if (localStorage.getItem("graphiql:tabState") !== null) return;
    localStorage.setItem("graphiql:query", examples[0]!.query);
    localStorage.setItem("graphiql:variables", examples[0]!.variables ?? "");
  } catch {
    // No storage in this browser: GraphiQL does without.
  }
}
