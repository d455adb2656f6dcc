/** Choosing a point of a map with the keyboard: the arrow keys move it, with Shift faster. */
import { toGeoPoint, toSpot, type GeoPoint } from "./geo";
import type { MapView } from "./MapView";

const STEP_PX = 8;
const BIG_STEP_PX = 40;
const DIRECTIONS: Record<string, Direction> = {
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
};

/** To the right and down. */
export type Direction = readonly [x: number, y: number];

/** The direction of an arrow key. */
export function directionOf(key: string): Direction | undefined {
  return DIRECTIONS[key];
}

/** The point after one step. The map moves if it would be out of sight. */
export function stepped(view: MapView, from: GeoPoint, [x, y]: Direction, { isBig }: { isBig: boolean }): GeoPoint {
  const byPx = isBig ? BIG_STEP_PX : STEP_PX;
  const at = view.map.project([from.lng, from.lat]);
  const to = rounded(view.map.unproject([at.x + x * byPx, at.y + y * byPx]));
  if (!view.isInSight(to)) view.map.panTo([to.lng, to.lat]);
  return to;
}

/** The middle of what is seen now. */
export function middleOf({ map }: MapView): GeoPoint {
  return rounded(map.getCenter());
}

/** To five decimals: a metre or so. */
export function rounded({ lat, lng }: GeoPoint): GeoPoint {
  return toGeoPoint(toSpot({ lat, lng }));
}
