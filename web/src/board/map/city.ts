/**
 * The drawing of the city: invented, but like Amsterdam, with canals in rings around the station.
 * In metres on the map's plane.
 */
import type { Spot } from "./geo";

/** The centre of the canal rings. */
const RING_CENTRE: Spot = { x: 360, y: -1250 };

const CANAL_RADII = [560, 800, 960, 1130, 1900];
const STREET_RADII = [420, 680, 880, 1045, 1300, 1480, 1680, 2100, 2330, 2580, 2860, 3160, 3480, 3820, 4180, 4560];

function onRing(radius: number, degrees: number): Spot {
  const angle = (degrees * Math.PI) / 180;
  return { x: RING_CENTRE.x + radius * Math.cos(angle), y: RING_CENTRE.y + radius * Math.sin(angle) };
}

function arc(radius: number, from: number, to: number): string {
  return `M${at(onRing(radius, from))}A${radius} ${radius} 0 0 1 ${at(onRing(radius, to))}`;
}

function radial(degrees: number, from: number, to: number): string {
  return `M${at(onRing(from, degrees))}L${at(onRing(to, degrees))}`;
}

function at({ x, y }: Spot): string {
  return `${Math.round(x)} ${Math.round(y)}`;
}

function steps(from: number, to: number, by: number): number[] {
  return Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, index) => from + index * by);
}

/** The wide water in the north, and the bank behind it. */
export const HARBOUR = "M-7000-1500C-5900-2400-4700-2230-3700-1960C-2300-1700-900-1830 360-1640S2500-1350 3700-1950S5900-2600 7000-2100";
export const RIVER = "M500-560C760-60 470 360 880 860S1330 1800 1330 2700";
export const CANALS = CANAL_RADII.map((radius) => arc(radius, 2, 178)).join("");

export const STREETS = [
  ...STREET_RADII.map((radius) => arc(radius, -4, 184)),
  ...steps(0, 180, 6).map((degrees) => radial(degrees, 1950, 6200)),
].join("");

export const AVENUES = [
  ...steps(6, 174, 12).map((degrees) => radial(degrees, 420, 6200)),
  arc(2330, -4, 184),
  arc(3480, -4, 184),
].join("");

/** The other bank. */
export const NORTH_STREETS = [
  ...steps(-6900, 6900, 300).map((x) => `M${x}-2600L${x + 120}-1500`),
  ...steps(-2560, -1880, 170).map((y) => `M-7000 ${y}L7000 ${y + 60}`),
].join("");

export const PARKS = [
  // Vondel Park, Oosterpark, Westerpark, Artis, and one in the south.
  "M-2480 1560L-2330 1790L-900 820L-1040 600Z",
  "M1480 760h520v300h-560z",
  "M-2700-1330l900 60l-40 260l-900 40z",
  "M1290 100l380-60l90 250l-390 90z",
  "M-1500 2050l700 120l-80 430h-700z",
];

/** A plausible route between two points: along the rings and the streets between them. */
export function route(from: Spot, to: Spot): Spot[] {
  const [a, b] = [polar(from), polar(to)];
  // Straight where the rings are narrow, and across the harbour.
  if (Math.min(a.radius, b.radius) < 400 || from.y < RING_CENTRE.y || to.y < RING_CENTRE.y) return [from, to];
  const radius = Math.min(a.radius, b.radius);
  const parts = Math.max(1, Math.ceil(Math.abs(b.degrees - a.degrees) / 4));
  const along = Array.from({ length: parts + 1 }, (_, index) =>
    onRing(radius, a.degrees + ((b.degrees - a.degrees) * index) / parts),
  );
  return [from, ...along, to];
}

function polar({ x, y }: Spot): { radius: number; degrees: number } {
  const [dx, dy] = [x - RING_CENTRE.x, y - RING_CENTRE.y];
  return { radius: Math.hypot(dx, dy), degrees: (Math.atan2(dy, dx) * 180) / Math.PI };
}

/** The length of a route in metres. */
export function lengthOf(way: readonly Spot[]): number {
  return way.slice(1).reduce((sum, { x, y }, index) => sum + Math.hypot(x - way[index]!.x, y - way[index]!.y), 0);
}

/** The point after a number of metres on a route, and the next corner; null beyond its end. */
export function along(way: readonly Spot[], metres: number): { spot: Spot; next: Spot } | null {
  let left = metres;
  for (let index = 1; index < way.length; index += 1) {
    const [start, end] = [way[index - 1]!, way[index]!];
    const length = Math.hypot(end.x - start.x, end.y - start.y);
    if (left < length) {
      const part = left / length;
      return { spot: { x: start.x + (end.x - start.x) * part, y: start.y + (end.y - start.y) * part }, next: end };
    }
    left -= length;
  }
  return null;
}
