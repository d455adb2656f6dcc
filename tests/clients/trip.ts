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
  RequestTrip,
  SignUp,
  WatchMyTrips,
  WatchTrip,
  WhoAmI,
} from "./operations.js";

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

  const { createTrip } = await rider.client.mutate(RequestTrip, {
    input: { pickUpAddress: "1 Main Street", dropOffAddress: "9 Side Street", pickUp: { lat: 52.5251, lng: 13.3694 } },
  });
  const { id } = succeeded(createTrip).trip!;
  await pool.event();
  await mine.event();
  const watched = rider.follow("trip", WatchTrip, { id });
  await watched.event();

  await driver.moveTrip(id, "STARTED");
  await pool.event();
  await mine.event();
  await watched.event();
  if (rider.client.cachedStatus) rider.report("cache", { status: rider.client.cachedStatus(id) });

  // Now the test cuts all connections, changes things, and lets the clients in again.
  rider.report("underWay", { id });
  await pool.event();
  await mine.event();
  await watched.event();

  await driver.moveTrip(id, "COMPLETED");
  await mine.event();
  await watched.event();
  await watched.ended();

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

  async moveTrip(id: string, status: "STARTED" | "COMPLETED"): Promise<void> {
    const { updateTrip } = await this.client.mutate(MoveTrip, { input: { id, status } });
    succeeded(updateTrip);
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
}

function succeeded<Payload extends { errors: { code: string; message: string }[] }>(payload: Payload): Payload {
  if (payload.errors.length > 0) throw new Error(JSON.stringify(payload.errors));
  return payload;
}
