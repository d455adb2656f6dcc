/** The made-up city as a style of MapLibre, in light and dark. It loads nothing: labels are drawn with the system's fonts. */
import type { Feature, Geometry, MultiLineString, MultiPolygon } from "geojson";
import type { DataDrivenPropertyValueSpecification, ExpressionSpecification, StyleSpecification } from "maplibre-gl";

import { AVENUES, BRIDGES, CANALS, HARBOUR, HARBOUR_WIDTH_M, PARKS, RIVER, STREETS, type Line } from "./city";
import { toGeoPoint, type GeoPoint, type Spot } from "./geo";
import { PLACES } from "./places";

/** The name of the map's state that says whether the page is dark. */
export const DARK = "dark";

/** A colour for the light and one for the dark theme. Layers that a page adds can use it too. */
export function themed(light: string, dark: string): ExpressionSpecification {
  return ["case", ["==", ["global-state", DARK], true], dark, light];
}

/** One pixel of a map at zoom 0 is this many metres wide, at the latitude of the city. */
const METRES_A_PIXEL = (40_075_017 / 512) * Math.cos((52.368 * Math.PI) / 180);
const MOST_ZOOM = 22;

/** The width of a street of so many metres, which is at least so many pixels. */
function wide(metres: number, leastPx: number): DataDrivenPropertyValueSpecification<number> {
  const at = (zoom: number) => (metres / METRES_A_PIXEL) * 2 ** zoom;
  const from = Math.log2((leastPx * METRES_A_PIXEL) / metres);
  return ["interpolate", ["exponential", 2], ["zoom"], from, leastPx, MOST_ZOOM, at(MOST_ZOOM)];
}

const COLORS = {
  land: themed("#ebe7db", "#1f242a"),
  park: themed("#c9dcb7", "#213829"),
  water: themed("#aecfe0", "#163549"),
  street: themed("#f8f6f0", "#2a3038"),
  avenue: themed("#ffffff", "#363d47"),
  label: themed("#5d5a53", "#aeaaa0"),
};

/** A position as GeoJSON and MapLibre write it. */
export function lngLat({ lat, lng }: GeoPoint): [number, number] {
  return [lng, lat];
}

function position(spot: Spot): [number, number] {
  return lngLat(toGeoPoint(spot));
}

function lines(all: readonly Line[]): MultiLineString {
  return { type: "MultiLineString", coordinates: all.map((line) => line.map(position)) };
}

function areas(all: readonly Line[]): MultiPolygon {
  return { type: "MultiPolygon", coordinates: all.map((line) => [[...line, line[0]!].map(position)]) };
}

function feature(kind: string, geometry: Geometry): Feature {
  return { type: "Feature", properties: { kind }, geometry };
}

const ATTRIBUTION = "The city is made up";

export const CITY_STYLE: StyleSpecification = {
  version: 8,
  state: { [DARK]: { default: false } },
  sources: {
    city: {
      type: "geojson",
      attribution: ATTRIBUTION,
      data: {
        type: "FeatureCollection",
        features: [
          feature("park", areas(PARKS)),
          feature("canal", lines(CANALS)),
          feature("river", lines([RIVER])),
          feature("harbour", lines([HARBOUR])),
          feature("street", lines([...STREETS])),
          feature("avenue", lines([...AVENUES, ...BRIDGES])),
        ],
      },
    },
    places: {
      type: "geojson",
      data: {
        type: "FeatureCollection",
        features: PLACES.map(({ name, point, major }) => ({
          type: "Feature",
          properties: { name, rank: major ? 0 : 1 },
          geometry: { type: "Point", coordinates: lngLat(point) },
        })),
      },
    },
  },
  layers: [
    { id: "land", type: "background", paint: { "background-color": COLORS.land } },
    { id: "park", type: "fill", source: "city", filter: ["==", "kind", "park"], paint: { "fill-color": COLORS.park } },
    line("canal", COLORS.water, wide(58, 1.5)),
    line("river", COLORS.water, wide(120, 2)),
    line("harbour", COLORS.water, wide(HARBOUR_WIDTH_M, 4)),
    line("street", COLORS.street, wide(22, 1)),
    line("avenue", COLORS.avenue, wide(38, 1.5)),
    {
      id: "place",
      type: "circle",
      source: "places",
      paint: { "circle-radius": 2, "circle-color": COLORS.label },
    },
    {
      id: "place-name",
      type: "symbol",
      source: "places",
      layout: {
        "text-field": ["get", "name"],
        "text-font": ["system-ui", "Segoe UI", "Roboto", "sans-serif"],
        "text-size": ["interpolate", ["linear"], ["zoom"], 11, 11, 15, 13],
        "text-variable-anchor": ["bottom", "top", "left", "right"],
        "text-radial-offset": 0.4,
        "symbol-sort-key": ["get", "rank"],
      },
      paint: { "text-color": COLORS.label, "text-halo-color": COLORS.land, "text-halo-width": 1.5 },
    },
  ],
};

function line(
  kind: string,
  color: ExpressionSpecification,
  width: DataDrivenPropertyValueSpecification<number>,
): StyleSpecification["layers"][number] {
  return {
    id: kind,
    type: "line",
    source: "city",
    filter: ["==", "kind", kind],
    layout: { "line-cap": "round", "line-join": "round" },
    paint: { "line-color": color, "line-width": width },
  };
}

/** What is drawn below routes and markers while the tiles of another style cannot be loaded. */
export const EMPTY_STYLE: StyleSpecification = {
  version: 8,
  state: { [DARK]: { default: false } },
  sources: {},
  layers: [{ id: "land", type: "background", paint: { "background-color": COLORS.land } }],
};
