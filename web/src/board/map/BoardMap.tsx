import "./BoardMap.css";

import { useEffect, useId, useRef, useState, type KeyboardEvent } from "react";

import { toSpot, type GeoPoint, type Spot } from "../../map/geo";
import type { Lines } from "../../map/MapView";
import type { Marker } from "../../map/markers";
import { directionOf, middleOf, rounded, stepped } from "../../map/steering";
import { useMap } from "../../map/useMap";

/** What the map is fitted to: when `key` changes, and when a point is out of sight. */
interface Matters {
  key: string;
  points: readonly GeoPoint[];
}

interface Props extends Lines {
  /** The map's name for screen readers. */
  label: string;
  /** How to use the map. */
  hint: string;
  markers: Marker[];
  matters: Matters;
  /** Called with the point that is clicked or chosen with the keyboard. */
  onPick?: ((point: GeoPoint) => void) | undefined;
  /** Called with each new point while the car is dragged or moved with the keyboard. */
  onMoveCar?: ((point: GeoPoint, headingTo: Spot) => void) | undefined;
}

/** The map of a panel. Clicks and keys choose points, and move a car; otherwise the arrow keys move the map. */
export function BoardMap({ label, hint, markers, matters, onPick, onMoveCar, way, route }: Props) {
  const hintId = useId();
  const { container, view, problem } = useMap({
    label,
    describedBy: hintId,
    zoomsByDoubleClick: onPick === undefined,
  });
  const [cross, setCross] = useState<GeoPoint | null>(null);
  const car = markers.find(({ kind }) => kind === "car");
  const picks = onPick !== undefined && onMoveCar === undefined;
  const pick = useRef(onPick);

  function drag(point: GeoPoint) {
    if (!car) return;
    const [from, to] = [toSpot(car.point), toSpot(point)];
    onMoveCar?.(point, { x: 2 * to.x - from.x, y: 2 * to.y - from.y });
  }

  const shown: Marker[] = markers.map((marker) => (marker === car && onMoveCar ? { ...marker, onDrag: drag } : marker));
  if (cross && picks) shown.push({ id: "cross", kind: "cross", point: cross, title: "The point that Enter chooses" });

  useEffect(() => {
    pick.current = onPick;
  });
  useEffect(() => view?.setMarkers(shown));
  useEffect(() => view?.setLines({ route, way }));
  useEffect(() => view?.show(matters.key, matters.points));
  useEffect(() => {
    if (!view) return;
    view.map.on("click", ({ lngLat: { lat, lng } }) => pick.current?.(rounded({ lat, lng })));
  }, [view]);
  useEffect(() => {
    if (onPick) view?.map.doubleClickZoom.disable();
    else view?.map.doubleClickZoom.enable();
  }, [view, onPick]);

  function steer(event: KeyboardEvent) {
    if (!view || event.target !== view.map.getCanvas()) return;
    const direction = directionOf(event.key);
    if (direction && (picks || onMoveCar)) {
      // MapLibre would move the map.
      event.preventDefault();
      event.stopPropagation();
      const from = onMoveCar ? car?.point : (cross ?? middleOf(view));
      if (!from) return;
      const to = stepped(view, from, direction, { isBig: event.shiftKey });
      if (!onMoveCar) return setCross(to);
      const spot = toSpot(to);
      onMoveCar(to, { x: spot.x + direction[0], y: spot.y + direction[1] });
    } else if (picks && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      onPick(cross ?? middleOf(view));
    }
  }

  return (
    <div className="map">
      {problem === null ? (
        <div
          className={onPick ? "city picks" : "city"}
          onKeyDownCapture={steer}
          onFocus={({ target }: { target: Element }) => {
            if (view && picks && target === view.map.getCanvas() && target.matches(":focus-visible")) setCross(middleOf(view));
          }}
          onBlur={() => setCross(null)}
        >
          {/* MapLibre owns the attributes of this element. */}
          <div className="canvas" ref={container} />
        </div>
      ) : (
        <p className="no-map quiet-text">{problem}</p>
      )}
      <p className="hint" id={hintId}>
        {hint}
      </p>
    </div>
  );
}
