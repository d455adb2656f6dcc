import type { Fetcher, FetcherParams, Observable } from "@graphiql/toolkit";
import type { DocumentNode, ExecutionResult, OperationDefinitionNode } from "graphql";
import { GraphQLError, Kind, parse } from "graphql";
import { createClient } from "graphql-ws";

type Headers = Record<string, string>;
type Observer = { next: (result: ExecutionResult) => void; error: (error: unknown) => void; complete: () => void };

/** Explanations of the server's close codes, for the result pane. */
const CLOSE_REASONS: Record<number, string> = {
  1006: "The connection was refused or lost. Is the server running?",
  1011: "The server failed. Run the subscription again.",
  1013: "The server cannot take subscriptions right now. Try again in a moment.",
  4401: "Your session has ended. Log in again, then run the subscription again.",
  4403: "Log in first: run one of the tabs SignUpRider, SignUpDriver or LogIn, then run the subscription again.",
  4429: "Too many subscriptions are running. Stop one of them, then run this one again.",
};

/**
 * Queries and mutations travel over HTTP, where a log-in can set the session's cookie; subscriptions over a socket of
 * the same host (graphql-transport-ws), which that cookie authenticates.
 *
 * Each subscription has a socket of its own, opened when it starts and closed when it ends: one that was opened before
 * a log-in or a log-out is never used after it.
 */
export function createFetcher({ path }: { path: string }): Fetcher {
  return (params, options) => {
    const headers: Headers = options?.headers ?? {};
    const operation = operationOf(params);
    // Null when the text has a syntax error: the server says where.
    if (operation === null) return post(path, params, headers);
    const named: FetcherParams = { ...params, operationName: operation.name?.value ?? null };
    if (operation.operation !== "subscription") return post(path, named, headers);
    return {
      subscribe: (observer: Observer) => subscribe(path, named, headers, observer),
    } as Observable<ExecutionResult>;
  };
}

/**
 * The operation to run. For a tenth of a second after a change of tab, GraphiQL 5.4 still names the operation of the
 * previous tab; then this returns the first operation of the present tab.
 */
function operationOf({ query, operationName }: FetcherParams): OperationDefinitionNode | null {
  let document: DocumentNode;
  try {
    document = parse(query);
  } catch {
    return null;
  }
  const operations = document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
  return operations.find((node) => node.name?.value === operationName) ?? operations[0] ?? null;
}

async function post(path: string, params: FetcherParams, headers: Headers): Promise<ExecutionResult> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: "POST",
      credentials: "same-origin",
      headers: {
        accept: "application/graphql-response+json, application/json;q=0.9",
        "content-type": "application/json",
        ...headers,
      },
      body: JSON.stringify(params),
    });
  } catch {
    return failure("The server cannot be reached.");
  }
  const body = await response.text();
  try {
    return JSON.parse(body) as ExecutionResult;
  } catch {
    // A proxy's page, or a body that was refused before GraphQL saw it.
    return failure(`HTTP ${response.status} ${response.statusText}\n${body}`.trim().slice(0, 1000), {
      status: response.status,
    });
  }
}

function subscribe(path: string, params: FetcherParams, headers: Headers, observer: Observer) {
  let live = true;
  let connected = false;
  const end = (result?: ExecutionResult) => {
    if (!live) return;
    live = false;
    if (result) observer.next(result);
    observer.complete();
  };
  const client = createClient({
    url: `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${path}`,
    // Browsers cannot set headers on a socket, so the one of the headers pane goes into `connection_init`.
    connectionParams: () => {
      const authorization = Object.entries(headers).find(([name]) => name.toLowerCase() === "authorization")?.[1];
      return authorization === undefined ? {} : { authorization };
    },
    // Retry a connection that was lost. If it was refused, show the reason instead.
    shouldRetry: (cause) => connected && cause instanceof Event && closeOf(cause)?.code !== 4403,
    retryAttempts: 10,
    on: {
      connected: () => {
        connected = true;
      },
    },
  });
  const stop = client.subscribe(
    { query: params.query, operationName: params.operationName ?? null, variables: params.variables ?? null },
    {
      next: (result) => {
        if (live) observer.next(result as ExecutionResult);
      },
      error: (cause) => end(explain(cause)),
      complete: () => end(),
    },
  );
  return {
    unsubscribe: () => {
      // GraphiQL may have started another operation: this subscription must not report any more.
      live = false;
      stop();
    },
  };
}

/** A refused or failed subscription as a result, because GraphiQL shows thrown errors with their stack. */
function explain(cause: unknown): ExecutionResult {
  if (Array.isArray(cause)) return { errors: cause as GraphQLError[] };
  const close = closeOf(cause);
  if (close) {
    const reason = CLOSE_REASONS[close.code] ?? "The server closed the connection.";
    return failure(reason, { closeCode: close.code, closeReason: close.reason });
  }
  return failure(cause instanceof Error ? cause.message : String(cause));
}

/** Why a socket closed. If it never opened, browsers give no reason (only an `Event`): 1006. */
function closeOf(cause: unknown): { code: number; reason: string } | null {
  if (cause instanceof CloseEvent) return { code: cause.code, reason: cause.reason };
  return cause instanceof Event ? { code: 1006, reason: "" } : null;
}

function failure(message: string, extensions?: Record<string, unknown>): ExecutionResult {
  return { errors: [new GraphQLError(message, { extensions })] };
}
