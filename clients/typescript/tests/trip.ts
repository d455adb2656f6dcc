/** A driver and a rider on a real server, by the package's own name. Arguments: the server's address, a password. */
import { strict as assert } from "node:assert";

import {
  applyCarEvent,
  applyMyTripsEvent,
  applyPoolEvent,
  EMPTY_POOL,
  LogIn,
  LogOut,
  MoveTrip,
  NO_TRIPS,
  openOffers,
  ReportLocation,
  RequestTrip,
  SignUp,
  visibleCar,
  WatchCar,
  WatchMyTrips,
  WatchPool,
  type MyTrips,
  type OfferFieldsFragment,
  type Pool,
  type Role,
  type TripFieldsFragment,
  type TypedDocumentNode,
  type WatchCarSubscription,
} from "@taxirank/client";
import { openSocket, type SocketState } from "@taxirank/client/graphql-ws";
import { print } from "graphql";
import { WebSocket } from "ws";

const [server, password] = process.argv.slice(2) as [string, string];

/** What somebody waits for on the screens. */
class Screen {
  readonly #waiting = new Set<() => void>();

  changed(): void {
    for (const look of this.#waiting) look();
  }

  async until<Value>(find: () => Value | null | undefined | false): Promise<Value> {
    for (;;) {
      const found = find();
      if (found) return found;
      await new Promise<void>((resolve) => {
        const look = () => (this.#waiting.delete(look), resolve());
        this.#waiting.add(look);
      });
    }
  }
}

const screen = new Screen();

function report(who: string, step: string, details: object = {}): void {
  console.log(JSON.stringify({ who, step, ...details }));
}

class Person {
  token: string | undefined;
  state: SocketState = "connecting";
  readonly socket = openSocket({
    url: `${server.replace("http", "ws")}/graphql`,
    token: () => this.token,
    webSocketImpl: WebSocket,
    retryWait: () => new Promise((done) => setTimeout(done, 50)),
    onState: (state) => {
      this.state = state;
      report(this.name, state);
      screen.changed();
    },
  });

  constructor(readonly name: string) {}

  async ask<Result, Variables>(document: TypedDocumentNode<Result, Variables>, variables: Variables): Promise<Result> {
    const answer = await fetch(`${server}/graphql`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        ...(this.token === undefined ? {} : { Authorization: `Bearer ${this.token}` }),
      },
      body: JSON.stringify({ query: print(document), variables }),
    });
    const { data, errors } = (await answer.json()) as { data?: Result; errors?: unknown };
    if (data === undefined || data === null || errors) throw new Error(JSON.stringify(errors));
    return data;
  }

  watch<Result, Variables extends Record<string, unknown>>(
    document: TypedDocumentNode<Result, Variables>,
    variables: Variables,
    next: (data: Result) => void,
  ): void {
    this.socket.subscribe<Result>(
      { query: print(document), variables },
      {
        next: ({ data }) => {
          next(data!);
          screen.changed();
        },
        error: (cause) => report(this.name, "closed", { code: (cause as CloseEvent).code }),
        complete: () => report(this.name, "complete"),
      },
    );
  }
}

async function join(name: string, role: Role): Promise<Person> {
  const person = new Person(name);
  const username = `${name}@example.com`;
  const names = { firstName: name, lastName: "Example" };
  const { signUp } = await person.ask(SignUp, { input: { username, password1: password, password2: password, role, ...names } });
  assert.deepEqual(signUp.errors, []);
  const { logIn } = await person.ask(LogIn, { username, password });
  person.token = logIn.token!;
  return person;
}

const driver = await join("driver", "DRIVER");
const rider = await join("rider", "RIDER");

let pool: Pool<OfferFieldsFragment> = EMPTY_POOL;
driver.watch(WatchPool, {}, ({ driverPool }) => (pool = applyPoolEvent(pool, driverPool)));
let mine: MyTrips<TripFieldsFragment> = NO_TRIPS;
rider.watch(WatchMyTrips, {}, ({ myTripsUpdated }) => (mine = applyMyTripsEvent(mine, myTripsUpdated)));
await screen.until(() => pool.isKnown && mine.isKnown);

const pickUp = { lat: 52.37, lng: 4.9 };
const input = { pickUpAddress: "Central Station", dropOffAddress: "Airport", pickUp, dropOff: { lat: 52.31, lng: 4.76 } };
const { createTrip } = await rider.ask(RequestTrip, { input });
const id = createTrip.trip!.id;
await screen.until(() => openOffers(pool).some((offer) => offer.id === id));
await driver.ask(MoveTrip, { input: { id, status: "STARTED" } });
await screen.until(() => pool.paused === "ON_TRIP" && mine.trips[0]?.status === "STARTED");

let car: WatchCarSubscription["driverLocation"] | null = null;
rider.watch(WatchCar, { tripId: id }, ({ driverLocation }) => (car = applyCarEvent(car, driverLocation)));
const recordedAt = new Date().toISOString();
await driver.ask(ReportLocation, { input: { point: pickUp, heading: 90, recordedAt } });
report("rider", "car", await screen.until(() => visibleCar(car)));

report("rider", "underWay", { id });
await screen.until(() => mine.trips[0]?.status === "IN_PROGRESS");
report("rider", "trips", { trips: mine.trips.map(({ id, status, version }) => ({ id, status, version })) });
await driver.ask(MoveTrip, { input: { id, status: "COMPLETED" } });
const offers = await screen.until(() => pool.paused === null && openOffers(pool));
report("driver", "offers", { ids: offers.map((offer) => offer.id) });

await rider.ask(LogOut, {});
await driver.ask(LogOut, {});
await screen.until(() => rider.state === "ended" && driver.state === "ended");
