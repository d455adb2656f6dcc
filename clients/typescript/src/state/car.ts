/** The car of a trip, made from the events of `driverLocation`. */

export interface CarEvent {
  /** When the position was measured: an ISO 8601 time. */
  readonly recordedAt: string;
  /** No newer position has come for a while: the car may be elsewhere. */
  readonly isStale: boolean;
  /** The position is too old: do not show the car there any more. */
  readonly isGone: boolean;
}

/**
 * The last event of a car after another one; null: none has come.
 *
 * An older position does nothing, and a position that was stale or gone does not become fresh again. Begin with null for
 * another trip or another driver, whose clock may differ.
 */
export function applyCarEvent<Position extends CarEvent>(before: Position | null, event: Position): Position {
  if (before === null) return event;
  const [known, told] = [Date.parse(before.recordedAt), Date.parse(event.recordedAt)];
  if (told !== known) return told > known ? event : before;
  return age(event) > age(before) ? event : before;
}

/** The position to draw; null while none is known, and when it is gone. */
export function visibleCar<Position extends CarEvent>(last: Position | null): Position | null {
  return last === null || last.isGone ? null : last;
}

function age({ isStale, isGone }: CarEvent): number {
  return isGone ? 2 : isStale ? 1 : 0;
}
