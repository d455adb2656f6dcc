import { useRef, useState } from "react";

import type { Connection } from "../../api/connection";
import type { CancelCode, TripStatus } from "../api/generated/graphql";
import { userProblems, type Problem } from "../../api/problems";
import { MoveTrip, ReportArrival, type Trip } from "../api/trips";
import { useProblems } from "../../api/useProblems";

interface Extra {
  reason?: string | null;
  cancelCode?: CancelCode | null;
  pin?: string;
}

export interface TripChanges {
  isBusy: boolean;
  /** How long a driver waits before a no-show; null until the server has said it to a driver who was too early. */
  noShowWaitMs: number | null;
  /** Whether the server asks for the rider's PIN; false until it has. */
  asksPin: boolean;
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

/** A driver's changes of trips. `trip`: the one under way. */
export function useTripChanges(connection: Connection, trip: Trip | undefined, listener: Listener): TripChanges {
  const [problems, setProblems] = useProblems(connection);
  const [of, setOf] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const [noShowWaitMs, setNoShowWaitMs] = useState<number | null>(null);
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

  /** Problems for which the page asks or waits from now on, instead of showing them. */
  function heeds({ code, retryAfterS, text }: Problem, { pin }: Extra): boolean {
    if (code === "TOO_EARLY" && retryAfterS !== undefined && trip?.arrivedAt) {
      setNoShowWaitMs(Date.now() + retryAfterS * 1000 - Date.parse(trip.arrivedAt));
      listener.say(text);
      return true;
    }
    if (code === "WRONG_PIN" || code === "PIN_LOCKED") setAsksPin(true);
    return code === "WRONG_PIN" && pin === undefined;
  }

  async function move(id: string, status: TripStatus, extra: Extra = {}) {
    if (status === "STARTED") taking.set(id, null);
    const hasMoved = await change(id, async () => {
      const { data, problems: failed } = await connection.ask(MoveTrip, { input: { id, status, ...extra } });
      const found = data ? userProblems(data.updateTrip.errors) : failed;
      return { after: data?.updateTrip.trip ?? null, found: found.filter((each) => !heeds(each, extra)) };
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
  return { isBusy, noShowWaitMs, asksPin, problemsOf, taking, move, arrive };
}
