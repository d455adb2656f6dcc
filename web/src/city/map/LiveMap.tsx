import "./LiveMap.css";

import { useEffect, useReducer, useRef, useState } from "react";

import type { Connection } from "../../api/connection";
import { useMap } from "../../map/useMap";
import { Card } from "../Card";
import type { City, Thing } from "../model";
import { addLayers, drawCity, markChosen, pointOf } from "./cityLayers";
import { cornersOf } from "./corners";
import { followPointer } from "./pointer";
import type { Kind } from "./signs";
import { useTripRoute } from "./useTripRoute";

interface Props {
  connection: Connection | null;
  city: City | null;
  hidden: ReadonlySet<Kind>;
  /** What the pointer or the keyboard is at, on the map or in the list. */
  chosen: Thing | null;
  onChoose: (thing: Thing | null) => void;
  /** What the keyboard is at in the list: the map moves there. */
  sought: Thing | null;
}

const HINT_ID = "live-map-hint";
/** Less room than this above a thing is not enough for its card. */
const CARD_PX = 150;

/** The map with everything that is going on. A click opens what is clicked; a touch shows it first. */
export function LiveMap({ connection, city, hidden, chosen, onChoose, sought }: Props) {
  const { container, view, problem } = useMap({ label: "The city", describedBy: HINT_ID, isCooperative: false });
  const [hasLayers, setHasLayers] = useState(false);
  const routes = useTripRoute(connection, city, chosen);
  const latest = useRef({ city, chosen, onChoose });
  latest.current = { city, chosen, onChoose };
  const [, drawCard] = useReducer((count: number) => count + 1, 0);

  useEffect(() => {
    if (view === null) return;
    const { map } = view;
    view.onStyle(() => {
      addLayers(map);
      setHasLayers(true);
    });
    followPointer(map, () => latest.current);
    // The card keeps to its thing while the map moves.
    map.on("move", () => {
      if (latest.current.chosen !== null) drawCard();
    });
    return () => setHasLayers(false);
  }, [view]);

  useEffect(() => {
    if (view === null || !hasLayers || city === null) return;
    drawCity(view.map, city, (kind) => !hidden.has(kind), routes);
    view.setLines({
      route: routes?.toDropOff && { points: routes.toDropOff, isEstimated: false },
      way: routes?.toPickUp,
    });
    const corners = cornersOf(city);
    if (corners.length > 0) view.show("city", corners);
  }, [view, hasLayers, city, hidden, routes]);

  useEffect(() => {
    if (view !== null && hasLayers) markChosen(view.map, city, chosen);
  }, [view, hasLayers, city, chosen]);

  useEffect(() => {
    const to = latest.current.city && sought && pointOf(latest.current.city, sought);
    if (view !== null && to) view.look(to);
  }, [view, sought]);

  const at = city && chosen ? pointOf(city, chosen) : null;
  const place = at && view && view.map.getBounds().contains([at.lng, at.lat]) ? view.map.project([at.lng, at.lat]) : null;
  return (
    <div className="live-map">
      <div className="place" ref={container} />
      {problem !== null && <p className="problem">{problem}</p>}
      {city && chosen && place && (
        <Card city={city} thing={chosen} className={place.y < CARD_PX ? "below" : "above"} x={place.x} y={place.y} />
      )}
      <p className="visually-hidden" id={HINT_ID}>
        The list beside the map has everything that the map shows. Arrow keys move the map, plus and minus zoom it.
      </p>
    </div>
  );
}
