import "../ui/base.css";
import "../ui/controls.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { Board } from "./Board";

createRoot(document.getElementById("board")!).render(
  <StrictMode>
    <Board />
  </StrictMode>,
);
