import "./CityMap.css";

import { useEffect, useId, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";

import { AVENUES, CANALS, HARBOUR, NORTH_STREETS, PARKS, RIVER, STREETS } from "./city";
import { EXTENT, onMap, toGeoPoint, toSpot, type GeoPoint, type Spot } from "./geo";
import { PLACES } from "./places";

export interface Marker {
  id: string;
  kind: "pick-up" | "drop-off" | "car" | "request";
  point: GeoPoint;
  /** For screen readers, and as a tooltip. */
  title: string;
  /** The heading of a car, in degrees clockwise from north. */
  heading?: number | null;
}

interface Props {
  /** The map's name for screen readers. */
  label: string;
  /** How to use the map. */
  hint: string;
  markers: Marker[];
  /** Called with the point that is clicked or chosen with the keyboard. Without it the map is only an image. */
  onPick?: ((point: GeoPoint) => void) | undefined;
  /** Called with each new point while the car is dragged or moved with the keyboard. */
  onMoveCar?: ((point: GeoPoint, headingTo: Spot) => void) | undefined;
  /** The way that the car drives now. */
  way?: readonly Spot[] | undefined;
  /** The route of the trip. `isEstimated`: only the straight line is known. */
  route?: { points: readonly GeoPoint[]; isEstimated: boolean } | undefined;
}

/** Above this scale, in metres per pixel, there is no room for all names. */
const SMALL = 14;
const STEP_M = 120;
const BIG_STEP_M = 600;
const KEYS: Record<string, Spot> = {
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
};

/** A map of the city that loads no tiles. Clicks and keys choose points, and move a car. */
export function CityMap({ label, hint, markers, onPick, onMoveCar, way, route }: Props) {
  const svg = useRef<SVGSVGElement>(null);
  const hintId = useId();
  const [metresAPixel, setMetresAPixel] = useState(10);
  const [cross, setCross] = useState<Spot | null>(null);
  const dragging = useRef(false);
  const dragged = useRef(false);
  const car = markers.find(({ kind }) => kind === "car");
  const isActive = onPick !== undefined || onMoveCar !== undefined;

  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      if (!entry || entry.contentRect.width === 0) return;
      const { width, height } = entry.contentRect;
      setMetresAPixel(Math.max(EXTENT.width / width, EXTENT.height / height));
    });
    observer.observe(svg.current!);
    return () => observer.disconnect();
  }, []);

  function spotAt({ clientX, clientY }: { clientX: number; clientY: number }): Spot {
    const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(svg.current!.getScreenCTM()!.inverse());
    return onMap({ x, y });
  }

  function steer(event: KeyboardEvent) {
    const step = KEYS[event.key];
    const by = event.shiftKey ? BIG_STEP_M : STEP_M;
    if (step) {
      event.preventDefault();
      const from = onMoveCar && car ? toSpot(car.point) : (cross ?? { x: 0, y: 0 });
      const to = onMap({ x: from.x + step.x * by, y: from.y + step.y * by });
      if (onMoveCar && car) onMoveCar(toGeoPoint(to), { x: to.x + step.x, y: to.y + step.y });
      else if (onPick) setCross(to);
    } else if (onPick && !onMoveCar && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      onPick(toGeoPoint(cross ?? { x: 0, y: 0 }));
    }
  }

  function drag(event: PointerEvent) {
    if (!dragging.current || !onMoveCar || !car) return;
    dragged.current = true;
    const to = spotAt(event);
    const from = toSpot(car.point);
    onMoveCar(toGeoPoint(to), { x: 2 * to.x - from.x, y: 2 * to.y - from.y });
  }

  return (
    <div className="map">
      <svg
        ref={svg}
        className={isActive ? "city active" : "city"}
        viewBox={`${EXTENT.left} ${EXTENT.top} ${EXTENT.width} ${EXTENT.height}`}
        role={isActive ? "application" : "img"}
        aria-roledescription={isActive ? "map" : undefined}
        aria-label={[label, ...markers.map(({ title }) => title)].join(". ")}
        aria-describedby={hintId}
        tabIndex={isActive ? 0 : undefined}
        onKeyDown={isActive ? steer : undefined}
        onBlur={() => setCross(null)}
        onPointerDown={() => (dragged.current = false)}
        onPointerMove={drag}
        onPointerUp={() => (dragging.current = false)}
        onClick={(event) => {
          // Browsers also send a click at the end of a drag.
          if (dragged.current) dragged.current = false;
          else onPick?.(toGeoPoint(spotAt(event)));
        }}
      >
        <City />
        {route && (
          <polyline
            className={route.isEstimated ? "route estimated" : "route"}
            data-route
            points={line(route.points.map(toSpot))}
          />
        )}
        {way && <polyline className="way" points={line(way)} />}
        {PLACES.filter(({ major }) => major || metresAPixel < SMALL).map(({ name, point }) => {
          const { x, y } = toSpot(point);
          return (
            <g
              key={name}
              className="place"
              style={{ transform: `translate(${x}px, ${y}px) scale(${metresAPixel})` }}
              aria-hidden="true"
            >
              <circle r="2" />
              <text y="-5">{name}</text>
            </g>
          );
        })}
        {markers.map((marker) => {
          const { x, y } = onMap(toSpot(marker.point));
          return (
            <g
              key={marker.id}
              className={`marker ${marker.kind}`}
              data-marker={marker.kind}
              style={{ transform: `translate(${x}px, ${y}px) scale(${metresAPixel})` }}
              onPointerDown={(event) => {
                if (marker.kind !== "car" || !onMoveCar) return;
                dragging.current = true;
                svg.current!.setPointerCapture(event.pointerId);
              }}
            >
              <title>{marker.title}</title>
              <Sign marker={marker} />
            </g>
          );
        })}
        {cross && (
          <g className="cross" style={{ transform: `translate(${cross.x}px, ${cross.y}px) scale(${metresAPixel})` }}>
            <path d="M-14 0h28M0-14v28" />
            <circle r="7" />
          </g>
        )}
      </svg>
      <p className="hint" id={hintId}>
        {hint}
      </p>
    </div>
  );
}

function line(spots: readonly Spot[]): string {
  return spots.map(({ x, y }) => `${x},${y}`).join(" ");
}

function City() {
  return (
    <g aria-hidden="true">
      {PARKS.map((park) => (
        <path key={park} className="park" d={park} />
      ))}
      <path className="street" d={STREETS + NORTH_STREETS} />
      <path className="avenue" d={AVENUES} />
      <path className="canal" d={CANALS} />
      <path className="river" d={RIVER} />
      <path className="harbour" d={HARBOUR} />
    </g>
  );
}

/** A marker, drawn in pixels around its point. */
function Sign({ marker }: { marker: Marker }) {
  switch (marker.kind) {
    case "car":
      return (
        <g className="turning" style={{ transform: `rotate(${marker.heading ?? 0}deg)` }}>
          <circle className="halo" r="19" />
          <rect className="body" x="-6.5" y="-12" width="13" height="24" rx="5" />
          <path className="glass" d="M-4.5-5.5Q0-8.5 4.5-5.5L4-1.5h-8zM-4 8h8l.4-3.5h-8.8z" />
          <rect className="lamp" x="-3" y="0" width="6" height="3" rx="1" />
        </g>
      );
    case "pick-up":
      return (
        <>
          <circle className="disc" r="9" />
          <circle className="dot" r="3.5" />
        </>
      );
    case "drop-off":
      return (
        <>
          <path className="disc" d="M0 0C-4-7-9-10-9-16A9 9 0 0 1 9-16C9-10 4-7 0 0Z" />
          <circle className="dot" r="3.5" cy="-16" />
        </>
      );
    case "request":
      return (
        <>
          <circle className="ring" r="13" />
          <circle className="disc" r="6" />
        </>
      );
  }
}
