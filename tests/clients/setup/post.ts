/** Queries and mutations without a library. */
import { authorization, type Session } from "./session.js";

export interface Operation {
  query: string;
  variables: object;
}

/** Sends an operation; with files as a form (https://github.com/jaydenseric/graphql-multipart-request-spec). */
export async function post(
  server: string,
  session: Session,
  operation: Operation,
  files: Record<string, File | Blob> = {},
  fetch: typeof globalThis.fetch = globalThis.fetch,
) {
  const response = await fetch(`${server}/graphql`, {
    method: "POST",
    // For pages of another origin that use the cookie; the server must allow that origin.
    credentials: "include",
    ...encode(operation, files, authorization(session)),
  });
  return response.json();
}

function encode(operation: Operation, files: Record<string, File | Blob>, headers: Record<string, string>): RequestInit {
  const operations = JSON.stringify(operation);
  const paths = Object.keys(files);
  if (paths.length === 0) return { headers: { ...headers, "Content-Type": "application/json" }, body: operations };
  const form = new FormData();
  form.append("operations", operations);
  form.append("map", JSON.stringify(Object.fromEntries(paths.map((path, i) => [i, [path]]))));
  paths.forEach((path, i) => form.append(`${i}`, files[path]!));
  // Any page can send a form without a preflight, but not this header.
  return { headers: { ...headers, "GraphQL-Require-Preflight": "1" }, body: form };
}
