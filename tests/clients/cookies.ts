/** The cookies of a browser with a page of another origin, for Node's `fetch` and for the sockets of `ws`. */
import { WebSocket } from "ws";

const ORIGIN = "https://app.example";

export class CookieJar {
  readonly #cookies = new Map<string, string>();

  /** `fetch` that sends and keeps the cookies. */
  readonly fetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, { ...init, headers: { ...init?.headers, ...this.#headers() } });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      if (value) this.#cookies.set(name!, value);
      else this.#cookies.delete(name!);
    }
    return response;
  };

  /** A `WebSocket` whose handshake sends the present cookies. */
  get WebSocket() {
    const headers = () => this.#headers();
    return class extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols, { headers: headers() });
      }
    };
  }

  #headers() {
    return { origin: ORIGIN, cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
  }
}
