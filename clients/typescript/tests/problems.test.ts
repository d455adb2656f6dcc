import assert from "node:assert/strict";
import { test } from "node:test";

import { ServerError } from "@apollo/client/errors";
import { CombinedError } from "@urql/core";

import { isUnreachable, mutationProblems, problemsOf, userProblems } from "../src/index.js";

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

const refusal = { message: "Wait.", extensions: { code: "OVERLOADED", retryAfter: 2 } };

/** What Apollo Client throws for an answer that is no GraphQL, by its status and type. */
function serverError(bodyText: string): ServerError {
  return new ServerError("Response not successful", { response: new Response(bodyText, { status: 503 }), bodyText });
}

test("a refused request has the server's code and the seconds to wait, over either library", () => {
  const expected = [{ code: "OVERLOADED", text: "Wait.", retryAfterS: 2 }];
  assert.deepEqual(problemsOf(serverError(JSON.stringify({ errors: [refusal] }))), expected);
  assert.deepEqual(problemsOf(new CombinedError({ graphQLErrors: [refusal] })), expected);
  assert.deepEqual(problemsOf([refusal]), expected);
});

test("an answer that is not the server's means that it cannot be reached", () => {
  for (const body of ["<h1>Bad gateway</h1>", "", "null", '{"errors":"no"}', '{"error":{}}']) {
    const [problem, ...others] = problemsOf(serverError(body));
    assert.deepEqual([problem!.code, isUnreachable(problem!), others], ["UNREACHABLE", true, []]);
  }
});

test("errors name the last part of their field, and have a code even if the server has none", () => {
  const field = ["input", "pickUp", "lat"];
  assert.deepEqual(problemsOf({ errors: [{ message: "No.", extensions: { field } }] }), [{ code: "FAILED", text: "No.", field: "lat" }]);
  const waiting = { code: "TOO_EARLY", message: "Wait.", field, retryAfter: 0 };
  assert.deepEqual(userProblems([waiting]), [{ code: "TOO_EARLY", text: "Wait.", field: "lat", retryAfterS: 0 }]);
});

test("only a socket that comes back by itself is unreachable, however the library tells its code", () => {
  const codeOf = (cause: unknown) => problemsOf(cause).map(({ code }) => code).join();
  for (const [closed, expected] of [
    [1006, "UNREACHABLE"],
    [1012, "UNREACHABLE"],
    [4401, "UNAUTHENTICATED"],
    [4403, "UNAUTHENTICATED"],
    [1011, "CLOSED"],
    [4429, "CLOSED"],
  ] as const) {
    assert.equal(codeOf({ code: closed }), expected);
    assert.equal(codeOf(new CombinedError({ networkError: { code: closed } as unknown as Error })), expected);
    assert.equal(codeOf(new Error(`Socket closed with event ${closed} `)), expected);
  }
});
