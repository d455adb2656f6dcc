import type { GeoPoint } from "../map/geo";
import { BEGINNING, openMap } from "../map/MapView";
import { STILL, type Marker } from "../map/markers";
import { decode } from "../map/polyline";

/** What the server says of a trip, in the attribute of the element that holds its map. */
interface ShownTrip {
  pickUp: GeoPoint | null;
  dropOff: GeoPoint | null;
  route: { encodedPolyline: string; isEstimated: boolean } | null;
  car: (GeoPoint & { heading: number | null }) | null;
}

/** Draw a trip: its places, its route, and its car. A picture for whoever prefers less motion. */
export async function showTrip(element: HTMLElement): Promise<void> {
  const { pickUp, dropOff, route, car } = JSON.parse(element.dataset["shownTrip"]!) as ShownTrip;
  const markers: Marker[] = [];
  if (pickUp) markers.push({ id: "pick-up", kind: "pick-up", point: pickUp, title: "Pick-up" });
  if (dropOff) markers.push({ id: "drop-off", kind: "drop-off", point: dropOff, title: "Drop-off" });
  if (car) markers.push({ id: "car", kind: "car", point: car, title: "Driver", heading: car.heading });
  const view = await openMap(element, { label: "Map of the trip", isStill: STILL.matches });
  const points = route ? decode(route.encodedPolyline) : [];
  view.setMarkers(markers);
  view.setLines({ route: route ? { points, isEstimated: route.isEstimated } : undefined });
  const matters = [...markers.map(({ point }) => point), ...points];
  view.show("trip", matters.length > 0 ? matters : BEGINNING);
}
