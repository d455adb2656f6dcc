import "../ui/base.css";
import "../ui/controls.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { CityPage } from "./CityPage";

createRoot(document.getElementById("city")!).render(
  <StrictMode>
    <CityPage />
  </StrictMode>,
);
