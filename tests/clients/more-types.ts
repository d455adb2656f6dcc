/** More that must not compile. */
import type { ResultOf, VariablesOf } from "@graphql-typed-document-node/core";
import type { Role } from "./generated/graphql.js";
import { RequestTrip, SignUp, WatchMyTrips } from "./operations.js";

// @ts-expect-error: no such value of the enum
export const role: Role = "PASSENGER";

// @ts-expect-error: a required field of the input is missing
export const trip: VariablesOf<typeof RequestTrip> = { input: { pickUpAddress: "1 Main Street" } };

// @ts-expect-error: a photo is a file
export const photo: VariablesOf<typeof SignUp>["input"]["photo"] = "me.jpg";

export function firstTrip({ myTripsUpdated }: ResultOf<typeof WatchMyTrips>) {
  // @ts-expect-error: not every member of the union has trips
  return myTripsUpdated.trips[0];
}
