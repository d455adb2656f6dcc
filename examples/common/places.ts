/** Places to ride between, and the ways of a simulated car. */
export interface Point {
  readonly lat: number;
  readonly lng: number;
}

export const PLACES: readonly { readonly name: string; readonly point: Point }[] = [
  { name: "Central Station", point: { lat: 52.3791, lng: 4.9003 } },
  { name: "Dam Square", point: { lat: 52.3731, lng: 4.8926 } },
  { name: "Museum Square", point: { lat: 52.358, lng: 4.881 } },
  { name: "Artis Zoo", point: { lat: 52.366, lng: 4.9165 } },
];

/** The distance in metres, for points within a city. */
export function distanceM(a: Point, b: Point): number {
  const metresOfADegree = 111_195;
  const north = (a.lat - b.lat) * metresOfADegree;
  const east = (a.lng - b.lng) * metresOfADegree * Math.cos((a.lat * Math.PI) / 180);
  return Math.hypot(north, east);
}

/** Equal steps from one point to another. */
export function straightWay(from: Point, to: Point, steps: number): Point[] {
  return Array.from({ length: steps }, (_, index) => {
    const part = (index + 1) / steps;
    return { lat: from.lat + (to.lat - from.lat) * part, lng: from.lng + (to.lng - from.lng) * part };
  });
}
