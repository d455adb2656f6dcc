/** The values that the board shows, by the board's names. */
export type {
  /** The user of a panel. */
  OwnFieldsFragment as Person,
  /** The other party of a trip. */
  PersonFieldsFragment as Party,
  RouteFieldsFragment as Route,
  TripFieldsFragment as Trip,
  VehicleFieldsFragment as Vehicle,
} from "@taxirank/client";
