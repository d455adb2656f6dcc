/** What must not compile: each line fails the type check if the generated types let it pass. */
import type { ResultOf, VariablesOf } from "@graphql-typed-document-node/core";
import { MyTrips } from "./operations.js";

// @ts-expect-error: no such value of the enum
export const wrong: VariablesOf<typeof MyTrips> = { first: 20, status: ["RIDING"] };

// @ts-expect-error: a required variable is missing
export const missing: VariablesOf<typeof MyTrips> = { status: ["STARTED"] };

export function firstTrip({ trips }: ResultOf<typeof MyTrips>) {
  // @ts-expect-error: the operation does not ask for the address
  return trips.edges[0]?.node.dropOffAddress;
}
