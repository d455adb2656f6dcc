/** React hooks over any `Connection`: by Apollo Client, by urql, or by your own. */
import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
  type ReactNode,
} from "react";

import type { Connection, SocketState } from "./connection.js";
import { RequestTrip, type CreateTripInput, type NearInput, type TripFieldsFragment } from "./generated/operations.js";
import { userProblems, type Problem } from "./problems.js";
import { visibleCar } from "./state/car.js";
import { Live, LiveStates, type Car, type Offers, type OffersListener } from "./state/live.js";
import { learnTrip } from "./state/myTrips.js";
import type { PoolEntry } from "./state/pool.js";

export type { Car, Offers, OffersEvent, OffersListener } from "./state/live.js";

type Trip = TripFieldsFragment;
type Offer = Offers["entries"][number]["offer"];

const Context = createContext<LiveStates | null>(null);

/** Gives a person's connection to the hooks below it. After a log-in or a log-out, give another connection. */
export function TaxirankProvider({ connection, children }: { connection: Connection; children?: ReactNode }) {
  const states = useMemo(() => new LiveStates(connection), [connection]);
  return createElement(Context.Provider, { value: states }, children);
}

function useStates(): LiveStates {
  const states = useContext(Context);
  if (states === null) throw new Error("The hooks of @taxirank/client/react need a TaxirankProvider above them.");
  return states;
}

/** The connection of the provider, for operations of your own. */
export function useConnection(): Connection {
  return useStates().connection;
}

export interface Session<Client> {
  readonly client: Client;
  /** The state of the client's socket. */
  readonly link: SocketState;
  /** Replaces the client, after a log-in or a log-out: the one before has another person's data. */
  readonly renew: () => void;
}

/** A client for whoever is logged in. `open` makes one, and gives `onState` to its socket. */
export function useSession<Client>(open: (onState: (state: SocketState) => void) => Client): Session<Client> {
  const begin = () => {
    const client = open((link) => change((now) => (now.client === client ? { ...now, link } : now)));
    return { client, link: "connecting" as SocketState };
  };
  const [session, change] = useState(begin);
  return { ...session, renew: () => change(begin()) };
}

export interface MyTripsView {
  /** The active trips and the latest that ended, the newest first; null until the first snapshot. */
  readonly trips: readonly Trip[] | null;
  readonly problems: readonly Problem[];
  /** Takes the trip of a mutation's answer, which the subscription tells too, perhaps later. */
  readonly learn: (trip: Trip) => void;
}

/** One's own trips, kept up to date. */
export function useMyTrips(): MyTripsView {
  const { trips } = useStates();
  const { state, problems } = useSyncExternalStore(trips.listen, trips.read, trips.read);
  const learn = useCallback((trip: Trip) => void trips.change((mine) => learnTrip(mine, trip)), [trips]);
  return { trips: state.isKnown ? state.trips : null, problems, learn };
}

export interface OffersView {
  /** The open requests, and for five seconds those that were withdrawn; null until the first snapshot. */
  readonly offers: readonly PoolEntry<Offer>[] | null;
  /** Whether there are more than the server lists. */
  readonly truncated: boolean;
  /** Why there are none now. */
  readonly paused: Offers["paused"];
  readonly problems: readonly Problem[];
}

/**
 * The open requests around a driver, kept up to date.
 *
 * `near`: another place than the driver's own position. `onEvent` is called with each event that changed something, and
 * with the state before it.
 */
export function useOffers({ near = null, onEvent }: { near?: NearInput | null; onEvent?: OffersListener } = {}): OffersView {
  const states = useStates();
  const live = states.offers(near);
  // Before the subscription: its first event may come at once.
  useEffect(() => {
    if (onEvent === undefined) return;
    live.listeners.add(onEvent);
    return () => void live.listeners.delete(onEvent);
  }, [live, onEvent]);
  const { state, problems } = useSyncExternalStore(live.listen, live.read, live.read);
  const { isKnown, entries, truncated, paused } = state;
  return { offers: isKnown ? entries : null, truncated, paused, problems };
}

/** What `useCar` must know of a trip. */
export interface DrivenTrip {
  readonly id: string;
  readonly status: Trip["status"];
  readonly driver: { readonly id: string } | null;
  readonly driverLocation?: Car | null;
}

const NO_CAR = new Live<Car | null>(null, () => () => undefined);

/** The position of the car of a trip that is under way, for its rider; null while none is known. */
export function useCar(trip: DrivenTrip | null | undefined): Car | null {
  const states = useStates();
  const isDriven = trip?.status === "STARTED" || trip?.status === "IN_PROGRESS";
  const live = isDriven ? states.car(trip.id, trip.driver?.id ?? "") : NO_CAR;
  // The subscription ends with the trip, or when the driver gives it back. An error at that moment is not shown.
  const { state } = useSyncExternalStore(live.listen, live.read, live.read);
  if (!isDriven) return null;
  return visibleCar(state ?? trip.driverLocation ?? null);
}

export interface TripRequest {
  /**
   * Requests a trip; resolves to it, or to null: then `problems` says why.
   *
   * The same request again, after one whose answer was lost, makes no second trip.
   */
  readonly request: (input: CreateTripInput) => Promise<Trip | null>;
  readonly isBusy: boolean;
  readonly problems: readonly Problem[];
}

const IDLE: Omit<TripRequest, "request"> = { isBusy: false, problems: [] };

/** Requests trips. `useMyTrips` has the trip at once. */
export function useRequestTrip(): TripRequest {
  const states = useStates();
  const [shown, show] = useState({ of: states, ...IDLE });
  const asked = useRef({ of: states, isUnderWay: false, what: "", idempotencyKey: "" });
  const request = useCallback(
    async (input: CreateTripInput) => {
      // The request of the person before ends without this screen.
      if (asked.current.of !== states) asked.current = { of: states, isUnderWay: false, what: "", idempotencyKey: "" };
      const mine = asked.current;
      // Two clicks are one request.
      if (mine.isUnderWay) return null;
      mine.isUnderWay = true;
      show((now) => ({ of: states, isBusy: true, problems: now.of === states ? now.problems : [] }));
      const what = JSON.stringify(input);
      if (mine.what !== what) [mine.what, mine.idempotencyKey] = [what, randomKey()];
      const variables = { input: { idempotencyKey: mine.idempotencyKey, ...input } };
      const { data, problems } = await states.connection.ask(RequestTrip, variables);
      mine.isUnderWay = false;
      const trip = data?.createTrip.trip ?? null;
      if (trip) {
        mine.what = "";
        states.trips.change((before) => learnTrip(before, trip));
      }
      if (asked.current === mine) show({ of: states, isBusy: false, problems: data ? userProblems(data.createTrip.errors) : problems });
      return trip;
    },
    [states],
  );
  const { isBusy, problems } = shown.of === states ? shown : IDLE;
  return { request, isBusy, problems };
}

/** `randomUUID` would need https. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
