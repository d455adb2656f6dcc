/** urql with its document cache. */
import { takeATrip } from "./trip.js";
import { connectUrql } from "./urql-client.js";

await takeATrip((person) => connectUrql(person));
