/**
 * A map on a page: its style, its camera, its markers and its lines. It needs no React: the board, the city page and the
 * admin share it.
 */
import "./map.css";

import type { Feature, FeatureCollection } from "geojson";
import type { GeoJSONSource, IControl, Map as MapLibre } from "maplibre-gl";

import { CITY_STYLE, DARK, EMPTY_STYLE, lngLat, themed } from "./cityStyle";
import { CITY_CORNERS, type GeoPoint } from "./geo";
import { fittedMargins, hasRoom } from "./margins";
import { Markers, STILL, type Marker } from "./markers";
import { followTheme } from "./theme";

export interface MapOptions {
  /** The map's name for screen readers. */
  label: string;
  /** The id of the element that says how to use the map. */
  describedBy?: string | undefined;
  /** On a page that scrolls: the wheel zooms only with Ctrl, and one finger scrolls the page. */
  isCooperative?: boolean;
  /** Double clicks zoom; not where a click chooses a point. */
  zoomsByDoubleClick?: boolean;
  /** A picture that cannot be moved. */
  isStill?: boolean;
}

/** The lines on a map. */
export interface Lines {
  /** The route of a trip. `isEstimated`: only the straight line is known, which is dashed. */
  route?: { points: readonly GeoPoint[]; isEstimated: boolean } | undefined;
  /** The way that a car drives now. */
  way?: readonly GeoPoint[] | undefined;
}

/** Fitting the map to one place does not go nearer than this. */
const NEAREST_ZOOM = 15.5;
const BLUE = themed("#1a5fb4", "#8ab8f5");

/** The map cannot be drawn. The text is for the user. */
export class NoMap extends Error {}

/** The address of the style of real tiles, if the server has one: the page's root element names it. */
const STYLE_URL = document.documentElement.dataset["mapStyle"];

/** Whether the made-up city is drawn. Its streets mean nothing on a map of real tiles. */
export const IS_MADE_UP = STYLE_URL === undefined;

/** Where the map begins while nothing matters more: the made-up city, or what another style says. */
export const BEGINNING: readonly GeoPoint[] = IS_MADE_UP ? CITY_CORNERS : [];

/**
 * Draw a map into an element, which has a size of its own.
 *
 * Raises NoMap: this browser cannot draw it, or MapLibre could not be loaded.
 */
export async function openMap(container: HTMLElement, options: MapOptions): Promise<MapView> {
  let library: typeof import("./maplibre");
  try {
    library = await import("./maplibre");
  } catch {
    throw new NoMap("The map could not be loaded. Reload the page to try again.");
  }
  try {
    return new MapView(library.maplibre, container, options);
  } catch (error) {
    if (error instanceof library.maplibre.GPUInitializationError) {
      throw new NoMap("This browser cannot draw the map, because it has no WebGL. The rest of the page works without it.");
    }
    throw error;
  }
}

export class MapView {
  /** MapLibre's own map. Layers are added in `onStyle`, because another style removes them. */
  readonly map: MapLibre;
  readonly #container: HTMLElement;
  readonly #label: string;
  readonly #markers: Markers;
  readonly #stopFollowing: () => void;
  readonly #styled: (() => void)[] = [];
  #titles: string[] = [];
  #isDark = false;
  #hasStyle = false;
  #lines: Lines = {};
  #linesText = "";
  #shown: { key: string; points: readonly GeoPoint[] } | null = null;
  /** What the map was last fitted to. */
  #fitted: readonly GeoPoint[] = [];
  /** The user has moved the map since it was last fitted: it stays where it is. */
  #isOwn = false;

  /** Called by `openMap`. */
  constructor(maplibre: typeof import("./maplibre").maplibre, container: HTMLElement, options: MapOptions) {
    const { isStill = false, isCooperative = true, zoomsByDoubleClick = true } = options;
    this.#container = container;
    this.#label = options.label;
    container.classList.add("map-view");
    this.map = new maplibre.Map({
      container,
      style: STYLE_URL ?? CITY_STYLE,
      interactive: !isStill,
      cooperativeGestures: isCooperative,
      doubleClickZoom: zoomsByDoubleClick,
      // North is up, as on a street map of paper.
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      attributionControl: false,
      fadeDuration: STILL.matches ? 0 : 300,
      locale: { "Map.Title": options.label },
      ...(IS_MADE_UP ? { bounds: boundsOf(CITY_CORNERS) } : {}),
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new maplibre.AttributionControl(), "bottom-right");
    if (!isStill) {
      this.map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
      this.map.addControl(new FitControl("Fit the map", () => this.fit()), "top-right");
    }
    this.#markers = new Markers(this.map, (marker) => new maplibre.Marker(marker));
    const canvas = this.map.getCanvas();
    canvas.setAttribute("role", isStill ? "img" : "application");
    if (!isStill) canvas.setAttribute("aria-roledescription", "map");
    if (options.describedBy) canvas.setAttribute("aria-describedby", options.describedBy);
    this.#describe();
    this.map.on("style.load", () => this.#styleIsThere());
    this.map.on("error", ({ error }) => this.#failed(error));
    this.map.on("movestart", (event) => {
      if ("originalEvent" in event && event.originalEvent) this.#isOwn = true;
    });
    this.map.on("resize", () => {
      if (!this.#isOwn) this.#fitTo(this.#fitted, false);
    });
    // For tests: whether everything is drawn.
    container.dataset["map"] = "busy";
    this.map.on("render", () => (container.dataset["map"] = "busy"));
    this.map.on("idle", () => (container.dataset["map"] = "idle"));
    this.#stopFollowing = followTheme(container, (isDark) => {
      this.#isDark = isDark;
      container.classList.toggle("is-dark", isDark);
      if (this.#hasStyle) this.map.setGlobalStateProperty(DARK, isDark);
    });
  }

  /** Show these markers and no others. Their titles become part of the map's name. */
  setMarkers(markers: readonly Marker[]): void {
    this.#markers.set(markers);
    this.#titles = markers.filter(({ kind }) => kind !== "cross").map(({ title }) => title);
    this.#describe();
  }

  /** Draw these lines and no others. */
  setLines(lines: Lines): void {
    const text = JSON.stringify(lines);
    if (text === this.#linesText) return;
    [this.#lines, this.#linesText] = [lines, text];
    const { route, way } = lines;
    this.#container.dataset["route"] = route ? (route.isEstimated ? "estimated" : "known") : "none";
    this.#container.dataset["way"] = way ? "driven" : "none";
    this.#draw();
  }

  /**
   * Say what matters now. The map moves there when `key` changes, or when some of it is out of sight; but not if the user
   * has moved the map, until `key` changes or they press the button that fits it.
   */
  show(key: string, points: readonly GeoPoint[]): void {
    const isOther = this.#shown?.key !== key;
    const isFirst = this.#shown === null;
    this.#shown = { key, points };
    if (isOther) this.#isOwn = false;
    if (isOther || (!this.#isOwn && !points.every((point) => this.isInSight(point)))) this.fit({ isAnimated: !isFirst });
  }

  /** Move the map so that all that matters is in sight. */
  fit({ isAnimated = true }: { isAnimated?: boolean } = {}): void {
    this.#isOwn = false;
    this.#fitTo(this.#shown?.points ?? [], isAnimated);
  }

  /** Move the map to a point that is out of sight. It stays there, as if the user had moved it. */
  look(point: GeoPoint): void {
    if (this.isInSight(point)) return;
    this.#isOwn = true;
    this.map.panTo(lngLat(point));
  }

  /** Whether a point is on the map that is seen now, with the whole of a sign that stands on it. */
  isInSight(point: GeoPoint): boolean {
    return hasRoom(this.#container, this.map.project(lngLat(point)));
  }

  /** Calls with the map now, if its style is there, and whenever another style has replaced it: for layers of the page's own. */
  onStyle(add: () => void): void {
    this.#styled.push(add);
    if (this.#hasStyle) add();
  }

  /** Take the map off the page. */
  remove(): void {
    this.#stopFollowing();
    this.#markers.remove();
    this.map.remove();
  }

  #fitTo(points: readonly GeoPoint[], isAnimated: boolean): void {
    this.#fitted = points;
    if (points.length === 0) return;
    const padding = fittedMargins(this.#container);
    // `fitBounds` leaves animations out where the user prefers less motion.
    this.map.fitBounds(boundsOf(points), { padding, maxZoom: NEAREST_ZOOM, animate: isAnimated });
  }

  #describe(): void {
    this.map.getCanvas().setAttribute("aria-label", [this.#label, ...this.#titles].join(". "));
  }

  #styleIsThere(): void {
    this.#hasStyle = true;
    this.map.setGlobalStateProperty(DARK, this.#isDark);
    for (const id of ["route", "way"]) this.map.addSource(id, { type: "geojson", data: NOTHING });
    const layout = { "line-cap": "round", "line-join": "round" } as const;
    this.map.addLayer({
      id: "route",
      type: "line",
      source: "route",
      filter: ["!", ["get", "isEstimated"]],
      layout,
      paint: { "line-color": BLUE, "line-width": 5, "line-opacity": 0.6 },
    });
    this.map.addLayer({
      id: "route-estimated",
      type: "line",
      source: "route",
      filter: ["get", "isEstimated"],
      layout,
      paint: { "line-color": BLUE, "line-width": 3, "line-opacity": 0.6, "line-dasharray": [0.1, 2.5] },
    });
    this.map.addLayer({
      id: "way",
      type: "line",
      source: "way",
      layout,
      paint: { "line-color": BLUE, "line-width": 4, "line-dasharray": [1.5, 2] },
    });
    this.#draw();
    for (const add of this.#styled) add();
  }

  #draw(): void {
    if (!this.#hasStyle) return;
    const { route, way } = this.#lines;
    this.map.getSource<GeoJSONSource>("route")!.setData(lineOf(route?.points, route?.isEstimated));
    this.map.getSource<GeoJSONSource>("way")!.setData(lineOf(way));
  }

  #failed(error: { message: string }): void {
    console.warn("map:", error.message);
    if (this.#hasStyle) return;
    // Routes and markers are drawn all the same.
    const problem = document.createElement("p");
    problem.className = "map-problem";
    problem.textContent = "The streets of the map cannot be loaded now.";
    this.#container.append(problem);
    this.map.setStyle(EMPTY_STYLE);
  }
}

const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };

function lineOf(points: readonly GeoPoint[] = [], isEstimated = false): FeatureCollection | Feature {
  if (points.length < 2) return NOTHING;
  return {
    type: "Feature",
    properties: { isEstimated },
    geometry: { type: "LineString", coordinates: points.map(lngLat) },
  };
}

/** West, south, east, north. */
function boundsOf(points: readonly GeoPoint[]): [number, number, number, number] {
  const [lats, lngs] = [points.map(({ lat }) => lat), points.map(({ lng }) => lng)];
  return [Math.min(...lngs), Math.min(...lats), Math.max(...lngs), Math.max(...lats)];
}

/** The button that fits the map to what matters. */
class FitControl implements IControl {
  readonly #group = document.createElement("div");

  constructor(label: string, fit: () => void) {
    this.#group.className = "maplibregl-ctrl maplibregl-ctrl-group";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "map-fit";
    button.title = label;
    button.setAttribute("aria-label", label);
    button.innerHTML = `<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="M1 5V1h4M11 1h4v4M15 11v4h-4M5 15H1v-4"/></svg>`;
    button.addEventListener("click", fit);
    this.#group.append(button);
  }

  onAdd(): HTMLElement {
    return this.#group;
  }

  onRemove(): void {
    this.#group.remove();
  }
}
