/** What went wrong, for a screen: errors of payloads, of requests and of the connection in one form. */
import { CLOSED, isFinal } from "./closeCodes.js";

/** An error in the answer of a mutation: fields of `UserError`. */
export interface UserErrorData {
  readonly code: string;
  readonly message: string;
  readonly field: readonly string[] | null;
  readonly retryAfter: number | null;
}

/** An error: its text, and the code that identifies it. */
export interface Problem {
  readonly text: string;
  /** An `ErrorCode`, a code of a request's error, `UNREACHABLE`, `UNAUTHENTICATED`, or `CLOSED`: the socket, for good. */
  readonly code: string;
  /** The input field at fault, if it is one. */
  readonly field?: string;
  /** The number of seconds to wait before the next request. */
  readonly retryAfterS?: number;
}

const UNREACHABLE = "UNREACHABLE";
const NO_SESSION = new Set<number>([CLOSED.SESSION_ENDED, CLOSED.REFUSED]);

/** Whether the server could not be reached: this problem disappears by itself. */
export function isUnreachable({ code }: Problem): boolean {
  return code === UNREACHABLE;
}

/** The errors of a payload. */
export function userProblems(errors: readonly UserErrorData[]): Problem[] {
  return errors.map(({ code, message, field, retryAfter }) => made(code, message, field, retryAfter));
}

/** What a mutation of one field gave: the result of `useMutation` of Apollo Client (`errorPolicy: "all"`) or of urql. */
export interface MutationResult {
  readonly data?: object | null | undefined;
  readonly error?: unknown;
}

/** What went wrong with a mutation: the errors of its payload, or those of the request. */
export function mutationProblems({ data, error }: MutationResult): Problem[] {
  if (error != null) return problemsOf(error);
  const payloads = Object.values(data ?? {}) as ({ errors?: readonly UserErrorData[] } | null | string)[];
  return payloads.flatMap((payload) => userProblems((typeof payload === "object" && payload?.errors) || []));
}

interface RequestError {
  readonly message: string;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
}

/** The errors of a request itself, or of the connection: what Apollo Client, urql or graphql-ws has thrown or reported. */
export function problemsOf(cause: unknown): Problem[] {
  const errors = errorsOf(cause);
  if (errors.length > 0) {
    return errors.map(({ message, extensions = {} }) => {
      const { code, retryAfter, field } = extensions as { code?: string; retryAfter?: number; field?: string[] };
      return made(code ?? "FAILED", message, field, retryAfter);
    });
  }
  const closeCode = closeCodeOf(cause);
  if (NO_SESSION.has(closeCode)) return [made("UNAUTHENTICATED", "The session has ended. Log in again.")];
  if (isFinal(closeCode)) return [made("CLOSED", "The server has closed the connection for good. Reload the page.")];
  return [made(UNREACHABLE, "The server cannot be reached. Is it running? Try again in a moment.")];
}

/** Those of urql's `CombinedError`, of Apollo's `CombinedGraphQLErrors` or `ServerError`, or of graphql-ws. */
function errorsOf(cause: unknown): readonly RequestError[] {
  if (Array.isArray(cause)) return cause;
  const { graphQLErrors, errors, bodyText } = (cause ?? {}) as Record<string, unknown>;
  const found = graphQLErrors ?? errors;
  if (Array.isArray(found)) return found;
  return typeof bodyText === "string" ? errorsIn(bodyText) : [];
}

/** Apollo Client does not read the JSON of a refusal, such as a 413 for a photo that is too large. */
function errorsIn(bodyText: string): readonly RequestError[] {
  try {
    return errorsOf(JSON.parse(bodyText));
  } catch {
    // The page of a proxy.
    return [];
  }
}

/** The code with which the socket was closed: urql keeps the event, and Apollo Client writes it into a text. */
function closeCodeOf(cause: unknown): number {
  const { code, networkError, message } = (cause ?? {}) as { code?: unknown; networkError?: unknown; message?: unknown };
  if (typeof code === "number") return code;
  if (networkError) return closeCodeOf(networkError);
  return Number(/^Socket closed with event (\d+)/.exec(String(message))?.[1]);
}

function made(code: string, text: string, path?: readonly string[] | null, retryAfterS?: number | null): Problem {
  const field = path?.at(-1);
  return { code, text, ...(field === undefined ? {} : { field }), ...(retryAfterS == null ? {} : { retryAfterS }) };
}
