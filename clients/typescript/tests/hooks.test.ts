import "./dom.js";

import assert from "node:assert/strict";
import { test } from "node:test";

import { act, createElement as h, StrictMode, type ReactNode } from "react";
import { createRoot } from "react-dom/client";

import { RequestTrip, WatchPool, type Answer, type Connection, type NearInput } from "../src/index.js";
import {
  TaxirankProvider,
  useMyTrips,
  useOffers,
  useRequestTrip,
  type MyTripsView,
  type OffersView,
  type TripRequest,
} from "../src/react.js";
import { LiveStates } from "../src/state/live.js";

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

const RIDE = { pickUpAddress: "Dam Square", dropOffAddress: "Artis Zoo" };
const TAKEN_TOO_OFTEN = { code: "TOO_MANY_TRIPS", text: "Wait." };

/** What a request of the connection waits for. */
interface Asked {
  readonly variables: { input: { idempotencyKey: string } };
  answer(answer: Answer<any>): Promise<void>;
}

/** A connection whose answers the test gives. */
class Fake implements Connection {
  readonly asked: Asked[] = [];
  /** The documents that are followed now. */
  readonly followed: unknown[] = [];
  readonly nexts = new Map<unknown, (data: any) => void>();

  ask(document: unknown, variables: any): Promise<Answer<any>> {
    assert.equal(document, RequestTrip);
    return new Promise((done) => {
      const answer = (given: Answer<any>) => act(async () => done(given));
      this.asked.push({ variables, answer });
    });
  }

  follow(document: unknown, _variables: unknown, next: (data: any) => void): () => void {
    this.followed.push(document);
    this.nexts.set(document, next);
    return () => void this.followed.splice(this.followed.indexOf(document), 1);
  }
}

const made = (id: string): Answer<any> => ({
  data: { createTrip: { trip: { id, version: 1, created: "2026-01-01T00:00:00Z" }, errors: [] } },
  problems: [],
});
const failed: Answer<any> = { data: null, problems: [TAKEN_TOO_OFTEN] };

/** A page of one part in strict mode, with another connection when it is shown again. */
async function page(part: () => ReactNode) {
  const root = createRoot(document.createElement("div"));
  const show = (connection: Connection) =>
    act(async () => root.render(h(StrictMode, null, h(TaxirankProvider, { connection }, h(part)))));
  return { show, leave: () => act(async () => root.unmount()) };
}

test("a request that was under way when another person logged in is not shown to them, and does not make them wait", async () => {
  let shown!: TripRequest;
  let mine!: MyTripsView;
  const { show, leave } = await page(() => {
    shown = useRequestTrip();
    mine = useMyTrips();
    return null;
  });
  const [before, after] = [new Fake(), new Fake()];
  await show(before);
  await act(async () => void shown.request(RIDE));
  assert.equal(shown.isBusy, true);
  await show(after);
  assert.deepEqual([shown.isBusy, shown.problems], [false, []]);

  await act(async () => void shown.request(RIDE));
  await before.asked[0]!.answer(failed);
  assert.deepEqual([shown.isBusy, shown.problems], [true, []]);
  await act(async () => after.nexts.forEach((next) => next({ myTripsUpdated: { __typename: "MyTripsSnapshot", trips: [] } })));
  await after.asked[0]!.answer(made("2"));
  assert.deepEqual([shown.isBusy, mine.trips?.map(({ id }) => id)], [false, ["2"]]);
  assert.notEqual(before.asked[0]!.variables.input.idempotencyKey, after.asked[0]!.variables.input.idempotencyKey);
  await leave();
});

test("another try has the key of the request whose answer was lost, and the next trip has a key of its own", async () => {
  let shown!: TripRequest;
  const { show, leave } = await page(() => {
    shown = useRequestTrip();
    return null;
  });
  const connection = new Fake();
  await show(connection);
  for (const answer of [failed, made("1"), made("2")]) {
    let result: unknown = "none";
    await act(async () => void shown.request(RIDE).then((trip) => (result = trip?.id ?? null)));
    await act(async () => assert.equal(await shown.request(RIDE), null));
    await connection.asked.at(-1)!.answer(answer);
    assert.deepEqual([result, shown.problems], [answer.data?.createTrip.trip.id ?? null, answer.problems]);
  }
  const [first, again, next, ...others] = connection.asked.map(({ variables }) => variables.input.idempotencyKey);
  assert.equal(first, again);
  assert.notEqual(again, next);
  assert.deepEqual(others, []);
  await leave();
});

test("a page that is left while its request is under way follows nothing any more, and complains of nothing", async () => {
  const complaints: unknown[] = [];
  const said = console.error;
  console.error = (...texts) => void complaints.push(texts);
  let shown!: TripRequest;
  const { show, leave } = await page(() => {
    shown = useRequestTrip();
    useMyTrips();
    useOffers();
    return null;
  });
  const connection = new Fake();
  await show(connection);
  assert.equal(connection.followed.length, 2);
  await act(async () => void shown.request(RIDE));
  await leave();
  await connection.asked[0]!.answer(made("1"));
  assert.deepEqual([connection.followed, complaints], [[], []]);
  console.error = said;
});

test("offers around a place that moves are followed around the last place alone", async () => {
  let offers!: OffersView;
  let near!: NearInput;
  const { show, leave } = await page(() => {
    offers = useOffers({ near });
    return null;
  });
  const connection = new Fake();
  for (let at = 0; at < 5; at++) {
    near = { point: { lat: 52, lng: at } };
    await show(connection);
    assert.deepEqual([connection.followed, offers.offers], [[WatchPool], null]);
    const snapshot = { __typename: "PoolSnapshot", offers: [], truncated: false, paused: null };
    await act(async () => connection.nexts.get(WatchPool)!({ driverPool: snapshot }));
    assert.deepEqual(offers.offers, []);
  }
  await leave();
});

test("of places that nobody looks at any more only the latest are kept", () => {
  const states = new LiveStates(new Fake());
  const place = (at: number) => states.offers({ point: { lat: 52, lng: at } });
  const looked = place(-1);
  looked.listen(() => undefined);
  const [first, latest] = [place(0), place(1)];
  assert.equal(place(0), first);
  for (let at = 2; at < 22; at++) place(at);
  assert.equal(place(1), latest);
  assert.notEqual(place(0), first);
  assert.equal(place(-1), looked);
});
