import assert from "node:assert/strict";
import { test } from "node:test";

import { mutationProblems } from "../src/index.js";

const error = { code: "WRONG_PIN", message: "Wrong.", field: ["pin"], retryable: true, retryAfter: null };

test("what went wrong with a mutation is in its payload, or is the request's error", () => {
  assert.deepEqual(mutationProblems({}), []);
  assert.deepEqual(mutationProblems({ data: { updateTrip: { errors: [] } } }), []);
  assert.deepEqual(mutationProblems({ data: { __typename: "Mutation", updateTrip: { errors: [error] }, other: null } }), [
    { code: "WRONG_PIN", text: "Wrong.", field: "pin" },
  ]);
  const [problem] = mutationProblems({ data: undefined, error: new TypeError("Failed to fetch") });
  assert.equal(problem?.code, "UNREACHABLE");
});
