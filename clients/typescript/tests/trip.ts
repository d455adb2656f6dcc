/** A driver and a rider on a real server, by the package's own name. Arguments: the server's address, a password. */
import {
  applyCarEvent,
  applyMyTripsEvent,
  applyPoolEvent,
  EMPTY_POOL,
  LogOut,
  MoveTrip,
  NO_TRIPS,
  openOffers,
  ReportLocation,
  RequestTrip,
  visibleCar,
  WatchCar,
  WatchMyTrips,
  WatchPool,
  type MyTrips,
  type OfferFieldsFragment,
  type Pool,
  type TripFieldsFragment,
  type TypedDocumentNode,
  type WatchCarSubscription,
} from "@taxirank/client";
import { openSocket, type SocketState } from "@taxirank/client/graphql-ws";
import { print } from "graphql";
import { WebSocket } from "ws";

import { changed, join, post, report, socketUrl, until } from "./script.js";

class Person {
  state: SocketState = "connecting";
  readonly socket = openSocket({
    url: socketUrl,
    token: () => this.token,
    webSocketImpl: WebSocket,
    retryWait: () => new Promise((done) => setTimeout(done, 50)),
    onState: (state) => {
      this.state = state;
      report(this.name, state);
      changed();
    },
  });

  constructor(
    readonly name: string,
    readonly token: string,
  ) {}

  ask<Result, Variables>(document: TypedDocumentNode<Result, Variables>, variables: Variables): Promise<Result> {
    return post(document, variables, this.token);
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
          changed();
        },
        error: (cause) => report(this.name, "closed", { code: (cause as CloseEvent).code }),
        complete: () => report(this.name, "complete"),
      },
    );
  }
}

const driver = new Person("driver", await join("driver", "DRIVER"));
const rider = new Person("rider", await join("rider", "RIDER"));

let pool: Pool<OfferFieldsFragment> = EMPTY_POOL;
driver.watch(WatchPool, {}, ({ driverPool }) => (pool = applyPoolEvent(pool, driverPool)));
let mine: MyTrips<TripFieldsFragment> = NO_TRIPS;
rider.watch(WatchMyTrips, {}, ({ myTripsUpdated }) => (mine = applyMyTripsEvent(mine, myTripsUpdated)));
await until(() => pool.isKnown && mine.isKnown);

const pickUp = { lat: 52.37, lng: 4.9 };
const input = { pickUpAddress: "Central Station", dropOffAddress: "Airport", pickUp, dropOff: { lat: 52.31, lng: 4.76 } };
const { createTrip } = await rider.ask(RequestTrip, { input });
const id = createTrip.trip!.id;
await until(() => openOffers(pool).some((offer) => offer.id === id));
await driver.ask(MoveTrip, { input: { id, status: "STARTED" } });
await until(() => pool.paused === "ON_TRIP" && mine.trips[0]?.status === "STARTED");

let car: WatchCarSubscription["driverLocation"] | null = null;
rider.watch(WatchCar, { tripId: id }, ({ driverLocation }) => (car = applyCarEvent(car, driverLocation)));
const recordedAt = new Date().toISOString();
await driver.ask(ReportLocation, { input: { point: pickUp, heading: 90, recordedAt } });
report("rider", "car", await until(() => visibleCar(car)));

report("rider", "underWay", { id });
await until(() => mine.trips[0]?.status === "IN_PROGRESS");
report("rider", "trips", { trips: mine.trips.map(({ id, status, version }) => ({ id, status, version })) });
await driver.ask(MoveTrip, { input: { id, status: "COMPLETED" } });
const offers = await until(() => pool.paused === null && openOffers(pool));
report("driver", "offers", { ids: offers.map((offer) => offer.id) });

await rider.ask(LogOut, {});
await driver.ask(LogOut, {});
await until(() => rider.state === "ended" && driver.state === "ended");
