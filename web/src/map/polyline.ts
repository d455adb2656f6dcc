import type { GeoPoint } from "./geo";

/**
 * The points of a line in Google's polyline format with precision 5; those before the first fault of a broken text.
 *
 * Source: https://developers.google.com/maps/documentation/utilities/polylinealgorithm
 */
export function decode(text: string): GeoPoint[] {
  const points: GeoPoint[] = [];
  let [at, lat, lng] = [0, 0, 0];

  function difference(): number | null {
    let value = 0;
    for (let shift = 0; at < text.length; shift += 5) {
      const chunk = text.charCodeAt(at++) - 63;
      value |= (chunk & 0x1f) << shift;
      if (chunk < 0x20) return value & 1 ? ~(value >> 1) : value >> 1;
    }
    return null;
  }

  for (;;) {
    const [north, east] = [difference(), difference()];
    if (north === null || east === null) return points;
    [lat, lng] = [lat + north, lng + east];
    points.push({ lat: lat / 1e5, lng: lng / 1e5 });
  }
}
