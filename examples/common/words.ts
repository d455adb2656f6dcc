/** The texts of the screens. */
import type { TripFieldsFragment } from "@taxirank/client";
import type { OffersView } from "@taxirank/client/react";

import { distanceM, type Point } from "./places";

type Trip = TripFieldsFragment;

/** What a trip's rider is told. */
export function toldToRider({ status, arrivedAt, driver }: Trip): string {
  const name = driver?.firstName ?? "Your driver";
  switch (status) {
    case "REQUESTED":
      return "Looking for a driver";
    case "STARTED":
      return arrivedAt === null ? `${name} is on the way` : `${name} is here`;
    case "IN_PROGRESS":
      return `You are riding with ${name}`;
    default:
      return outcome(status);
  }
}

export function outcome(status: Trip["status"]): string {
  switch (status) {
    case "COMPLETED":
      return "Completed";
    case "CANCELLED":
      return "Cancelled";
    case "EXPIRED":
      return "No driver came";
    default:
      return "Under way";
  }
}

/** How far a car has to go. */
export function farAway(car: Point, target: Point): string {
  const metres = distanceM(car, target);
  return metres < 950 ? `${Math.round(metres / 50) * 50} m away` : `${(metres / 1000).toFixed(1)} km away`;
}

/** Why a driver gets no offers. The server may come to know other reasons. */
export function whyPaused(paused: NonNullable<OffersView["paused"]>): string {
  switch (paused) {
    case "OFF_DUTY":
      return "You are off duty.";
    case "NOT_APPROVED":
      return "Staff have not approved you yet.";
    case "NO_VEHICLE":
      return "This server wants to know your car first: describe it on the board.";
    default:
      return "There are no offers now.";
  }
}

export function whyWithdrawn(reason: string): string {
  switch (reason) {
    case "TAKEN":
      return "Another driver has taken it";
    case "CANCELLED":
      return "The rider has cancelled";
    default:
      return "No longer open";
  }
}
