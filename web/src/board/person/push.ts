/** Messages to this browser while no page is open (Web Push): one subscription for each panel. */
import { problemsOf, PushKey, RegisterPush, RemovePush, userProblems, type Problem } from "@taxirank/client";

import type { Connection } from "../../api/connection";
import { read, write } from "../panels";

const SCRIPT = "/service-worker.js";
const FAILED = "The browser's push service cannot be reached. Try again later.";
const FORBIDDEN = "This browser does not allow it. Allow notifications of this page in its settings.";

/** A browser has one subscription for each scope of a service worker, and each panel is another person. */
const scopeOf = (panelId: string) => `/push/${panelId}/`;
const storedAs = (panelId: string) => `taxirank.push.${panelId}`;

/** Whether this browser can get messages, on this page. */
export function canPush(): boolean {
  return isSecureContext && "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

/** The server's key; null: it sends no messages. */
export async function pushKey(connection: Connection): Promise<string | null> {
  const { data } = await connection.ask(PushKey, {});
  return data?.pushPublicKey ?? null;
}

/** Whether this session gets messages here. */
export async function isOn(panelId: string): Promise<boolean> {
  return read<boolean>(storedAs(panelId)) === true && (await subscriptionOf(panelId)) !== null;
}

/** Ask for permission, and subscribe. Call it only after a click. */
export async function turnOn(connection: Connection, panelId: string, key: string): Promise<Problem[]> {
  if ((await Notification.requestPermission()) !== "granted") return [{ code: "FORBIDDEN", text: FORBIDDEN }];
  try {
    const registration = await activeRegistration(panelId);
    // With another key of the server, the browser would refuse.
    await (await registration.pushManager.getSubscription())?.unsubscribe();
    const options = { userVisibleOnly: true, applicationServerKey: key };
    const problems = await register(connection, await registration.pushManager.subscribe(options));
    if (problems.length > 0) await forget(panelId);
    else write(storedAs(panelId), true);
    return problems;
  } catch {
    await forget(panelId);
    return [{ code: "FAILED", text: FAILED }];
  }
}

/** Get no more messages here. */
export async function turnOff(connection: Connection, panelId: string): Promise<Problem[]> {
  const subscription = await subscriptionOf(panelId);
  // First here: then the server gets to know it by itself, if it cannot be reached now.
  await forget(panelId);
  if (subscription === null) return [];
  const { data, problems } = await connection.ask(RemovePush, { endpoint: subscription.endpoint });
  return data === null ? problems : userProblems(data.removePushSubscription.errors);
}

/** The session has ended: nobody gets messages here. */
export async function forget(panelId: string): Promise<void> {
  write(storedAs(panelId), false);
  if (!canPush()) return;
  const registration = await navigator.serviceWorker.getRegistration(scopeOf(panelId));
  await (await registration?.pushManager.getSubscription())?.unsubscribe();
  await registration?.unregister();
}

/** Register again in a new session of the same person: a change of the password ends the former one. */
export async function renew(connection: Connection, panelId: string): Promise<void> {
  const subscription = canPush() ? await subscriptionOf(panelId) : null;
  if (subscription === null) return;
  // Of somebody who has closed the page without logging out.
  if (read<boolean>(storedAs(panelId)) !== true) await forget(panelId);
  else await register(connection, subscription);
}

async function subscriptionOf(panelId: string): Promise<PushSubscription | null> {
  const registration = await navigator.serviceWorker.getRegistration(scopeOf(panelId));
  return (await registration?.pushManager.getSubscription()) ?? null;
}

/** The registration of the panel's service worker, as soon as it is active: only then can it subscribe. */
async function activeRegistration(panelId: string): Promise<ServiceWorkerRegistration> {
  const registration = await navigator.serviceWorker.register(SCRIPT, { scope: scopeOf(panelId) });
  const worker = registration.installing ?? registration.waiting;
  if (registration.active === null && worker !== null) {
    await new Promise<void>((resolve, reject) => {
      worker.addEventListener("statechange", () => {
        if (worker.state === "activated") resolve();
        else if (worker.state === "redundant") reject(new Error("the service worker was replaced"));
      });
    });
  }
  return registration;
}

async function register(connection: Connection, subscription: PushSubscription): Promise<Problem[]> {
  const { endpoint, keys } = subscription.toJSON();
  if (endpoint === undefined || keys?.p256dh === undefined || keys.auth === undefined) return problemsOf(undefined);
  const input = { endpoint, p256dh: keys.p256dh, auth: keys.auth };
  const { data, problems } = await connection.ask(RegisterPush, { input });
  return data === null ? problems : userProblems(data.registerPushSubscription.errors);
}
