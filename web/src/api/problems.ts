import type { CombinedError } from "@urql/core";

/** An error in the answer of a mutation: the fields that each page asks for. */
export interface UserErrorData {
  code: string;
  message: string;
  field: string[] | null;
  retryAfter: number | null;
}

/** An error: its text, and the code that identifies it. */
export interface Problem {
  text: string;
  code: string;
  /** The input field at fault, if it is one. */
  field?: string;
  /** The number of seconds to wait before the next request. */
  retryAfterS?: number;
}

const UNREACHABLE = "UNREACHABLE";

/** Whether the server could not be reached: this problem disappears by itself. */
export function isUnreachable({ code }: Problem): boolean {
  return code === UNREACHABLE;
}

/** The errors of a payload. */
export function userProblems(errors: readonly UserErrorData[]): Problem[] {
  return errors.map(({ code, message, field, retryAfter }) => made(code, message, field, retryAfter));
}

/** The errors of a request itself, or of the connection to the server. */
export function problemsOf(error: CombinedError | undefined): Problem[] {
  if (error === undefined || error.networkError) {
    return [{ code: UNREACHABLE, text: "The server cannot be reached. Is it running? Try again in a moment." }];
  }
  return error.graphQLErrors.map(({ message, extensions }) => {
    const { code, retryAfter, field } = extensions as { code?: string; retryAfter?: number; field?: string[] };
    return made(code ?? "FAILED", message, field, retryAfter);
  });
}

function made(code: string, text: string, path?: string[] | null, retryAfterS?: number | null): Problem {
  const field = path?.at(-1);
  return { code, text, ...(field === undefined ? {} : { field }), ...(retryAfterS == null ? {} : { retryAfterS }) };
}
