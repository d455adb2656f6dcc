/** A trip that somebody wants to see, because they have clicked a message about it: its element is shown. */
import { useCallback, useEffect, useState } from "react";

import { STILL } from "../map/markers";
import type { Panel } from "./panels";

interface Wanted {
  tripId: string;
  /** The panel whose person got the message; another tab may not have it. */
  panelId: string;
}

/** What gateway/service_worker.js sends: an address of a trip, to be shown, or to be judged. */
type Asked = { show: string; fits?: undefined } | { fits: string; show?: undefined };

/** How well this page fits a trip: it is shown; its person is here; neither. */
const [HAS_TRIP, HAS_PERSON, HAS_NEITHER] = [2, 1, 0];
/** A trip that is not here by then will not come: whoever is logged in has got their trips and offers. */
const PATIENCE_MS = 5_000;
const LOG_IN = "Log in to see the trip.";
const GONE = "The trip of that message is not shown here any more.";

/** Shows the trip that the address of the page names, or a message to the page. Returns what keeps it from that, in words. */
export function useWantedTrip(panels: readonly Panel[], choose: (panelId: string) => void): [string | null, () => void] {
  const [wanted, setWanted] = useState(() => wantedOf(location.href));
  const [isLate, setIsLate] = useState(false);
  const stop = useCallback(() => setWanted(null), []);
  const panel = wanted && panelFor(wanted, panels);

  useEffect(() => {
    const want = (address: string) => {
      const next = wantedOf(address);
      if (next !== null) setWanted(next);
    };
    const readAddress = () => want(location.href);
    const hear = ({ data, ports }: MessageEvent<Asked>) => {
      if (data.show !== undefined) want(data.show);
      else if (data.fits !== undefined) ports[0]?.postMessage(fitOf(data.fits, panels));
    };
    addEventListener("hashchange", readAddress);
    // Only secure pages have it.
    navigator.serviceWorker?.addEventListener("message", hear);
    return () => {
      removeEventListener("hashchange", readAddress);
      navigator.serviceWorker?.removeEventListener("message", hear);
    };
  }, [panels]);

  useEffect(() => {
    setIsLate(false);
    if (wanted === null) return;
    // A reload does not show it again.
    if (wantedOf(location.href) !== null) history.replaceState(history.state, "", location.pathname);
    const giveUp = setTimeout(() => setIsLate(true), PATIENCE_MS);
    return () => clearTimeout(giveUp);
  }, [wanted, panel?.token]);

  useEffect(() => {
    if (wanted === null) return;
    const look = () => {
      const element = elementOf(wanted);
      if (element === null) return;
      const shownIn = element.closest(".panel")!;
      // On a phone one panel is shown at a time. The change of `hidden` is seen here too.
      if (shownIn.matches("[hidden]")) choose(shownIn.id.replace("panel-", ""));
      else {
        pointAt(element);
        setWanted(null);
      }
    };
    const looking = new MutationObserver(look);
    looking.observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["hidden", "data-trip"] });
    look();
    return () => looking.disconnect();
  }, [wanted, choose]);

  if (panel === null) return [null, stop];
  return [panel.token === null ? LOG_IN : isLate ? GONE : null, stop];
}

/** The trip that an address names. */
function wantedOf(address: string): Wanted | null {
  const named = new URLSearchParams(new URL(address, location.href).hash.slice(1));
  const [tripId, panelId] = [named.get("trip"), named.get("panel")];
  return tripId === null || panelId === null ? null : { tripId, panelId };
}

function fitOf(address: string, panels: readonly Panel[]): number {
  const wanted = wantedOf(address);
  if (wanted === null) return HAS_NEITHER;
  if (elementOf(wanted) !== null) return HAS_TRIP;
  return panels.some(({ id, token }) => id === wanted.panelId && token !== null) ? HAS_PERSON : HAS_NEITHER;
}

/** The panel of that person; in another tab one of the same role. */
function panelFor({ panelId }: Wanted, panels: readonly Panel[]): Panel {
  return panels.find(({ id }) => id === panelId) ?? panels.find(({ role }) => panelId.startsWith(role)) ?? panels[0]!;
}

/** The element of the trip, in the panel of its person if that has one. */
function elementOf({ tripId, panelId }: Wanted): HTMLElement | null {
  const ofTrip = `[data-trip="${CSS.escape(tripId)}"]`;
  const inPanel = `#panel-${CSS.escape(panelId)} ${ofTrip}`;
  return document.querySelector<HTMLElement>(inPanel) ?? document.querySelector<HTMLElement>(`.panel ${ofTrip}`);
}

/** Brings an element into sight, with the focus and a frame until the focus goes on. */
function pointAt(element: HTMLElement): void {
  element.tabIndex = -1;
  element.dataset["wanted"] = "";
  element.scrollIntoView({ block: "center", behavior: STILL.matches ? "auto" : "smooth" });
  element.focus({ preventScroll: true });
  element.addEventListener(
    "blur",
    () => {
      element.removeAttribute("tabindex");
      delete element.dataset["wanted"];
    },
    { once: true },
  );
}
