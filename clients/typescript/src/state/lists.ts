/** Which lists a changed trip belongs to: the pages of `trips` in a cache. */
import type { TripStatus } from "../generated/operations.js";

/** What a cache knows of a changed trip: only what its operation has selected. */
export interface ChangedTrip {
  readonly id: string;
  readonly status?: TripStatus | null | undefined;
  readonly version?: number | null | undefined;
}

/**
 * What must happen to a list after a change of a trip.
 *
 * A trip that was just requested is the newest. Where another one belongs is not known here, nor whether a driver who
 * has given it back still has it: then the list is loaded again.
 */
export function listAfter(
  { status, version }: ChangedTrip,
  wanted: readonly TripStatus[] | null | undefined,
  isListed: boolean,
): "keep" | "add first" | "remove" | "load again" {
  if (status == null) return isListed && wanted == null ? "keep" : "load again";
  if (status === "REQUESTED" && version !== 1) return "load again";
  const belongs = wanted == null || wanted.includes(status);
  if (belongs === isListed) return "keep";
  if (!belongs) return "remove";
  return version === 1 ? "add first" : "load again";
}
