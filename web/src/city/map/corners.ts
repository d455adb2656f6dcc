import type { GeoPoint } from "../../map/geo";
import type { City } from "../model";

/** This share of the points, at each end, does not say how large the city is. */
const ENDS = 0.03;
/** Of fewer points than this, all do. */
const FEW = 20;

/**
 * The corners of all drivers and open requests. One lost car does not make the map show half a country: what is farther
 * from the others than these are apart is left out.
 */
export function cornersOf(city: City): GeoPoint[] {
  const points: GeoPoint[] = [];
  for (const { point } of city.drivers.values()) points.push(point);
  for (const { pickUp, status } of city.trips.values()) if (pickUp && status === "REQUESTED") points.push(pickUp);
  if (points.length === 0) return [];
  const [south, north] = endsOf(points.map(({ lat }) => lat));
  const [west, east] = endsOf(points.map(({ lng }) => lng));
  return [
    { lat: south, lng: west },
    { lat: north, lng: east },
  ];
}

/** The least and the greatest of these that is not far from the others. */
function endsOf(values: number[]): [number, number] {
  const sorted = values.sort((a, b) => a - b);
  const left = sorted.length > FEW ? Math.floor(sorted.length * ENDS) : 0;
  const [least, most] = [sorted[left]!, sorted[sorted.length - 1 - left]!];
  const apart = most - least;
  return [sorted.find((value) => value >= least - apart)!, sorted.findLast((value) => value <= most + apart)!];
}
