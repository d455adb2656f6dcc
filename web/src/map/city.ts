/**
 * The streets and waters of a made-up city: invented, but like Amsterdam, with canals in rings around the station.
 * In metres on the plane of `geo.ts`.
 */
import { distanceOf, type Spot } from "./geo";

/** Points of a line, in order. */
export type Line = readonly Spot[];

/** The centre of the canal rings. */
const RING_CENTRE: Spot = { x: 360, y: -1250 };

const CANAL_RADII = [560, 800, 960, 1130, 1900];
const STREET_RADII = [420, 680, 880, 1045, 1300, 1480, 1680, 2100, 2330, 2580, 2860, 3160, 3480, 3820, 4180, 4560];
const AVENUE_RADII = [2330, 3480];
/** Where the radial streets go on beyond the last ring. */
const OUTSKIRTS = [5100, 5650, 6200];
const RADII = [0, ...STREET_RADII, ...OUTSKIRTS];
/** The rings are drawn and driven in steps of this many degrees. */
const STEP = 2;

function onRing(radius: number, degrees: number): Spot {
  const angle = (degrees * Math.PI) / 180;
  return { x: Math.round(RING_CENTRE.x + radius * Math.cos(angle)), y: Math.round(RING_CENTRE.y + radius * Math.sin(angle)) };
}

function steps(from: number, to: number, by: number): number[] {
  return Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, index) => from + index * by);
}

function arc(radius: number, from: number, to: number): Line {
  return steps(from, to, STEP).map((degrees) => onRing(radius, degrees));
}

function radial(degrees: number, from: number): Line {
  return RADII.filter((radius) => radius >= from).map((radius) => onRing(radius, degrees));
}

/** A cubic Bézier curve as a line of 17 points. */
function curve(a: Spot, b: Spot, c: Spot, d: Spot): Line {
  return steps(0, 16, 1).map((index) => {
    const [t, u] = [index / 16, 1 - index / 16];
    const at = (p: number, q: number, r: number, s: number) => u * u * u * p + 3 * u * u * t * q + 3 * u * t * t * r + t * t * t * s;
    return { x: Math.round(at(a.x, b.x, c.x, d.x)), y: Math.round(at(a.y, b.y, c.y, d.y)) };
  });
}

function spots(...numbers: number[]): Spot[] {
  return numbers.flatMap((x, index) => (index % 2 ? [] : [{ x, y: numbers[index + 1]! }]));
}

/** The curves through the points; between two of them stand their two control points. */
function curves(...numbers: number[]): Line {
  const points = spots(...numbers);
  return steps(0, points.length - 4, 3).flatMap((at) => curve(points[at]!, points[at + 1]!, points[at + 2]!, points[at + 3]!));
}

export const HARBOUR_WIDTH_M = 430;
/** The middle of the wide water in the north. It goes on far beyond the city, and so does the river: a map shows no end. */
export const HARBOUR = curves(
  ...[-26000, 3200, -18000, 4200, -8500, -270, -7000, -1500, -5900, -2400, -4700, -2230, -3700, -1960, -2300, -1700, -900, -1830, 360, -1640],
  ...[1620, -1450, 2500, -1350, 3700, -1950, 4900, -2550, 5900, -2600, 7000, -2100],
  ...[8800, -1280, 16000, 1400, 26000, -3000],
);
export const RIVER = curves(500, -560, 760, -60, 470, 360, 880, 860, 1290, 1360, 1330, 1800, 1330, 2700, 1330, 4100, 3000, 5600, 2600, 9500);
export const CANALS = CANAL_RADII.map((radius) => arc(radius, 2, 178));

export const PARKS: readonly Line[] = [
  // Vondel Park, Oosterpark, Westerpark, Artis, and one in the south.
  spots(-2480, 1560, -2330, 1790, -900, 820, -1040, 600),
  spots(1480, 760, 2000, 760, 2000, 1060, 1440, 1060),
  spots(-2700, -1330, -1800, -1270, -1840, -1010, -2740, -970),
  spots(1290, 100, 1670, 40, 1760, 290, 1370, 380),
  spots(-1500, 2050, -800, 2170, -880, 2600, -1580, 2600),
];

const QUAY_EAST = radial(0, 0);
const QUAY_WEST = radial(180, 0);

/** The streets of the other bank: a grid that ends at the water. */
const NORTH = north();

function north(): Line[] {
  const rows = steps(-2560, -1880, 170);
  const columns = steps(-6900, 6900, 300);
  // A column leans by 120 m and a row by 60 m.
  const at = (column: number, row: number): Spot => {
    const down = (row + (60 * (column + 7000)) / 14000 + 2600) / 1100;
    return { x: Math.round(column + 120 * down), y: Math.round(row + (60 * (column + 7000)) / 14000) };
  };
  const isDry = (spot: Spot) => HARBOUR.every((middle) => distanceOf(spot, middle) > HARBOUR_WIDTH_M / 2 + 60);
  const lines = [
    ...rows.map((row) => columns.map((column) => at(column, row))),
    ...columns.map((column) => rows.map((row) => at(column, row))),
  ];
  return lines.flatMap((line) => parts(line, isDry));
}

/** The parts of a line whose points all pass the test. */
function parts(line: Line, passes: (spot: Spot) => boolean): Line[] {
  const found: Spot[][] = [[]];
  for (const spot of line) {
    if (passes(spot)) found.at(-1)!.push(spot);
    else found.push([]);
  }
  return found.filter(({ length }) => length > 1);
}

/** Two bridges across the harbour and a tunnel at the station, each from a quay to the nearest corner of the other bank. */
export const BRIDGES: readonly Line[] = [onRing(0, 0), onRing(3160, 180), onRing(2860, 0)].map((from) => {
  const corners = NORTH.flat();
  return [from, corners.reduce((best, corner) => (distanceOf(from, corner) < distanceOf(from, best) ? corner : best))];
});

export const AVENUES: readonly Line[] = [
  ...steps(6, 174, 12).map((degrees) => radial(degrees, degrees === 90 ? 0 : 420)),
  ...AVENUE_RADII.map((radius) => arc(radius, 0, 180)),
  QUAY_EAST,
  QUAY_WEST,
];

export const STREETS: readonly Line[] = [
  ...STREET_RADII.filter((radius) => !AVENUE_RADII.includes(radius)).map((radius) => arc(radius, 0, 180)),
  ...steps(12, 168, 12).map((degrees) => radial(degrees, 2100)),
  ...NORTH,
];
