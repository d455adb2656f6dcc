import { useRef, useState } from "react";
import { MoveTrip, ReportArrival, userProblems, type CancelCode, type Problem, type TripStatus } from "@taxirank/client";

import type { Trip } from "../api/types";
import type { Connection } from "../../api/connection";
import { useProblems } from "../../api/useProblems";

interface Extra {
  reason?: string | null;
  cancelCode?: CancelCode | null;
  pin?: string;
}

export interface TripChanges {
  isBusy: boolean;
  /** When the driver may cancel because the rider has not come, in milliseconds of this clock; null: not known. */
  noShowFrom: number | null;
  /** Whether the server asks for the rider's PIN; false until it has. */
  asksPin: boolean;
  /** When the next PIN can be tried, in milliseconds; null: now. */
  pinFrom: number | null;
  /** The problems of the last change, if it was one of that trip. */
  problemsOf: (id: string) => Problem[];
  /** Trips that this driver has accepted, each with the message to show if another driver was faster. */
  taking: Map<string, string | null>;
  move: (id: string, status: TripStatus, extra?: Extra) => Promise<void>;
  arrive: (id: string) => Promise<void>;
}

interface Listener {
  /** The state of a trip that this driver has changed. */
  learned: (trip: Trip) => void;
  /** A trip has another status now. */
  moved: () => void;
  say: (text: string) => void;
}

/** The refusals that end by themselves. */
const WAITED_FOR = new Set(["TOO_EARLY", "PIN_LOCKED"]);

/** A driver's changes of trips. `trip`: the one under way. */
export function useTripChanges(connection: Connection, trip: Trip | undefined, listener: Listener): TripChanges {
  const [problems, setProblems] = useProblems(connection);
  const [of, setOf] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  // Until when the server refuses a change, by its code and the trip.
  const [waits, setWaits] = useState<Record<string, number>>({});
  const [asksPin, setAsksPin] = useState(false);
  const taking = useRef(new Map<string, string | null>()).current;

  async function change(id: string, ask: () => Promise<{ after: Trip | null; found: Problem[] }>): Promise<boolean> {
    setIsBusy(true);
    const { after, found } = await ask();
    setIsBusy(false);
    setProblems(found);
    setOf(id);
    if (after) listener.learned(after);
    return after !== null;
  }

  /** The problems to show: not those for which the page asks or waits from now on. */
  function shown(id: string, found: Problem[], { pin }: Extra): Problem[] {
    const awaited = found.find(({ code, retryAfterS }) => WAITED_FOR.has(code) && retryAfterS !== undefined);
    if (awaited) {
      setWaits((before) => ({ ...before, [`${awaited.code} ${id}`]: Date.now() + awaited.retryAfterS! * 1000 }));
      listener.say(awaited.text);
    }
    const isAboutPin = ({ code }: Problem) => code === "WRONG_PIN" || code === "PIN_LOCKED";
    if (found.some(isAboutPin)) setAsksPin(true);
    const isHidden = (each: Problem) => each === awaited || (isAboutPin(each) && (awaited !== undefined || pin === undefined));
    return found.filter((each) => !isHidden(each));
  }

  async function move(id: string, status: TripStatus, extra: Extra = {}) {
    if (status === "STARTED") taking.set(id, null);
    const hasMoved = await change(id, async () => {
      const { data, problems: failed } = await connection.ask(MoveTrip, { input: { id, status, ...extra } });
      const found = data ? userProblems(data.updateTrip.errors) : failed;
      return { after: data?.updateTrip.trip ?? null, found: shown(id, found, extra) };
    });
    if (hasMoved) {
      listener.moved();
      return;
    }
    const gone = taking.get(id);
    if (gone) listener.say(gone);
    taking.delete(id);
  }

  async function arrive(id: string) {
    await change(id, async () => {
      const { data, problems: failed } = await connection.ask(ReportArrival, { id });
      const found = data ? userProblems(data.reportArrival.errors) : failed;
      return { after: data?.reportArrival.trip ?? null, found };
    });
  }

  const problemsOf = (id: string) => (of === id ? problems : []);
  // The server's clock decides: it refuses a driver whose own clock is ahead, and says for how long.
  const noShowFrom = waits[`TOO_EARLY ${trip?.id}`] ?? (trip?.noShowAt ? Date.parse(trip.noShowAt) : null);
  const pinFrom = waits[`PIN_LOCKED ${trip?.id}`] ?? null;
  return { isBusy, noShowFrom, asksPin, pinFrom, problemsOf, taking, move, arrive };
}
