/** Who is logged in: set `token` after `logIn(issueToken: true)`; leave it out where a cookie carries the session. */
export interface Session {
  token?: string;
}

export function authorization({ token }: Session): { authorization?: string } {
  return token ? { authorization: `Bearer ${token}` } : {};
}
