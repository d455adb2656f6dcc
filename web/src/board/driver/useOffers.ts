import { useEffect, useReducer, useState } from "react";

import type { Connection } from "../../api/connection";
import type { PauseReason, WithdrawReason } from "../api/generated/graphql";
import { Pool, type Offer } from "../api/trips";
import type { Problem } from "../../api/problems";

/** An offer on the screen. A withdrawn one has a reason, and is shown for a moment more. */
export interface Shown {
  offer: Offer;
  gone: WithdrawReason | null;
}

type News =
  | { is: "all"; offers: Offer[] }
  | { is: "offered"; offer: Offer }
  | { is: "withdrawn"; id: string; reason: WithdrawReason }
  | { is: "forgotten"; id: string };

/** How long a withdrawn offer stays on the screen with its reason. */
const WITHDRAWN_SHOWN_MS = 5_000;

function learn(shown: readonly Shown[], news: News): readonly Shown[] {
  switch (news.is) {
    case "all":
      return news.offers.map((offer) => ({ offer, gone: null }));
    case "offered":
      return [{ offer: news.offer, gone: null }, ...shown.filter(({ offer }) => offer.id !== news.offer.id)];
    case "withdrawn":
      return shown.map((each) => (each.offer.id === news.id ? { ...each, gone: news.reason } : each));
    case "forgotten":
      return shown.filter(({ offer, gone }) => offer.id !== news.id || gone === null);
  }
}

export interface Listener {
  offered: (offer: Offer) => void;
  withdrawn: (id: string, reason: WithdrawReason) => void;
  /** A snapshot says whether, and why, there are no offers; `before`: the snapshot before. */
  paused: (before: PauseReason | null, now: PauseReason | null) => void;
}

/**
 * The open requests around a driver, kept up to date; `offers` is null until the first snapshot. `paused`: why there are
 * none now.
 */
export function useOffers(connection: Connection, listener: Listener) {
  const [shown, tell] = useReducer(learn, []);
  const [isKnown, setIsKnown] = useState(false);
  const [truncated, setTruncated] = useState(false);
  const [paused, setPaused] = useState<PauseReason | null>(null);
  const [problems, setProblems] = useState<Problem[]>([]);

  useEffect(() => {
    let before: PauseReason | null = null;
    const removals = new Set<ReturnType<typeof setTimeout>>();
    const stop = connection.follow(
      Pool,
      {},
      ({ driverPool: event }) => {
        setProblems([]);
        switch (event.__typename) {
          case "PoolSnapshot":
            tell({ is: "all", offers: event.offers });
            setTruncated(event.truncated);
            setPaused(event.paused);
            listener.paused(before, event.paused);
            before = event.paused;
            setIsKnown(true);
            break;
          case "TripOffered":
            tell({ is: "offered", offer: event.trip });
            listener.offered(event.trip);
            break;
          case "TripWithdrawn": {
            const { tripId: id, reason } = event;
            tell({ is: "withdrawn", id, reason });
            listener.withdrawn(id, reason);
            removals.add(setTimeout(() => tell({ is: "forgotten", id }), WITHDRAWN_SHOWN_MS));
          }
        }
      },
      setProblems,
    );
    return () => {
      stop();
      removals.forEach(clearTimeout);
    };
  }, [connection, listener]);

  return { offers: isKnown ? shown : null, truncated, paused, problems };
}
