/** The mouse and fingers on the map of the city: what they are at is chosen, and opened as a link is. */
import type { Map as MapLibre } from "maplibre-gl";

import { isSame, pageOf, type Thing } from "../model";
import { thingAt } from "./cityLayers";

interface Chooser {
  chosen: Thing | null;
  onChoose: (thing: Thing | null) => void;
}

/** A click finds what is this near. */
const REACH_PX = 5;
/** A finger is wider. */
const TOUCH_REACH_PX = 20;
/** MapLibre takes what moves farther for a drag, too. */
const CLICK_PX = 3;
const MIDDLE = 1;

/**
 * Follow the pointer until the map is removed. A mouse shows what it is over; a click opens it, in a new tab with the
 * middle button, Ctrl or Meta. (With Shift the mouse chooses an area to zoom to.) A tap shows what is there, and its card
 * has a link.
 */
export function followPointer(map: MapLibre, chooser: () => Chooser): void {
  const place = map.getCanvasContainer();
  const canvas = map.getCanvas();
  let isTouch = false;
  let pressed: Spot | null = null;

  for (const kind of ["pointerdown", "pointermove"] as const) {
    // Browsers follow up a tap with events of a mouse.
    place.addEventListener(kind, ({ pointerType }) => (isTouch = pointerType === "touch"), { capture: true });
  }
  map.on("mousemove", ({ point }) => {
    if (isTouch) return;
    const found = thingAt(map, point, REACH_PX);
    canvas.style.cursor = found ? "pointer" : "";
    if (!isSame(found, chooser().chosen)) chooser().onChoose(found);
  });
  map.on("mouseout", () => {
    // After a tap the card stays: the next tap may be on its link.
    if (!isTouch) chooser().onChoose(null);
  });
  map.on("click", ({ point, originalEvent }) => {
    // Older browsers do not say what made the click.
    const isTap = "pointerType" in originalEvent ? originalEvent.pointerType === "touch" : isTouch;
    const found = thingAt(map, point, isTap ? TOUCH_REACH_PX : REACH_PX);
    if (isTap || found === null) chooser().onChoose(found);
    else if (originalEvent.ctrlKey || originalEvent.metaKey) openTab(found);
    else location.assign(pageOf(found));
  });
  // MapLibre tells of no clicks with the middle button.
  place.addEventListener("mousedown", (event) => {
    if (event.button !== MIDDLE) return;
    pressed = spotOf(event);
    // Otherwise some browsers begin to scroll the page.
    if (thingAt(map, pressed, REACH_PX) !== null) event.preventDefault();
  });
  place.addEventListener("auxclick", (event) => {
    if (event.button !== MIDDLE || pressed === null) return;
    const at = spotOf(event);
    const isDrag = Math.hypot(at.x - pressed.x, at.y - pressed.y) > CLICK_PX;
    pressed = null;
    const found = isDrag ? null : thingAt(map, at, REACH_PX);
    if (found === null) return;
    event.preventDefault();
    openTab(found);
  });

  function spotOf({ clientX, clientY }: MouseEvent): Spot {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }
}

/** In pixels from the upper left corner of the map. */
interface Spot {
  x: number;
  y: number;
}

function openTab(thing: Thing): void {
  window.open(pageOf(thing), "_blank", "noopener");
}
