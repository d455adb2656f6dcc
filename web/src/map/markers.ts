/** Markers of a map: elements with a title, so that screen readers and tooltips name them. */
import type { Map as MapLibre, Marker as MapLibreMarker, PositionAnchor } from "maplibre-gl";

import { lngLat } from "./cityStyle";
import { format, type GeoPoint } from "./geo";

export interface Marker {
  id: string;
  kind: "pick-up" | "drop-off" | "car" | "request" | "cross";
  point: GeoPoint;
  /** For screen readers, and as a tooltip. */
  title: string;
  /** The heading of a car, in degrees clockwise from north. */
  heading?: number | null;
  /** Called with each new point while the marker is dragged; without it, it cannot be. */
  onDrag?: ((point: GeoPoint) => void) | undefined;
}

interface Sign {
  /** The box of the drawing around the point of the marker, in pixels. */
  box: readonly [left: number, top: number, width: number, height: number];
  anchor: PositionAnchor;
  drawing: string;
}

const SIGNS: Record<Marker["kind"], Sign> = {
  car: {
    box: [-19, -19, 38, 38],
    anchor: "center",
    drawing: `<g class="turning"><circle class="halo" r="19"/><rect class="body" x="-6.5" y="-12" width="13" height="24" rx="5"/>
      <path class="glass" d="M-4.5-5.5Q0-8.5 4.5-5.5L4-1.5h-8zM-4 8h8l.4-3.5h-8.8z"/>
      <rect class="lamp" x="-3" y="0" width="6" height="3" rx="1"/></g>`,
  },
  "pick-up": {
    box: [-11, -11, 22, 22],
    anchor: "center",
    drawing: `<circle class="disc" r="9"/><circle class="dot" r="3.5"/>`,
  },
  "drop-off": {
    box: [-11, -27, 22, 27],
    anchor: "bottom",
    drawing: `<path class="disc" d="M0 0C-4-7-9-10-9-16A9 9 0 0 1 9-16C9-10 4-7 0 0Z"/><circle class="dot" r="3.5" cy="-16"/>`,
  },
  request: {
    box: [-13, -13, 26, 26],
    anchor: "center",
    drawing: `<circle class="ring" r="13"/><circle class="disc" r="6"/>`,
  },
  cross: {
    box: [-14, -14, 28, 28],
    anchor: "center",
    drawing: `<path d="M-14 0h28M0-14v28"/><circle r="7"/>`,
  },
};

/** So long a car glides to the next point that was reported. */
const GLIDE_MS = 800;

export const STILL = matchMedia("(prefers-reduced-motion: reduce)");

type MakeMarker = (options: ConstructorParameters<typeof MapLibreMarker>[0]) => MapLibreMarker;

/** The markers of one map. */
export class Markers {
  readonly #map: MapLibre;
  readonly #make: MakeMarker;
  readonly #shown = new Map<string, Shown>();

  constructor(map: MapLibre, make: MakeMarker) {
    this.#map = map;
    this.#make = make;
  }

  /** Show these markers and no others; one that was shown before under its id moves. */
  set(markers: readonly Marker[]): void {
    const ids = new Set(markers.map(({ id }) => id));
    for (const [id, shown] of this.#shown) {
      if (ids.has(id)) continue;
      shown.remove();
      this.#shown.delete(id);
    }
    for (const marker of markers) {
      const shown = this.#shown.get(marker.id);
      if (shown?.marker.kind === marker.kind) shown.change(marker);
      else {
        shown?.remove();
        this.#shown.set(marker.id, new Shown(marker, this.#map, this.#make));
      }
    }
  }

  remove(): void {
    this.set([]);
  }
}

class Shown {
  marker: Marker;
  readonly #on: MapLibreMarker;
  readonly #element: HTMLElement;
  #isDragged = false;
  #frame: number | null = null;

  constructor(marker: Marker, map: MapLibre, make: MakeMarker) {
    this.marker = marker;
    this.#element = document.createElement("div");
    this.#element.className = `map-marker ${marker.kind}`;
    this.#element.dataset["marker"] = marker.kind;
    this.#element.setAttribute("role", "img");
    const { box, anchor, drawing } = SIGNS[marker.kind];
    this.#element.innerHTML = `<svg viewBox="${box.join(" ")}" width="${box[2]}" height="${box[3]}" aria-hidden="true">${drawing}</svg>`;
    this.#on = make({ element: this.#element, anchor, subpixelPositioning: true });
    this.#on.setLngLat(lngLat(marker.point)).addTo(map);
    this.#on.on("dragstart", () => {
      this.#stop();
      this.#isDragged = true;
    });
    this.#on.on("drag", () => this.marker.onDrag?.(pointOf(this.#on)));
    this.#on.on("dragend", () => {
      this.#isDragged = false;
    });
    this.#describe();
  }

  change(marker: Marker): void {
    const before = this.marker.point;
    this.marker = marker;
    this.#describe();
    if (this.#isDragged || (before.lat === marker.point.lat && before.lng === marker.point.lng)) return;
    if (marker.kind === "car" && !STILL.matches) this.#glide(marker.point);
    else this.#on.setLngLat(lngLat(marker.point));
  }

  remove(): void {
    this.#stop();
    this.#on.remove();
  }

  #describe(): void {
    const { title, point, heading, onDrag } = this.marker;
    this.#element.title = title;
    this.#element.setAttribute("aria-label", title);
    this.#element.dataset["at"] = format(point);
    const turning = this.#element.querySelector<SVGElement>(".turning");
    if (turning) turning.style.transform = `rotate(${heading ?? 0}deg)`;
    if (this.#on.isDraggable() !== (onDrag !== undefined)) this.#on.setDraggable(onDrag !== undefined);
  }

  #glide(to: GeoPoint): void {
    this.#stop();
    const [from, began] = [pointOf(this.#on), performance.now()];
    const step = () => {
      const part = Math.min(1, (performance.now() - began) / GLIDE_MS);
      this.#on.setLngLat([from.lng + (to.lng - from.lng) * part, from.lat + (to.lat - from.lat) * part]);
      this.#frame = part < 1 ? requestAnimationFrame(step) : null;
    };
    step();
  }

  #stop(): void {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
  }
}

function pointOf(marker: MapLibreMarker): GeoPoint {
  const { lat, lng } = marker.getLngLat().wrap();
  return { lat, lng };
}
