/** An audit in the form of graphql-http's: an id, a sentence that begins with MUST, SHOULD or MAY, and a function. */
import assert from "node:assert/strict";

const TIMEOUT_MS = 20_000;

/** An audit that passes unless its function throws. */
export function audit(id, name, check) {
  return {
    id,
    name,
    fn: async () => {
      try {
        await inTime(check());
        return { id, name, status: "ok" };
      } catch (error) {
        return { id, name, status: "error", reason: error.message };
      }
    },
  };
}

/** Fails after a time limit. */
export function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("nothing came in time")), TIMEOUT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Sends a GraphQL request over HTTP, as the person with the token; returns its data. */
export async function ask({ url, token }, query, variables) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

export const REQUEST = `mutation { createTrip(input: { pickUpAddress: "A", dropOffAddress: "B" }) { trip { id } } }`;
export const CANCEL = `mutation ($id: ID!) { updateTrip(input: { id: $id, status: CANCELLED }) { trip { id } } }`;
export const MY_TRIPS = `subscription { myTripsUpdated { __typename ... on TripChanged { trip { id status } } } }`;
export const WATCH = `subscription ($id: ID!) { tripUpdated(id: $id) { status } }`;
