/** Driving in the made-up city: along its streets, and straight for the last metres to a house. */
import { AVENUES, BRIDGES, STREETS, type Line } from "./city";
import { distanceOf, type Spot } from "./geo";
import { IS_MADE_UP } from "./MapView";

/** Further from every street a place is outside of the city. */
const OUTSIDE_M = 400;

interface Corner {
  spot: Spot;
  /** The corners at the other ends of its streets, with the metres to them. */
  to: { corner: Corner; metres: number }[];
}

interface Access {
  /** The nearest point on a street. */
  spot: Spot;
  metres: number;
  ends: readonly [Corner, Corner];
}

/** Points that several streets have in common are one corner. */
const CORNERS = connected([...STREETS, ...AVENUES, ...BRIDGES]);

function connected(lines: readonly Line[]): Corner[] {
  const known = new Map<string, Corner>();
  const cornerAt = (spot: Spot) => {
    const key = `${spot.x} ${spot.y}`;
    const corner = known.get(key) ?? { spot, to: [] };
    known.set(key, corner);
    return corner;
  };
  for (const line of lines) {
    for (let index = 1; index < line.length; index += 1) {
      const [a, b] = [cornerAt(line[index - 1]!), cornerAt(line[index]!)];
      const metres = distanceOf(a.spot, b.spot);
      a.to.push({ corner: b, metres });
      b.to.push({ corner: a, metres });
    }
  }
  return [...known.values()];
}

/** The shortest way along the streets; the straight line if an end of it is outside of the city, or on a map of real tiles. */
export function route(from: Spot, to: Spot): Spot[] {
  if (!IS_MADE_UP) return [from, to];
  const [start, end] = [access(from), access(to)];
  if (start.metres > OUTSIDE_M || end.metres > OUTSIDE_M) return [from, to];
  const isOneStreet = start.ends.every((corner) => end.ends.includes(corner));
  const between = isOneStreet ? [] : shortest(start, end);
  return [from, start.spot, ...between, end.spot, to].filter(
    (spot, index, all) => index === 0 || distanceOf(spot, all[index - 1]!) > 0,
  );
}

function access(spot: Spot): Access {
  let best: Access | null = null;
  for (const corner of CORNERS) {
    for (const { corner: other } of corner.to) {
      const nearest = nearestOn(corner.spot, other.spot, spot);
      const metres = distanceOf(nearest, spot);
      if (best === null || metres < best.metres) best = { spot: nearest, metres, ends: [corner, other] };
    }
  }
  return best!;
}

function nearestOn(a: Spot, b: Spot, { x, y }: Spot): Spot {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const part = Math.min(1, Math.max(0, ((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy)));
  return { x: a.x + part * dx, y: a.y + part * dy };
}

/** The corners of the shortest way, by Dijkstra's algorithm with the straight line as the bound (A*). */
function shortest(start: Access, end: Access): Spot[] {
  const reached = new Map<Corner, { metres: number; before: Corner | null }>();
  const open = new Set<Corner>();
  const done = new Set<Corner>();
  for (const corner of start.ends) {
    reached.set(corner, { metres: distanceOf(start.spot, corner.spot), before: null });
    open.add(corner);
  }
  const total = (corner: Corner) => reached.get(corner)!.metres + distanceOf(corner.spot, end.spot);
  while (open.size > 0) {
    const corner = [...open].reduce((best, each) => (total(each) < total(best) ? each : best));
    open.delete(corner);
    done.add(corner);
    // The way along the last street is straight: nothing that is still open can be shorter.
    if (end.ends.includes(corner)) return backwards(corner);
    for (const { corner: next, metres } of corner.to) {
      const sum = reached.get(corner)!.metres + metres;
      if (done.has(next) || sum >= (reached.get(next)?.metres ?? Infinity)) continue;
      reached.set(next, { metres: sum, before: corner });
      open.add(next);
    }
  }
  return [];

  function backwards(last: Corner): Spot[] {
    const way: Spot[] = [];
    for (let at: Corner | null = last; at !== null; at = reached.get(at)!.before) way.unshift(at.spot);
    return way;
  }
}

/** The length of a route in metres. */
export function lengthOf(way: readonly Spot[]): number {
  return way.slice(1).reduce((sum, spot, index) => sum + distanceOf(spot, way[index]!), 0);
}

/** The point after a number of metres on a route, and the next corner; null beyond its end. */
export function along(way: readonly Spot[], metres: number): { spot: Spot; next: Spot } | null {
  let left = metres;
  for (let index = 1; index < way.length; index += 1) {
    const [start, end] = [way[index - 1]!, way[index]!];
    const length = distanceOf(start, end);
    if (left < length) {
      const part = left / length;
      return { spot: { x: start.x + (end.x - start.x) * part, y: start.y + (end.y - start.y) * part }, next: end };
    }
    left -= length;
  }
  return null;
}
