// Shows the push messages of the board. A message has only its kind and the id of the trip; the words are here.
const TEXTS = {
  OFFER: ["A new request near you", "Open the board to accept it."],
  OFFER_GONE: ["The request is gone", "It can be accepted no more."],
  ACCEPTED: ["A driver is on the way", "Your request was accepted."],
  ARRIVED: ["Your driver is there", "The driver is waiting at the pick-up."],
  GIVEN_BACK: ["Your driver has given the trip back", "We are looking for another one."],
  CANCELLED: ["The trip is cancelled", "Open the board to see more."],
  EXPIRED: ["Nobody has accepted your request", "You can request again."],
};
const OTHER = ["News about a trip", "Open the board to see more."];

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("push", (event) => event.waitUntil(show(read(event.data))));

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openBoard());
});

function read(data) {
  try {
    return data.json();
  } catch {
    return {};
  }
}

// Browsers require that each message is shown. One about the same trip replaces the one before: an offer that is gone
// does so without a sound.
function show({ text, tripId = "" }) {
  const [title, body] = TEXTS[text] ?? OTHER;
  const isQuiet = text === "OFFER_GONE";
  const renotify = !isQuiet && tripId !== "";
  return self.registration.showNotification(title, { body, tag: tripId, renotify, silent: isQuiet });
}

async function openBoard() {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const board = pages.find((page) => new URL(page.url).pathname === "/");
  await (board ? board.focus() : self.clients.openWindow("/"));
}
