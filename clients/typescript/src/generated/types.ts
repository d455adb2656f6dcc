/** Written by `npm run generate` from the schema and `src/operations/`. */
/** The types of each union and interface. */
export const possibleTypes: Record<string, string[]> = {
  "CityEvent": [
    "CityChange",
    "CitySnapshot"
  ],
  "MyTripsEvent": [
    "MyTripsSnapshot",
    "TripChanged"
  ],
  "Node": [
    "Trip",
    "User"
  ],
  "PoolEvent": [
    "PoolSnapshot",
    "TripOffered",
    "TripWithdrawn"
  ]
};
/** The types without an id: each value belongs to the object that has it. */
export const TYPES_WITHOUT_ID: readonly string[] = [
  "AuthPayload",
  "CancelCount",
  "CityChange",
  "CityCounts",
  "CityFigure",
  "CityFigures",
  "CitySnapshot",
  "CityTripRoute",
  "DeleteMePayload",
  "GeoPoint",
  "HistoryEntry",
  "LocationPayload",
  "LogOutPayload",
  "MyTripsSnapshot",
  "PageInfo",
  "PoolSnapshot",
  "Rating",
  "RegisterPushSubscriptionPayload",
  "RemovePushSubscriptionPayload",
  "RequestEmailVerificationPayload",
  "RequestPasswordResetPayload",
  "Route",
  "TimeToAccept",
  "TripChanged",
  "TripConnection",
  "TripEdge",
  "TripEstimate",
  "TripOffered",
  "TripPayload",
  "TripWithdrawn",
  "UserError",
  "UserPayload",
  "Vehicle",
  "VerifyEmailPayload"
];
