/** Positions on Earth, and the same in metres on a plane around the made-up city: x to the east, y to the south. */
export interface GeoPoint {
  lat: number;
  lng: number;
}

export interface Spot {
  x: number;
  y: number;
}

const METRES_A_DEGREE = 111_320;
/** The middle of the made-up city. `server.py simulate` drives around here too. */
const MIDDLE: GeoPoint = { lat: 52.368, lng: 4.895 };
const SHRINK = Math.cos((MIDDLE.lat * Math.PI) / 180);

/** The made-up city, in metres from the middle. */
const CITY = { left: -3600, top: -2400, right: 3600, bottom: 2400 };

export function toSpot({ lat, lng }: GeoPoint): Spot {
  return { x: (lng - MIDDLE.lng) * METRES_A_DEGREE * SHRINK, y: (MIDDLE.lat - lat) * METRES_A_DEGREE };
}

/** Rounded to a metre or so: five decimals. */
export function toGeoPoint({ x, y }: Spot): GeoPoint {
  return {
    lat: round(MIDDLE.lat - y / METRES_A_DEGREE),
    lng: round(MIDDLE.lng + x / (METRES_A_DEGREE * SHRINK)),
  };
}

/** The corners of the made-up city in the south-west and in the north-east. */
export const CITY_CORNERS: readonly GeoPoint[] = [
  toGeoPoint({ x: CITY.left, y: CITY.bottom }),
  toGeoPoint({ x: CITY.right, y: CITY.top }),
];

/** The distance in metres on a plane, which is exact enough within a city. */
export function distance(a: GeoPoint, b: GeoPoint): number {
  return distanceOf(toSpot(a), toSpot(b));
}

export function distanceOf(a: Spot, b: Spot): number {
  return Math.hypot(b.x - a.x, b.y - a.y);
}

/** The heading, in degrees clockwise from north. */
export function heading(from: Spot, to: Spot): number {
  return ((Math.atan2(to.x - from.x, from.y - to.y) * 180) / Math.PI + 360) % 360;
}

/** A distance on the screen. */
export function inWords(metres: number): string {
  return metres < 950 ? `${Math.round(metres / 10) * 10} m` : `${(metres / 1000).toFixed(1)} km`;
}

/** The usual notation of a position: `52.37310, 4.89260`. */
export function format({ lat, lng }: GeoPoint): string {
  return `${lat.toFixed(5)}, ${lng.toFixed(5)}`;
}

/** Parses a latitude and a longitude; null if the text is not a position. */
export function parse(text: string): GeoPoint | null {
  const match = /^\s*(-?\d+(?:\.\d+)?)\s*[,;\s]\s*(-?\d+(?:\.\d+)?)\s*$/.exec(text);
  if (!match) return null;
  const [lat, lng] = [Number(match[1]), Number(match[2])];
  return Math.abs(lat) <= 90 && Math.abs(lng) <= 180 ? { lat, lng } : null;
}

function round(degrees: number): number {
  return Math.round(degrees * 1e5) / 1e5;
}
