/** A subscription over the socket. */
import { print, type DocumentNode, type FormattedExecutionResult } from "graphql";
import type { Client } from "graphql-ws";

export interface Listener {
  next(result: FormattedExecutionResult<any>): void;
  /** The subscription has ended for good; the close event has a code, such as 4401. */
  error(cause: unknown): void;
  complete(): void;
}

/** Subscribe until the returned function is called. */
export function follow(
  socket: Client,
  document: DocumentNode,
  variables: Record<string, unknown>,
  listener: Listener,
): () => void {
  return socket.subscribe<any>(
    { query: print(document), variables },
    {
      next: (result) => listener.next(result as FormattedExecutionResult<any>),
      error: (cause) => listener.error(cause),
      complete: () => listener.complete(),
    },
  );
}
