/** A page for React, in Node. Imported before React. */
import { Window } from "happy-dom";

const window = new Window();
const { document, navigator } = window;
// Newer versions of Node have a navigator, which cannot be assigned.
for (const [name, value] of Object.entries({ window, document, navigator })) {
  Object.defineProperty(globalThis, name, { value, configurable: true });
}
