import type { Sink } from "./client.js";

/** The events of a subscription, for a reader that waits for one after the other. */
export class Events<Data> implements Sink<Data> {
  readonly #arrived: (Data | Ending)[] = [];
  readonly #report: (details: object) => void;
  #hasFailed = false;
  #wake = () => {};

  /** Reports each event when it arrives, even if nobody waits for it. */
  constructor(report: (details: object) => void) {
    this.#report = report;
  }

  next(data: Data): void {
    this.#put(data, data as object);
  }

  error(error: unknown): void {
    this.#hasFailed = true;
    this.#put(new Ending(error), { error: describe(error) });
  }

  complete(): void {
    // Apollo Client completes a subscription after its error.
    if (!this.#hasFailed) this.#put(new Ending(undefined), { complete: true });
  }

  /** The next event; throws if the subscription ended instead. */
  async event(): Promise<Data> {
    const item = await this.#take();
    if (item instanceof Ending) throw new Error("the subscription has ended", { cause: item.error });
    return item;
  }

  /** Returns when the subscription has ended; throws if an event comes instead. */
  async ended(): Promise<void> {
    const item = await this.#take();
    if (!(item instanceof Ending)) throw new Error(`not the end, but ${JSON.stringify(item)}`);
  }

  #put(item: Data | Ending, details: object): void {
    this.#report(details);
    this.#arrived.push(item);
    this.#wake();
  }

  async #take(): Promise<Data | Ending> {
    while (this.#arrived.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#arrived.shift()!;
  }
}

class Ending {
  constructor(readonly error: unknown) {}
}

/** An Error's message, or the code and the reason of a close event. */
function describe(error: unknown): string {
  if (error instanceof Error) return error.message;
  const { code, reason } = error as { code?: number; reason?: string };
  return code === undefined ? JSON.stringify(error) : `${code} ${reason}`;
}
