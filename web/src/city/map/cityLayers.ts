/** The layers of the city: drivers, open requests and trips under way, drawn by the map itself, thousands of them. */
import type { Feature, FeatureCollection } from "geojson";
import type { GeoJSONSource, Map as MapLibre } from "maplibre-gl";

import { lngLat, themed } from "../../map/cityStyle";
import type { GeoPoint } from "../../map/geo";
import type { City, Thing, Trip } from "../model";
import { kindOf } from "../words";
import { draw, imageOfDriver, imageOfRequest, type Kind } from "./signs";
import type { TripRoutes } from "./useTripRoute";

const DRIVERS = "city-drivers";
const REQUESTS = "city-requests";
const TRIPS = "city-trips";
const CHOSEN = "city-chosen";
/** The layers that a click finds something in, the topmost first. */
const CLICKABLE = [REQUESTS, DRIVERS, `${TRIPS}-end`, TRIPS, `${TRIPS}-to-pick-up`];
const BLUE = themed("#1a5fb4", "#8ab8f5");

/** Adds the layers to a map without them; its style is there. */
export function addLayers(map: MapLibre): void {
  for (const id of [DRIVERS, REQUESTS, TRIPS, CHOSEN]) map.addSource(id, { type: "geojson", data: collection([]) });
  const line = { "line-cap": "round", "line-join": "round" } as const;
  // Both lines are broken: they go straight to where the car goes, and not along streets.
  map.addLayer({
    id: TRIPS,
    type: "line",
    source: TRIPS,
    filter: ["all", ["==", ["geometry-type"], "LineString"], ["get", "isDriving"]],
    layout: line,
    paint: { "line-color": BLUE, "line-width": 2, "line-opacity": 0.65, "line-dasharray": [4, 2.5] },
  });
  map.addLayer({
    id: `${TRIPS}-to-pick-up`,
    type: "line",
    source: TRIPS,
    filter: ["all", ["==", ["geometry-type"], "LineString"], ["!", ["get", "isDriving"]]],
    layout: line,
    paint: { "line-color": BLUE, "line-width": 2, "line-opacity": 0.65, "line-dasharray": [0.1, 2.5] },
  });
  map.addLayer({
    id: `${TRIPS}-end`,
    type: "circle",
    source: TRIPS,
    filter: ["==", ["geometry-type"], "Point"],
    paint: {
      "circle-radius": 4,
      "circle-color": themed("#ffffff", "#121417"),
      "circle-stroke-color": BLUE,
      "circle-stroke-width": 2,
    },
  });
  map.addLayer({
    id: DRIVERS,
    type: "symbol",
    source: DRIVERS,
    layout: {
      "icon-image": ["get", "image"],
      "icon-rotate": ["get", "heading"],
      "icon-rotation-alignment": "map",
      "icon-allow-overlap": true,
      "icon-ignore-placement": true,
      // From afar a full city is still seen as one.
      "icon-size": ["interpolate", ["linear"], ["zoom"], 9, 0.5, 12, 0.85, 14, 1],
    },
  });
  map.addLayer({
    id: REQUESTS,
    type: "symbol",
    source: REQUESTS,
    layout: {
      "icon-image": ["get", "image"],
      "icon-allow-overlap": true,
      "icon-ignore-placement": true,
      "symbol-sort-key": ["get", "waited"],
    },
  });
  map.addLayer({
    id: CHOSEN,
    type: "circle",
    source: CHOSEN,
    paint: {
      "circle-radius": 17,
      "circle-color": "rgba(0, 0, 0, 0)",
      "circle-stroke-color": themed("#1d1d1f", "#f2f0ea"),
      "circle-stroke-width": 2.5,
    },
  });
}

/** Draws the city as it is now, of the chosen kinds. `routes`: of the chosen trip, instead of straight lines. */
export function drawCity(map: MapLibre, city: City, isShown: (kind: Kind) => boolean, routes: TripRoutes | null): void {
  const drivers: Feature[] = [];
  for (const driver of city.drivers.values()) {
    const kind = kindOf(driver);
    if (!isShown(kind)) continue;
    const image = drawn(map, imageOfDriver(kind, driver.heading !== null));
    drivers.push(point(driver.point, { thing: "driver", id: driver.id, image, heading: driver.heading ?? 0 }));
  }
  const requests: Feature[] = [];
  const trips: Feature[] = [];
  for (const trip of city.trips.values()) {
    if (trip.status === "REQUESTED") {
      if (trip.pickUp === null || !isShown("request")) continue;
      const waited = (city.at - trip.requestedAt) / 1000;
      const image = drawn(map, imageOfRequest(waited));
      requests.push(point(trip.pickUp, { thing: "trip", id: trip.id, image, waited }));
    } else if (isShown("under-way")) {
      trips.push(...wayOf(trip, city, routes));
    }
  }
  set(map, DRIVERS, drivers);
  set(map, REQUESTS, requests);
  set(map, TRIPS, trips);
}

/** Marks a thing; null: nothing. */
export function markChosen(map: MapLibre, city: City | null, thing: Thing | null): void {
  const at = city && thing ? pointOf(city, thing) : null;
  set(map, CHOSEN, at === null ? [] : [point(at, {})]);
}

/** What is drawn at a point of the screen, or so near it; the nearest layer of signs first. */
export function thingAt(map: MapLibre, { x, y }: { x: number; y: number }, reachPx: number): Thing | null {
  const layers = CLICKABLE.filter((id) => map.getLayer(id));
  // What is under the point itself comes before what is only near it.
  for (const reach of [0, 5, reachPx].filter((each) => each <= reachPx)) {
    const box: [[number, number], [number, number]] = [
      [x - reach, y - reach],
      [x + reach, y + reach],
    ];
    const properties = map.queryRenderedFeatures(box, { layers })[0]?.properties;
    if (properties) return { kind: properties["thing"], id: properties["id"] };
  }
  return null;
}

/** The name, whose image the map has from now on: of requests there is one for each minute of waiting. */
function drawn(map: MapLibre, name: string): string {
  if (!map.hasImage(name)) {
    const { image, pixelRatio } = draw(name);
    map.addImage(name, image, { pixelRatio });
  }
  return name;
}

/** Where a thing is: a trip under way is where its car is. */
export function pointOf(city: City, { kind, id }: Thing): GeoPoint | null {
  if (kind === "driver") return city.drivers.get(id)?.point ?? null;
  const trip = city.trips.get(id);
  if (trip === undefined) return null;
  return carOf(trip, city) ?? trip.pickUp;
}

/** The line from the car to where it goes, unless its route is drawn, and its end. */
function wayOf(trip: Trip, city: City, routes: TripRoutes | null): Feature[] {
  const isDriving = trip.status === "IN_PROGRESS";
  const properties = { thing: "trip", id: trip.id, isDriving };
  const from = carOf(trip, city) ?? (isDriving ? trip.pickUp : null);
  const to = isDriving ? trip.dropOff : trip.pickUp;
  if (to === null) return [];
  const end = point(to, properties);
  const route = trip.id === routes?.tripId ? (isDriving ? routes.toDropOff : routes.toPickUp) : undefined;
  if (from === null || route !== undefined) return [end];
  const geometry = { type: "LineString" as const, coordinates: [lngLat(from), lngLat(to)] };
  return [{ type: "Feature", properties, geometry }, end];
}

function carOf(trip: Trip, city: City): GeoPoint | null {
  return trip.driver === null ? null : (city.drivers.get(trip.driver.id)?.point ?? null);
}

function point(at: GeoPoint, properties: Record<string, unknown>): Feature {
  return { type: "Feature", properties, geometry: { type: "Point", coordinates: lngLat(at) } };
}

function set(map: MapLibre, id: string, features: Feature[]): void {
  map.getSource<GeoJSONSource>(id)?.setData(collection(features));
}

function collection(features: Feature[]): FeatureCollection {
  return { type: "FeatureCollection", features };
}
