import { format, type GeoPoint } from "../map/geo";
import { BEGINNING, openMap, type MapView } from "../map/MapView";
import type { Marker } from "../map/markers";
import { directionOf, middleOf, rounded, stepped } from "../map/steering";

const ENDS = { pick_up: "Pick-up", drop_off: "Drop-off" } as const;
const KINDS = { pick_up: "pick-up", drop_off: "drop-off" } as const;

type End = keyof typeof ENDS;

/** Choose both places of a new trip on a map. The fields with the numbers and the map always say the same. */
export async function openPicker(element: HTMLElement): Promise<void> {
  const view = await openMap(element.querySelector<HTMLElement>(".trip-map")!, {
    label: "Map of the new trip",
    describedBy: "place-picker-hint",
    zoomsByDoubleClick: false,
  });
  element.classList.add("picks");
  element.querySelector<HTMLElement>("[data-ends]")!.hidden = false;
  new PlacePicker(element, view);
}

class PlacePicker {
  readonly #view: MapView;
  readonly #said: HTMLElement;
  readonly #canvas: HTMLElement;
  readonly #element: HTMLElement;
  #cross: GeoPoint | null = null;

  constructor(element: HTMLElement, view: MapView) {
    this.#element = element;
    this.#view = view;
    this.#said = element.querySelector<HTMLElement>("[data-said]")!;
    this.#canvas = view.map.getCanvas();
    for (const end of endsInOrder()) {
      for (const field of fieldsOf(end)) {
        field.addEventListener("input", () => {
          this.#said.textContent = "";
          this.#draw();
        });
        field.addEventListener("change", () => this.#fit());
      }
    }
    view.map.on("click", ({ lngLat: { lat, lng } }) => this.#choose(this.#end, rounded({ lat, lng })));
    // Before MapLibre, which would move the map.
    element.addEventListener("keydown", (event) => this.#steer(event), { capture: true });
    this.#canvas.addEventListener("focus", () => {
      if (this.#canvas.matches(":focus-visible")) this.#moveCross(middleOf(view));
    });
    this.#canvas.addEventListener("blur", () => this.#moveCross(null));
    this.#draw();
    const chosen = endsInOrder().flatMap((end) => pointOf(end) ?? []);
    view.show("form", chosen.length > 0 ? chosen : BEGINNING);
    if (pointOf("pick_up") && !pointOf("drop_off")) this.#end = "drop_off";
  }

  /** Which place the next click sets. */
  get #end(): End {
    return this.#element.querySelector<HTMLInputElement>("[name=place-picker-end]:checked")!.value as End;
  }

  set #end(end: End) {
    this.#element.querySelector<HTMLInputElement>(`[name=place-picker-end][value=${end}]`)!.checked = true;
  }

  #choose(end: End, point: GeoPoint): void {
    this.#write(end, point);
    this.#said.textContent = `${ENDS[end]}: ${format(point)}`;
    // After the pick-up most people want the drop-off.
    if (end === "pick_up" && !pointOf("drop_off")) this.#end = "drop_off";
  }

  #write(end: End, point: GeoPoint): void {
    const [lat, lng] = fieldsOf(end);
    [lat.value, lng.value] = [point.lat.toFixed(5), point.lng.toFixed(5)];
    this.#draw();
  }

  /** Move the map to places that were typed and are out of sight. */
  #fit(): void {
    const points = endsInOrder().flatMap((end) => pointOf(end) ?? []);
    if (points.length > 0) this.#view.show("form", points);
  }

  #steer(event: KeyboardEvent): void {
    if (event.target !== this.#canvas) return;
    const direction = directionOf(event.key);
    if (direction) {
      event.preventDefault();
      event.stopPropagation();
      this.#moveCross(
        stepped(this.#view, this.#cross ?? middleOf(this.#view), direction, { isBig: event.shiftKey }),
      );
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.#choose(this.#end, this.#cross ?? middleOf(this.#view));
    }
  }

  #moveCross(point: GeoPoint | null): void {
    this.#cross = point;
    this.#draw();
  }

  #draw(): void {
    const markers: Marker[] = [];
    for (const end of endsInOrder()) {
      const point = pointOf(end);
      if (!point) continue;
      const onDrag = (to: GeoPoint) => this.#write(end, rounded(to));
      markers.push({ id: end, kind: KINDS[end], point, title: ENDS[end], onDrag });
    }
    const points = markers.map(({ point }) => point);
    if (this.#cross) {
      markers.push({ id: "cross", kind: "cross", point: this.#cross, title: "The point that Enter chooses" });
    }
    this.#view.setMarkers(markers);
    this.#view.setLines({ route: points.length === 2 ? { points, isEstimated: true } : undefined });
  }
}

function endsInOrder(): End[] {
  return ["pick_up", "drop_off"];
}

function fieldsOf(end: End): [lat: HTMLInputElement, lng: HTMLInputElement] {
  const field = (name: string) => document.getElementById(`${end}_${name}`) as HTMLInputElement;
  return [field("lat"), field("lng")];
}

/** The place that the numbers say; null if they say none. */
function pointOf(end: End): GeoPoint | null {
  const [lat, lng] = fieldsOf(end).map(({ value }) => (value.trim() === "" ? NaN : Number(value)));
  return Math.abs(lat!) <= 90 && Math.abs(lng!) <= 180 ? { lat: lat!, lng: lng! } : null;
}
