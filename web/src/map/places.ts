import { distance, inWords, type GeoPoint } from "./geo";

interface Place {
  name: string;
  point: GeoPoint;
  /** Named on small maps too. */
  major?: true;
}

/** Destinations, roughly at their positions in Amsterdam. */
export const PLACES: readonly Place[] = [
  { name: "Centraal Station", point: { lat: 52.3785, lng: 4.9003 }, major: true },
  { name: "Dam Square", point: { lat: 52.3731, lng: 4.8926 } },
  { name: "Anne Frank House", point: { lat: 52.3752, lng: 4.884 } },
  { name: "De Hallen", point: { lat: 52.3669, lng: 4.8676 }, major: true },
  { name: "Rembrandt Square", point: { lat: 52.366, lng: 4.8966 } },
  { name: "NEMO Museum", point: { lat: 52.3742, lng: 4.9123 } },
  { name: "Artis Zoo", point: { lat: 52.366, lng: 4.9165 }, major: true },
  { name: "Java Square", point: { lat: 52.3637, lng: 4.9385 }, major: true },
  { name: "Rijksmuseum", point: { lat: 52.36, lng: 4.8852 }, major: true },
  { name: "Vondel Park", point: { lat: 52.358, lng: 4.8686 } },
  { name: "Albert Cuyp Market", point: { lat: 52.3559, lng: 4.8925 } },
  { name: "Oosterpark", point: { lat: 52.3601, lng: 4.9204 } },
  { name: "Amstel Station", point: { lat: 52.3474, lng: 4.9178 }, major: true },
  { name: "Eye Film Museum", point: { lat: 52.3864, lng: 4.901 } },
];

/** Finds a place by its name, ignoring case. */
export function placeNamed(text: string): Place | undefined {
  const name = text.trim().toLowerCase();
  return PLACES.find((place) => place.name.toLowerCase() === name);
}

/** A name for a point that the user has picked. */
export function nameOf(point: GeoPoint): string {
  const [nearest, metres] = PLACES.map((place) => [place, distance(place.point, point)] as const).reduce((a, b) =>
    b[1] < a[1] ? b : a,
  );
  return metres < 120 ? nearest.name : `${inWords(metres)} from ${nearest.name}`;
}
