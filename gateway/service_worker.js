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
// A page that does not answer in this time is frozen.
const ANSWER_MS = 500;

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("push", (event) => event.waitUntil(show(read(event.data))));

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openBoard(event.notification.data?.address ?? "/"));
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
  const data = { address: addressOf(tripId) };
  return self.registration.showNotification(title, { body, tag: tripId, renotify, silent: isQuiet, data });
}

// The trip on the board: web/src/board/wantedTrip.ts reads it. The scope of the worker ends with the id of a panel.
function addressOf(tripId) {
  if (tripId === "") return "/";
  const panel = self.registration.scope.split("/").at(-2);
  return `/#${new URLSearchParams({ trip: tripId, panel })}`;
}

// An open board comes to the front and shows the trip; of several, one that has it. Otherwise a new one opens there: its
// tab has no session yet, and shows the trip after the log-in.
async function openBoard(address) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const boards = pages.filter((page) => new URL(page.url).pathname === "/");
  const fits = await Promise.all(boards.map((board) => fitOf(board, address)));
  // The browser lists the page first that had the focus last.
  const board = boards[fits.indexOf(Math.max(...fits))];
  if (board === undefined) return self.clients.openWindow(address);
  board.postMessage({ show: address });
  return board.focus();
}

// How well a board fits, in its own judgement: the more the better.
function fitOf(board, address) {
  return new Promise((answer) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => answer(data);
    setTimeout(() => answer(0), ANSWER_MS);
    board.postMessage({ fits: address }, [port2]);
  });
}
