/** With which codes a socket is closed, and which of them are final. */

/** Close codes of the server, and when it uses them. */
export const CLOSED = {
  /** The last subscription ended. */
  NORMAL: 1000,
  /** The session has ended. Final. */
  SESSION_ENDED: 4401,
  /** There is no session: only a log-in helps. */
  REFUSED: 4403,
} as const;

// What graphql-ws does not retry, of the codes that the server sends: a broken protocol (4400, 4406, 4409), too many
// sockets or messages (4429), the end of the session (4401), and an error of the server (1011).
const FINAL = new Set<number>([1011, 4400, CLOSED.SESSION_ENDED, 4406, 4409, 4429]);

/** Whether a socket that was closed with this code does not come back: 1006, 1012 and 1013 do; 4403 only if asked. */
export function isFinal(code: number, retryRefused = false): boolean {
  if (code === CLOSED.REFUSED) return !retryRefused;
  // The other codes of the WebSocket protocol itself, such as 1002 and 1009, say that this client is wrong.
  const isOfProtocol = code >= 1000 && code < 2000 && ![1000, 1001, 1005, 1006, 1012, 1013, 1014].includes(code);
  return isOfProtocol || FINAL.has(code);
}
