import type { CombinedError } from "@urql/core";

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

interface UserError {
  code: string;
  message: string;
  field: string[] | null;
}

/** The errors of a payload. */
export function userProblems(errors: readonly UserError[]): Problem[] {
  return errors.map(({ code, message, field }) => withField({ code, text: message }, field));
}

/** The errors of a request itself, or of the connection to the server. */
export function problemsOf(error: CombinedError | undefined): Problem[] {
  if (error === undefined || error.networkError) {
    return [{ code: UNREACHABLE, text: "The server cannot be reached. Is it running? Try again in a moment." }];
  }
  return error.graphQLErrors.map(({ message, extensions }) => {
    const { code, retryAfter, field } = extensions as { code?: string; retryAfter?: number; field?: string[] };
    const problem = withField({ code: code ?? "FAILED", text: message }, field ?? null);
    return retryAfter === undefined ? problem : { ...problem, retryAfterS: retryAfter };
  });
}

function withField(problem: Problem, path: string[] | null): Problem {
  const field = path?.at(-1);
  return field === undefined ? problem : { ...problem, field };
}
