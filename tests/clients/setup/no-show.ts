/** What a driver's app must know before it cancels because the rider has not come. */
interface ServerError {
  code: string;
  retryAfter: number | null;
}

/** The seconds that the driver has to wait, by the server's clock; null: no longer. */
export function secondsToWait(errors: readonly ServerError[]): number | null {
  return errors.find(({ code }) => code === "TOO_EARLY")?.retryAfter ?? null;
}
