/** urql with its document cache. */
import { cacheExchange } from "@urql/core";
import { takeATrip } from "./trip.js";
import { connectUrql } from "./urql-client.js";

await takeATrip((person) => connectUrql(person, cacheExchange));
