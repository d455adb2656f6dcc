/** The margins of a map: signs that stand on its points are wholly in sight. */

/** Pixels from the edges of a map. */
export interface Margins {
  top: number;
  right: number;
  bottom: number;
  left: number;
}

/** So far from the edges a point is in sight with all of its sign: a pin is higher than wide, and stands on its point. */
const IN_SIGHT: Margins = { top: 31, right: 20, bottom: 20, left: 20 };
/**
 * A fitted map has more room, so that not each move of a car makes it fit again: enough for a pin above, and for the buttons
 * on the right. It is the same on all sides, so that the middle of what matters is in the middle.
 */
const FITTED: Margins = { top: 52, right: 52, bottom: 52, left: 52 };
/** Of a small map, a margin takes at most this share. */
const MOST = 1 / 6;
/** A fitted point is on the margin, give or take a rounding. */
const ROUNDING_PX = 1;

interface Size {
  clientWidth: number;
  clientHeight: number;
}

/** The margins with which a map of this size is fitted to points. */
export function fittedMargins(size: Size): Margins {
  return within(size, FITTED);
}

/** Whether a sign at a point, in pixels from the upper left corner, is wholly on a map of this size. Of fitted points it is. */
export function hasRoom(size: Size, { x, y }: { x: number; y: number }): boolean {
  const { top, right, bottom, left } = within(size, IN_SIGHT);
  return (
    x >= left - ROUNDING_PX &&
    x <= size.clientWidth - right + ROUNDING_PX &&
    y >= top - ROUNDING_PX &&
    y <= size.clientHeight - bottom + ROUNDING_PX
  );
}

function within({ clientWidth, clientHeight }: Size, { top, right, bottom, left }: Margins): Margins {
  const [across, down] = [clientWidth * MOST, clientHeight * MOST];
  return {
    top: Math.min(top, down),
    right: Math.min(right, across),
    bottom: Math.min(bottom, down),
    left: Math.min(left, across),
  };
}
