import { useEffect, useState } from "react";

import type { Connection } from "../../api/connection";
import { CityFigures, type Figures } from "../api/city";

export type Period = "DAY" | "WEEK";

/** As often as the server computes them anew. */
const EVERY_MS = 30_000;

export interface Known {
  figures: Figures;
  /** The period that was asked for. */
  period: Period;
}

/** The figures of a period, asked for again and again; null before the first answer. What is known stays in an outage. */
export function useFigures(connection: Connection | null, period: Period): Known | null {
  const [known, setKnown] = useState<Known | null>(null);

  useEffect(() => {
    if (connection === null) return;
    const asked = connection;
    let isLeft = false;
    async function look() {
      const { data } = await asked.ask(CityFigures, { period });
      if (!isLeft && data) setKnown({ figures: data, period });
    }
    void look();
    const looking = setInterval(() => void look(), EVERY_MS);
    const stop = asked.onReturn(() => void look());
    return () => {
      isLeft = true;
      clearInterval(looking);
      stop();
    };
  }, [connection, period]);

  return known;
}
