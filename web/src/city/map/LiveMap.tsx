import "./LiveMap.css";

import { useEffect, useRef, useState } from "react";

import type { GeoPoint } from "../../map/geo";
import { useMap } from "../../map/useMap";
import { Card } from "../Card";
import { isSame, pageOf, type City, type Thing } from "../model";
import { addLayers, drawCity, markChosen, pointOf, thingAt } from "./cityLayers";
import type { Kind } from "./signs";

interface Props {
  city: City | null;
  hidden: ReadonlySet<Kind>;
  /** What the pointer or the keyboard is at, on the map or in the list. */
  chosen: Thing | null;
  onChoose: (thing: Thing | null) => void;
}

/** Of more points than this, the farthest are left out when the map is fitted. */
const FEW = 20;
const LEFT_OUT = 0.03;
const HINT_ID = "live-map-hint";

/** The map with everything that is going on. A click opens what is clicked; a touch shows it first. */
export function LiveMap({ city, hidden, chosen, onChoose }: Props) {
  const { container, view, problem } = useMap({ label: "The city", describedBy: HINT_ID, isCooperative: false });
  const [hasLayers, setHasLayers] = useState(false);
  const latest = useRef({ city, chosen, onChoose });
  latest.current = { city, chosen, onChoose };

  useEffect(() => {
    if (view === null) return;
    const { map } = view;
    view.onStyle(() => {
      addLayers(map);
      setHasLayers(true);
    });
    map.on("mousemove", ({ point }) => {
      const found = thingAt(map, point);
      map.getCanvas().style.cursor = found ? "pointer" : "";
      if (!isSame(found, latest.current.chosen)) latest.current.onChoose(found);
    });
    map.on("mouseout", () => latest.current.onChoose(null));
    map.on("click", ({ point, originalEvent }) => {
      const found = thingAt(map, point);
      const isTouch = originalEvent instanceof PointerEvent && originalEvent.pointerType === "touch";
      if (found && !isTouch) open(pageOf(found), originalEvent);
      else latest.current.onChoose(found);
    });
    return () => setHasLayers(false);
  }, [view]);

  useEffect(() => {
    if (view === null || !hasLayers || city === null) return;
    drawCity(view.map, city, (kind) => !hidden.has(kind));
    const corners = cornersOf(city);
    if (corners.length > 0) view.show("city", corners);
  }, [view, hasLayers, city, hidden]);

  useEffect(() => {
    if (view !== null && hasLayers) markChosen(view.map, city, chosen);
  }, [view, hasLayers, city, chosen]);

  const at = city && chosen ? pointOf(city, chosen) : null;
  const place = at && view ? view.map.project([at.lng, at.lat]) : null;
  return (
    <div className="live-map">
      <div className="place" ref={container} />
      {problem !== null && <p className="problem">{problem}</p>}
      {city && chosen && place && (
        <Card city={city} thing={chosen} className={place.y < 140 ? "below" : "above"} x={place.x} y={place.y} />
      )}
      <p className="visually-hidden" id={HINT_ID}>
        The list beside the map has everything that the map shows. Arrow keys move the map, plus and minus zoom it.
      </p>
    </div>
  );
}

/** As a link: in a new tab with Ctrl or the middle button. */
function open(page: string, { ctrlKey, metaKey, shiftKey }: MouseEvent) {
  if (ctrlKey || metaKey || shiftKey) window.open(page, "_blank", "noopener");
  else location.assign(page);
}

/** The corners of what matters: one lost car must not make the map show half a country. */
function cornersOf(city: City): GeoPoint[] {
  const points: GeoPoint[] = [];
  for (const { point } of city.drivers.values()) points.push(point);
  for (const { pickUp, status } of city.trips.values()) if (pickUp && status === "REQUESTED") points.push(pickUp);
  if (points.length === 0) return [];
  const lats = points.map(({ lat }) => lat).sort((a, b) => a - b);
  const lngs = points.map(({ lng }) => lng).sort((a, b) => a - b);
  const least = points.length > FEW ? Math.floor(points.length * LEFT_OUT) : 0;
  const most = points.length - 1 - least;
  return [
    { lat: lats[least]!, lng: lngs[least]! },
    { lat: lats[most]!, lng: lngs[most]! },
  ];
}
