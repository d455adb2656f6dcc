/** The open requests that a driver sees, made from the events of `driverPool`. */
import type { PauseReason, WithdrawReason } from "../generated/operations.js";
import type { Versioned } from "./versioned.js";

export type PoolEvent<Offer extends Versioned> =
  | { __typename: "PoolSnapshot"; offers: readonly Offer[]; truncated: boolean; paused: PauseReason | null }
  | { __typename: "TripOffered"; trip: Offer }
  | { __typename: "TripWithdrawn"; tripId: string; version: number; reason: WithdrawReason };

/** An offer on the screen. A withdrawn one has a reason, and stays until it is forgotten. */
export interface PoolEntry<Offer> {
  readonly offer: Offer;
  readonly withdrawn: WithdrawReason | null;
}

export interface Pool<Offer> {
  /** False before the first snapshot: then nobody knows whether there are offers. */
  readonly isKnown: boolean;
  readonly entries: readonly PoolEntry<Offer>[];
  /** Whether there are more offers than the server lists. */
  readonly truncated: boolean;
  /** Why there are no offers now; null while there are some, or may be. */
  readonly paused: PauseReason | null;
  /** Versions at which offers were withdrawn, so that a late event does not show one again. */
  readonly withdrawnAt: ReadonlyMap<string, Withdrawal>;
}

interface Withdrawal {
  readonly version: number;
  readonly reason: WithdrawReason;
}

/** How many withdrawals are remembered: a late event is late by seconds, not by hundreds of offers. */
const REMEMBERED = 500;

export const EMPTY_POOL: Pool<never> = {
  isKnown: false,
  entries: [],
  truncated: false,
  paused: null,
  withdrawnAt: new Map(),
};

/**
 * The pool after an event.
 *
 * Repeated and late events change nothing: the version of a shown offer never goes back, and an offer that was withdrawn
 * stays withdrawn until it is offered with a newer version, or, after OUT_OF_RANGE, with the same one. A snapshot
 * replaces the list. What comes before the first snapshot, or offers while the pool is paused, is ignored: a snapshot
 * follows both.
 */
export function applyPoolEvent<Offer extends Versioned>(pool: Pool<Offer>, event: PoolEvent<Offer>): Pool<Offer> {
  if (event.__typename === "PoolSnapshot") return replaced(pool, event);
  if (!pool.isKnown) return pool;
  if (event.__typename === "TripWithdrawn") return withdrawn(pool, event);
  return pool.paused === null ? offered(pool, event.trip) : pool;
}

/** The pool without a withdrawn offer, when its reason was shown long enough. An open offer stays. */
export function forgetOffer<Offer extends Versioned>(pool: Pool<Offer>, tripId: string): Pool<Offer> {
  const entries = pool.entries.filter(({ offer, withdrawn }) => offer.id !== tripId || withdrawn === null);
  return entries.length === pool.entries.length ? pool : { ...pool, entries };
}

/** The offers that can be accepted, the nearest or newest first. */
export function openOffers<Offer>(pool: Pool<Offer>): Offer[] {
  return pool.entries.filter(({ withdrawn }) => withdrawn === null).map(({ offer }) => offer);
}

function replaced<Offer extends Versioned>(
  pool: Pool<Offer>,
  { offers, truncated, paused }: Extract<PoolEvent<Offer>, { __typename: "PoolSnapshot" }>,
): Pool<Offer> {
  const before = new Map(pool.entries.map(({ offer }) => [offer.id, offer]));
  const entries = new Map<string, PoolEntry<Offer>>();
  for (const each of offers) {
    if (isWithdrawn(pool, each)) continue;
    const known = entries.get(each.id)?.offer ?? before.get(each.id);
    const offer = known !== undefined && known.version > each.version ? known : each;
    entries.set(each.id, { offer, withdrawn: null });
  }
  return { ...pool, isKnown: true, entries: [...entries.values()], truncated, paused };
}

function offered<Offer extends Versioned>(pool: Pool<Offer>, offer: Offer): Pool<Offer> {
  if (isWithdrawn(pool, offer)) return pool;
  const known = pool.entries.find((entry) => entry.offer.id === offer.id);
  if (known?.withdrawn === null) {
    if (known.offer.version >= offer.version) return pool;
    const entries = pool.entries.map((entry) => (entry === known ? { offer, withdrawn: null } : entry));
    return { ...pool, entries };
  }
  return { ...pool, entries: [{ offer, withdrawn: null }, ...pool.entries.filter((entry) => entry !== known)] };
}

function withdrawn<Offer extends Versioned>(
  pool: Pool<Offer>,
  { tripId, version, reason }: Extract<PoolEvent<Offer>, { __typename: "TripWithdrawn" }>,
): Pool<Offer> {
  const known = pool.entries.find(({ offer }) => offer.id === tripId);
  // Late: the offer is newer.
  if (known?.withdrawn === null && known.offer.version > version) return pool;
  const before = pool.withdrawnAt.get(tripId);
  if (before !== undefined && before.version >= version && known?.withdrawn !== null) return pool;
  const withdrawnAt = new Map(pool.withdrawnAt);
  withdrawnAt.delete(tripId);
  withdrawnAt.set(tripId, { version, reason });
  if (withdrawnAt.size > REMEMBERED) withdrawnAt.delete(withdrawnAt.keys().next().value!);
  const entries = pool.entries.map((entry) =>
    entry === known && entry.withdrawn === null ? { ...entry, withdrawn: reason } : entry,
  );
  return { ...pool, entries, withdrawnAt };
}

function isWithdrawn(pool: Pool<Versioned>, { id, version }: Versioned): boolean {
  const at = pool.withdrawnAt.get(id);
  if (at === undefined) return false;
  // A car that comes back into reach gets the same version again.
  return at.reason === "OUT_OF_RANGE" ? at.version > version : at.version >= version;
}
