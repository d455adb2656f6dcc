/** The maps on the pages of the admin: of a trip, and in the form for a new one. The pages are made by the server. */
import "./tripMap.css";

import { whenInSight } from "../map/inSight";
import { NoMap } from "../map/MapView";
import { openPicker } from "./placePicker";
import { showTrip } from "./shownTrip";

function open(element: HTMLElement | null, draw: (element: HTMLElement) => Promise<void>): void {
  if (!element) return;
  whenInSight(element, () => {
    draw(element).catch((error: unknown) => {
      if (!(error instanceof NoMap)) throw error;
      const said = document.createElement("p");
      said.className = "no-map text-secondary";
      said.textContent = error.message;
      element.replaceChildren(said);
    });
  });
}

open(document.querySelector<HTMLElement>("[data-shown-trip]"), showTrip);
open(document.querySelector<HTMLElement>("[data-place-picker]"), openPicker);
