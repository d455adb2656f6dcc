/** graphql-eslint's recommended rules for `schema.graphql`. */
import graphql from "@graphql-eslint/eslint-plugin";

export default [
  {
    files: ["**/*.graphql"],
    plugins: { "@graphql-eslint": graphql },
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: "../../schema.graphql" } } },
    rules: {
      ...graphql.configs["flat/schema-recommended"].rules,
      // Every element needs a description, not only types and root fields.
      "@graphql-eslint/require-description": [
        "error",
        {
          types: true,
          rootField: true,
          FieldDefinition: true,
          InputValueDefinition: true,
          EnumValueDefinition: true,
          DirectiveDefinition: true,
        },
      ],
      // An id is what one can fetch again (Node). The rest belongs to the trip or the list that has it, is the answer
      // to one mutation, or one event; a made-up id would make caches keep it for ever.
      "@graphql-eslint/strict-id-in-types": [
        "error",
        {
          acceptedIdNames: ["id"],
          acceptedIdTypes: ["ID"],
          exceptions: {
            types: [
              "CancelCount", "CityChange", "CityCounts", "CityFigure", "CityFigures", "CitySnapshot",
              "CityTripRoute", "GeoPoint", "HistoryEntry", "MyTripsSnapshot", "PageInfo", "PoolSnapshot", "Rating",
              "Route", "TimeToAccept", "TripChanged", "TripEstimate", "TripOffered", "TripWithdrawn", "Vehicle",
            ],
            suffixes: ["Connection", "Edge", "Error", "Payload"],
          },
        },
      ],
      // It treats `User.username` as a prefix, but the word is not.
      "@graphql-eslint/no-typename-prefix": "off",
    },
  },
];
