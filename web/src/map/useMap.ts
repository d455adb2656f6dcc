import { useEffect, useRef, useState, type RefObject } from "react";

import { whenInSight } from "./inSight";
import { NoMap, openMap, type MapOptions, type MapView } from "./MapView";

interface Opened {
  /** For the element that holds the map. */
  container: RefObject<HTMLDivElement | null>;
  /** Null until the map is there. */
  view: MapView | null;
  /** Why there is no map. */
  problem: string | null;
}

/** A map in a React component. It is opened when its place comes into sight, with the options of that time. */
export function useMap(options: MapOptions): Opened {
  const container = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<MapView | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const latest = useRef(options);
  latest.current = options;

  useEffect(() => {
    const place = container.current!;
    let isLeft = false;
    let opened: MapView | null = null;

    async function open() {
      try {
        const made = await openMap(place, latest.current);
        if (isLeft) made.remove();
        else setView((opened = made));
      } catch (error) {
        if (!(error instanceof NoMap)) throw error;
        if (!isLeft) setProblem(error.message);
      }
    }

    const stopLooking = whenInSight(place, () => void open());
    return () => {
      isLeft = true;
      stopLooking();
      opened?.remove();
      setView(null);
    };
  }, []);

  return { container, view, problem };
}
