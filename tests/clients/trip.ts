/** A whole trip of a rider and a driver, whatever library their clients are written with. */
import { readFile } from "node:fs/promises";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import type { Client, Person, Values } from "./client.js";
import { Events } from "./events.js";
import type { Role } from "./generated/graphql.js";
import {
  DriverPool,
  LogIn,
  LogOut,
  MoveTrip,
  MyTrips,
  RateTrip,
  ReportArrival,
  RequestTrip,
  ShowTrip,
  SignUp,
  WatchMyTrips,
  WatchTrip,
  WhoAmI,
} from "./operations.js";
import { secondsToWait } from "./setup/no-show.js";

/** Run by the test as `node SCRIPT SERVER PHOTO PASSWORD`; prints a line of JSON for each step. */
export async function takeATrip(connect: (person: Person) => Client): Promise<void> {
  const [server, photoFile, password] = process.argv.slice(2) as [string, string, string];
  const rider = new Traveller("rider", server, connect);
  const driver = new Traveller("driver", server, connect);

  const photo = new File([await readFile(photoFile)], "me.jpg", { type: "image/jpeg" });
  await rider.signUp("RIDER", password, photo);
  await rider.logIn(password);
  await driver.signUp("DRIVER", password);
  await driver.logIn(password);

  const pool = driver.follow("pool", DriverPool, {});
  await pool.event();
  const mine = rider.follow("myTrips", WatchMyTrips, {});
  await mine.event();
  const list = rider.client.listsFollowEvents ? rider.show("list", MyTrips, { first: 20 }) : undefined;
  await list?.event();

  const id = await rider.requestTrip();
  await pool.event();
  await mine.event();
  const watched = rider.follow("trip", WatchTrip, { id });
  await watched.event();
  if (rider.client.isKnown) rider.report("known", { trip: rider.client.isKnown(ShowTrip, { id }) });
  const screen = rider.show("screen", ShowTrip, { id });
  await screen?.event();
  await list?.event();

  await driver.moveTrip(id, "STARTED");
  await pool.event();
  await mine.event();
  await watched.event();
  await screen?.event();
  await list?.event();

  await driver.arrive(id);
  await mine.event();
  await watched.event();
  await screen?.event();
  await list?.event();

  // Now the test cuts all connections, changes things, and lets the clients in again.
  rider.report("underWay", { id });
  await pool.event();
  await mine.event();
  await watched.event();
  await screen?.event();
  await list?.event();

  await driver.moveTrip(id, "COMPLETED");
  await pool.event();
  await mine.event();
  await watched.event();
  await watched.ended();
  await screen?.event();
  await list?.event();

  await rider.rate(id, 5);
  if (rider.client.readAgain) rider.report("again", { trip: await rider.client.readAgain(id) });
  rider.report("next", { id: await rider.requestTrip() });
  await pool.event();
  await mine.event();
  await list?.event();
  const pages = await rider.client.readPages?.({ status: ["REQUESTED", "COMPLETED"], first: 1 });
  if (pages) rider.report("pages", { pages });

  await rider.logOut();
  await mine.ended();
  await driver.logOut();
  await pool.ended();
  // A client that tried to come back would keep the process alive.
}

class Traveller implements Person {
  readonly client: Client;

  constructor(
    readonly who: string,
    readonly server: string,
    connect: (person: Person) => Client,
  ) {
    this.client = connect(this);
  }

  report(step: string, details: object = {}): void {
    process.stdout.write(`${JSON.stringify({ who: this.who, step, ...details })}\n`);
  }

  get username(): string {
    return `${this.who}@example.com`;
  }

  async signUp(role: Role, password: string, photo?: File): Promise<void> {
    const { signUp } = await this.client.mutate(SignUp, {
      input: {
        username: this.username,
        password1: password,
        password2: password,
        firstName: "Robin",
        lastName: "Example",
        role,
        ...(photo && { photo }),
      },
    });
    const user = succeeded(signUp).user!;
    this.report("signedUp", user);
    if (user.photo === null) return;
    const response = await fetch(new URL(user.photo, this.server));
    const bytes = Buffer.from(await response.arrayBuffer());
    this.report("photo", { type: response.headers.get("content-type"), base64: bytes.toString("base64") });
  }

  async logIn(password: string): Promise<void> {
    const issueToken = this.client.useToken !== undefined;
    const { logIn } = await this.client.mutate(LogIn, { username: this.username, password, issueToken });
    const { token } = succeeded(logIn);
    if (token !== null) this.client.useToken?.(token);
    const { me } = await this.client.query(WhoAmI, {});
    this.report("loggedIn", { hasToken: token !== null, me });
  }

  async logOut(): Promise<void> {
    const { logOut } = await this.client.mutate(LogOut, {});
    succeeded(logOut);
  }

  async requestTrip(): Promise<string> {
    const { createTrip } = await this.client.mutate(RequestTrip, {
      input: { pickUpAddress: "1 Main Street", dropOffAddress: "9 Side Street", pickUp: { lat: 52.5251, lng: 13.3694 } },
    });
    return succeeded(createTrip).trip!.id;
  }

  async moveTrip(id: string, status: "STARTED" | "COMPLETED"): Promise<void> {
    const { updateTrip } = await this.client.mutate(MoveTrip, { input: { id, status } });
    succeeded(updateTrip);
  }

  /** At the pick-up; the rider has not come yet. */
  async arrive(tripId: string): Promise<void> {
    const { reportArrival } = await this.client.mutate(ReportArrival, { tripId });
    succeeded(reportArrival);
    const { updateTrip } = await this.client.mutate(MoveTrip, {
      input: { id: tripId, status: "CANCELLED", cancelCode: "NO_SHOW" },
    });
    this.report("waits", { seconds: secondsToWait(updateTrip.errors) });
  }

  async rate(tripId: string, stars: number): Promise<void> {
    const { rateTrip } = await this.client.mutate(RateTrip, { tripId, stars });
    this.report("rated", { stars: succeeded(rateTrip).trip!.myRating });
  }

  follow<Data, Variables extends Values>(
    step: string,
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Events<Data> {
    const events = new Events<Data>((details) => this.report(step, details));
    this.client.subscribe(document, variables, events);
    return events;
  }

  /** What a screen shows of a query, each time that it shows something else: the cursors of its pages are not shown. */
  show<Data, Variables extends Values>(
    step: string,
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Events<Data> | undefined {
    const events = new Events<Data>((details) => this.report(step, details));
    let shown = "";
    this.client.watch?.(document, variables, (data) => {
      const next = JSON.stringify(data, (key, value) => (key === "pageInfo" ? undefined : value));
      if (next !== shown) events.next(data);
      shown = next;
    });
    return this.client.watch && events;
  }
}

function succeeded<Payload extends { errors: { code: string; message: string }[] }>(payload: Payload): Payload {
  if (payload.errors.length > 0) throw new Error(JSON.stringify(payload.errors));
  return payload;
}
