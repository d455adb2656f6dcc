/** States that are kept up to date by a subscription while somebody looks at them. */
import type { Connection } from "../connection.js";
import {
  WatchCar,
  WatchMyTrips,
  WatchPool,
  type NearInput,
  type OfferFieldsFragment,
  type TripFieldsFragment,
  type WatchCarSubscription,
} from "../generated/operations.js";
import type { Problem } from "../problems.js";
import { applyCarEvent } from "./car.js";
import { applyMyTripsEvent, NO_TRIPS, type MyTrips } from "./myTrips.js";
import { applyPoolEvent, EMPTY_POOL, forgetOffer, type Pool, type PoolEvent } from "./pool.js";

/** A state, and why it is not kept up to date. */
export interface Followed<State> {
  readonly state: State;
  readonly problems: readonly Problem[];
}

type Change<State> = (before: State) => State;

/** Follows a state from the first listener to the last; later listeners begin anew. */
export class Live<State> {
  readonly #initial: Followed<State>;
  readonly #start: (live: Live<State>) => () => void;
  readonly #listeners = new Set<() => void>();
  #followed: Followed<State>;
  #stop: (() => void) | null = null;

  /** `start` follows the state: it tells the changes, and returns what ends that. */
  constructor(initial: State, start: (live: Live<State>) => () => void) {
    this.#initial = { state: initial, problems: [] };
    this.#followed = this.#initial;
    this.#start = start;
  }

  /** The same object until something has changed. */
  read = (): Followed<State> => this.#followed;

  listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.#stop ??= this.#start(this);
    return () => {
      this.#listeners.delete(listener);
      // Another part of the page may begin to listen in the same moment.
      queueMicrotask(() => this.#endIfUnheard());
    };
  };

  /** Whether somebody looks at it. */
  get isHeard(): boolean {
    return this.#stop !== null;
  }

  /** Returns whether the state is another one now. */
  change(by: Change<State>): boolean {
    const state = by(this.#followed.state);
    const isOther = state !== this.#followed.state;
    if (isOther || this.#followed.problems.length > 0) this.#become({ state, problems: [] });
    return isOther;
  }

  fail = (problems: readonly Problem[]): void => this.#become({ ...this.#followed, problems });

  #become(followed: Followed<State>): void {
    this.#followed = followed;
    for (const listener of this.#listeners) listener();
  }

  #endIfUnheard(): void {
    if (this.#listeners.size > 0 || this.#stop === null) return;
    this.#stop();
    this.#stop = null;
    this.#followed = this.#initial;
  }
}

export type Offers = Pool<OfferFieldsFragment>;
export type OffersEvent = PoolEvent<OfferFieldsFragment>;
export type Car = WatchCarSubscription["driverLocation"];
export type OffersListener = (event: OffersEvent, before: Offers) => void;

/** How long a withdrawn offer stays, with its reason. */
const WITHDRAWN_SHOWN_MS = 5_000;

/** The open requests around a driver; their events are told to `listeners` if they change something. */
class LiveOffers extends Live<Offers> {
  readonly listeners = new Set<OffersListener>();

  constructor(connection: Connection, near: NearInput | null) {
    super(EMPTY_POOL, () => {
      const removals = new Set<ReturnType<typeof setTimeout>>();
      const heard = (event: OffersEvent) => {
        const before = this.read().state;
        if (!this.change((pool) => applyPoolEvent(pool, event))) return;
        if (event.__typename === "TripWithdrawn") {
          const { tripId } = event;
          const forget = () => (removals.delete(timer), this.change((pool) => forgetOffer(pool, tripId)));
          const timer = setTimeout(forget, WITHDRAWN_SHOWN_MS);
          removals.add(timer);
        }
        for (const listener of this.listeners) listener(event, before);
      };
      const variables = near === null ? {} : { near };
      const stop = connection.follow(WatchPool, variables, ({ driverPool }) => heard(driverPool), this.fail);
      return () => {
        stop();
        removals.forEach(clearTimeout);
      };
    });
  }
}

/** One person's live states: everybody who looks at one shares its subscription. */
export class LiveStates {
  readonly connection: Connection;
  readonly trips: Live<MyTrips<TripFieldsFragment>>;
  readonly #offers = new Recent<LiveOffers>();
  readonly #cars = new Recent<Live<Car | null>>();

  constructor(connection: Connection) {
    this.connection = connection;
    this.trips = new Live(NO_TRIPS as MyTrips<TripFieldsFragment>, (live) =>
      connection.follow(
        WatchMyTrips,
        {},
        ({ myTripsUpdated }) => live.change((mine) => applyMyTripsEvent(mine, myTripsUpdated)),
        live.fail,
      ),
    );
  }

  offers(near: NearInput | null): LiveOffers {
    return this.#offers.get(JSON.stringify(near), () => new LiveOffers(this.connection, near));
  }

  /** The car of a trip, driven by this driver: the clock of another one may differ. */
  car(tripId: string, driverId: string): Live<Car | null> {
    const follow = (live: Live<Car | null>) =>
      this.connection.follow(
        WatchCar,
        { tripId },
        ({ driverLocation }) => live.change((before) => applyCarEvent(before, driverLocation)),
        live.fail,
      );
    return this.#cars.get(`${tripId} ${driverId}`, () => new Live<Car | null>(null, follow));
  }
}

/** How many unheard states are kept: parts of a screen that begin together share one, and `near` may follow a driver all day. */
const UNHEARD = 20;

/** States by what they are of; those that nobody listens to are forgotten, the oldest first. */
class Recent<Value extends Live<any>> {
  readonly #values = new Map<string, Value>();

  get(key: string, make: () => Value): Value {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const unheard = [...this.#values].filter(([, value]) => !value.isHeard);
    for (const [old] of unheard.slice(0, -UNHEARD)) this.#values.delete(old);
    const value = make();
    this.#values.set(key, value);
    return value;
  }
}
