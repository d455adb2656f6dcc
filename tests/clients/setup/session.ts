/** Who is logged in: set `token` after `logIn(issueToken: true)`; leave it out if the session is a cookie. */
export interface Session {
  token?: string;
}

export function authorization({ token }: Session): { authorization?: string } {
  return token ? { authorization: `Bearer ${token}` } : {};
}
