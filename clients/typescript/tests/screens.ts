/**
 * A rider's and a driver's screen with the hooks, over a library's client, on a real server; and lists that the rider's
 * client watches. Arguments: the server's address, a password, the library.
 */
import "./dom.js";

import {
  ListTrips,
  LogOut,
  MoveTrip,
  ReportLocation,
  type Connection,
  type ListTripsQuery,
  type TripStatus,
} from "@taxirank/client";
import { createApollo, overApollo } from "@taxirank/client/apollo";
import { graphcache } from "@taxirank/client/graphcache";
import { openSocket } from "@taxirank/client/graphql-ws";
import { TaxirankProvider, useCar, useConnection, useMyTrips, useOffers, useRequestTrip } from "@taxirank/client/react";
import { createUrql, overUrql } from "@taxirank/client/urql";
import { createElement as h, StrictMode, useEffect, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { WebSocket } from "ws";

import { changed, join, post, report, server, socketUrl, until } from "./script.js";

const library = process.argv[4] as "apollo" | "urql" | "graphcache";
const url = `${server}/graphql`;

const fetchFromServer = globalThis.fetch;
let lists = 0;
let losesAnswer = true;
globalThis.fetch = async (input, init) => {
  const body = String(init?.body);
  if (body.includes("query ListTrips")) lists += 1;
  const answer = await fetchFromServer(input, init);
  if (!body.includes("Central Station") || !losesAnswer) return answer;
  losesAnswer = false;
  throw new TypeError("the answer is lost");
};

interface App {
  connection: Connection;
  /** Shows a list, now and whenever it is another one. */
  watch(variables: { status?: TripStatus[] }, show: (data: ListTripsQuery) => void): void;
  close(): void;
}

function app(who: string, token: string): App {
  const socket = openSocket({
    url: socketUrl,
    token: () => token,
    webSocketImpl: WebSocket,
    retryWait: () => new Promise((done) => setTimeout(done, 50)),
    onState: (state) => report(who, state),
  });
  const close = () => void socket.dispose();
  if (library === "apollo") {
    const client = createApollo({ url, socket, token: () => token });
    return {
      connection: overApollo(client),
      watch: (variables, show) =>
        client.watchQuery({ query: ListTrips, variables }).subscribe(({ data, dataState }) => {
          if (dataState === "complete") show(data);
        }),
      close: () => (close(), client.stop()),
    };
  }
  const client = createUrql({ url, socket, token: () => token, ...(library === "graphcache" && { cache: graphcache() }) });
  return {
    connection: overUrql(client),
    watch: (variables, show) => {
      client.query(ListTrips, variables).subscribe(({ data, stale }) => {
        if (data && !stale) show(data);
      });
    },
    close,
  };
}

const pickUp = { lat: 52.37, lng: 4.9 };

function Rider() {
  const { trips, problems: lost } = useMyTrips();
  const { request, problems, isBusy } = useRequestTrip();
  const [trip] = trips ?? [];
  const car = useCar(trip);
  useEffect(changed);
  const ask = (pickUpAddress: string) => () =>
    void request({ pickUpAddress, dropOffAddress: "Airport", pickUp, dropOff: { lat: 52.31, lng: 4.76 } });
  return h(
    "section",
    { id: "rider" },
    trips === null ? "?" : trips.map(({ id, status, version }) => h("li", { key: id }, `${status} ${version}`)),
    car && h("output", null, `${car.point.lat} ${car.point.lng} ${car.heading}`),
    [...problems, ...lost].map(({ code, field }) => h("em", { key: code }, `${code} ${field ?? ""}`)),
    h("button", { className: "right", disabled: isBusy, onClick: ask("Central Station") }),
    h("button", { className: "wrong", onClick: ask("") }),
  );
}

function onEvent({ __typename }: { __typename: string }): void {
  report("driver", "event", { __typename });
}

function Driver() {
  const { offers, paused, problems } = useOffers({ onEvent });
  const connection = useConnection();
  useEffect(changed);
  return h(
    "section",
    { id: "driver" },
    offers === null ? "?" : (paused ?? "ready"),
    offers?.map(({ offer: { id }, withdrawn }) =>
      h("button", { key: id, id, onClick: () => void connection.ask(MoveTrip, { input: { id, status: "STARTED" } }) }, withdrawn),
    ),
    problems.map(({ code }) => h("em", { key: code }, code)),
  );
}

/** Two parts of the screen use the same hook: they share a subscription. */
function show(connection: Connection, ...parts: ReactNode[]) {
  const place = document.body.appendChild(document.createElement("div"));
  const root = createRoot(place);
  root.render(h(StrictMode, null, h(TaxirankProvider, { connection }, ...parts)));
  return () => root.unmount();
}

function Count() {
  const { trips } = useMyTrips();
  return h("b", null, trips?.length);
}

const text = (selector: string) => document.querySelector(selector)?.textContent ?? "";
const texts = (selector: string) => [...document.querySelectorAll(selector)].map((each) => each.textContent);
const press = (selector: string) => document.querySelector<HTMLButtonElement>(selector)!.click();

const [driverToken, riderToken] = [await join("driver", "DRIVER"), await join("rider", "RIDER")];
const [driver, rider] = [app("driver", driverToken), app("rider", riderToken)];
const leave = [show(driver.connection, h(Driver)), show(rider.connection, h(Rider), h(Count))];
await until(() => text("#driver") === "ready" && text("#rider") === "" && text("b") === "0");

const shown: Record<string, string[]> = {};
for (const [name, status] of [["all", undefined], ["requested", ["REQUESTED"]]] as const) {
  rider.watch(status ? { status: [...status] } : {}, ({ trips }) => {
    shown[name] = trips.edges.map(({ node }) => node.status);
    changed();
  });
}
const listed = (...expected: [all: string[], requested: string[]]) =>
  JSON.stringify([shown["all"], shown["requested"]]) === JSON.stringify(expected);
await until(() => shown["all"] && shown["requested"]);

press("#rider .wrong");
await until(() => texts("#rider em").length > 0);
report("rider", "problems", { texts: texts("#rider em") });
press("#rider .right");
// Two clicks, and then another try: one trip.
press("#rider .right");
await until(() => texts("#rider em").join() === "UNREACHABLE ");
press("#rider .right");
await until(() => text("#rider li") === "REQUESTED 1" && text("b") === "1" && texts("#rider em").length === 0);
await until(() => listed(["REQUESTED"], ["REQUESTED"]));

const offer = await until(() => document.querySelector("#driver button"));
press("#driver button");
await until(() => text("#driver") === "ON_TRIP" && text("#rider li") === "STARTED 2");
await until(() => listed(["STARTED"], []));
await post(ReportLocation, { input: { point: pickUp, heading: 90, recordedAt: new Date().toISOString() } }, driverToken);
await until(() => text("#rider output"));
report("rider", "car", { text: text("#rider output") });

report("rider", "underWay", { id: offer.id });
await until(() => text("#rider li") === "IN_PROGRESS 3");
await until(() => listed(["IN_PROGRESS"], []));
await driver.connection.ask(MoveTrip, { input: { id: offer.id, status: "COMPLETED" } });
await until(() => text("#rider li") === "COMPLETED 4" && text("#rider output") === "");
await until(() => listed(["COMPLETED"], []));
const next = await until(() => document.querySelector("#driver button"));
report("driver", "offers", { id: next.id, lists });

await rider.connection.ask(LogOut, {});
await driver.connection.ask(LogOut, {});
await until(() => text("#rider em") && text("#driver em"));
report("rider", "problems", { texts: texts("#rider em") });
for (const unmount of leave) unmount();
driver.close();
rider.close();
