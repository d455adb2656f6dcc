/** What a browser does with cookies, for Node's `fetch` and for the sockets of `ws`. */
import { WebSocket } from "ws";

export class CookieJar {
  readonly #cookies = new Map<string, string>();

  /** `fetch` that sends and keeps the cookies. */
  readonly fetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, { ...init, headers: { ...init?.headers, cookie: this.#header() } });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      if (value) this.#cookies.set(name!, value);
      else this.#cookies.delete(name!);
    }
    return response;
  };

  /** A `WebSocket` whose handshake carries the cookies of the moment. */
  get WebSocket() {
    const header = () => this.#header();
    return class extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols, { headers: { cookie: header() } });
      }
    };
  }

  #header(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }
}
