/** What the scripts share that the server's tests run: reports, waiting, and people with tokens. */
import { strict as assert } from "node:assert";

import { LogIn, SignUp, type Role, type TypedDocumentNode } from "@taxirank/client";
import { print } from "graphql";

export const [server, password] = process.argv.slice(2) as [string, string];
export const socketUrl = `${server.replace("http", "ws")}/graphql`;

/** Prints a step for the test. */
export function report(who: string, step: string, details: object = {}): void {
  console.log(JSON.stringify({ who, step, ...details }));
}

const waiting = new Set<() => void>();

/** Something that `until` may wait for has changed. */
export function changed(): void {
  for (const look of waiting) look();
}

/** Waits for what is found after a change. */
export async function until<Value>(find: () => Value | null | undefined | false): Promise<Value> {
  for (;;) {
    const found = find();
    if (found) return found;
    await new Promise<void>((resolve) => {
      const look = () => (waiting.delete(look), resolve());
      waiting.add(look);
    });
  }
}

/** A request without a library. */
export async function post<Result, Variables>(
  document: TypedDocumentNode<Result, Variables>,
  variables: Variables,
  token?: string,
): Promise<Result> {
  const answer = await fetch(`${server}/graphql`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query: print(document), variables }),
  });
  const { data, errors } = (await answer.json()) as { data?: Result; errors?: unknown };
  if (data === undefined || data === null || errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** Signs somebody up, and returns the token of a session. */
export async function join(name: string, role: Role): Promise<string> {
  const username = `${name}@example.com`;
  const names = { firstName: name, lastName: "Example" };
  const { signUp } = await post(SignUp, { input: { username, password1: password, password2: password, role, ...names } });
  assert.deepEqual(signUp.errors, []);
  const { logIn } = await post(LogIn, { username, password });
  return logIn.token!;
}
