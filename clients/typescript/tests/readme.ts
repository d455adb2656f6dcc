/** The code of the README, so that it compiles. */
import { applyPoolEvent, EMPTY_POOL, openOffers, WatchPool } from "@taxirank/client";
import type { OfferFieldsFragment, Pool, ResultOf } from "@taxirank/client";
import { openSocket } from "@taxirank/client/graphql-ws";
import { print } from "graphql";

const socket = openSocket({ url: "wss://taxi.example/graphql", token: () => localStorage["token"] });
let pool: Pool<OfferFieldsFragment> = EMPTY_POOL;
socket.subscribe<ResultOf<typeof WatchPool>>(
  { query: print(WatchPool) },
  {
    next: ({ data }) => {
      if (data) pool = applyPoolEvent(pool, data.driverPool);
      console.log(openOffers(pool), pool.paused);
    },
    error: console.error,
    complete: () => undefined,
  },
);
