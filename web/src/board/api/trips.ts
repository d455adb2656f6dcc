/** The GraphQL operations of trips. Their types are generated from these documents and the schema. */
import type { ResultOf } from "@graphql-typed-document-node/core";

import { graphql } from "./generated";

const RouteFields = graphql(`
  fragment RouteFields on Route {
    encodedPolyline
    distanceM
    durationS
    estimated
  }
`);

const TripFields = graphql(`
  fragment TripFields on Trip {
    id
    version
    created
    status
    expiresAt
    cancelReason
    cancelCode
    arrivedAt
    noShowAt
    myRating
    pickUpPin
    vehicle {
      ...VehicleFields
    }
    pickUpAddress
    dropOffAddress
    pickUp {
      lat
      lng
    }
    dropOff {
      lat
      lng
    }
    pickUpEta
    dropOffEta
    route {
      ...RouteFields
    }
    driverLocation {
      point {
        lat
        lng
      }
      heading
      recordedAt
      isStale
    }
    rider {
      ...PersonFields
    }
    driver {
      ...PersonFields
    }
    history {
      version
      status
      at
      changedBy
      arrived
      cancelCode
      reason
      user {
        id
        firstName
      }
    }
  }
`);

const OfferFields = graphql(`
  fragment OfferFields on Trip {
    id
    version
    expiresAt
    pickUpAddress
    dropOffAddress
    pickUp {
      lat
      lng
    }
    dropOff {
      lat
      lng
    }
    rider {
      id
      firstName
      lastName
      photo
    }
  }
`);

export const RequestTrip = graphql(`
  mutation RequestTrip($input: CreateTripInput!) {
    createTrip(input: $input) {
      trip {
        ...TripFields
      }
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const MoveTrip = graphql(`
  mutation MoveTrip($input: UpdateTripInput!) {
    updateTrip(input: $input) {
      trip {
        ...TripFields
      }
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const ReportLocation = graphql(`
  mutation ReportLocation($input: LocationInput!) {
    reportLocation(input: $input) {
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const ReportArrival = graphql(`
  mutation ReportArrival($id: ID!) {
    reportArrival(tripId: $id) {
      trip {
        ...TripFields
      }
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const RateTrip = graphql(`
  mutation RateTrip($id: ID!, $stars: Int!, $comment: String) {
    rateTrip(tripId: $id, stars: $stars, comment: $comment) {
      trip {
        ...TripFields
      }
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const Estimate = graphql(`
  query Estimate($pickUp: GeoPointInput!, $dropOff: GeoPointInput!) {
    tripEstimate(pickUp: $pickUp, dropOff: $dropOff) {
      route {
        ...RouteFields
      }
      driversNearby
      pickUpEta
    }
  }
`);

export const Etas = graphql(`
  query Etas($id: ID!) {
    trip(id: $id) {
      pickUpEta
      dropOffEta
    }
  }
`);

export const MyTrips = graphql(`
  subscription MyTrips {
    myTripsUpdated {
      __typename
      ... on MyTripsSnapshot {
        trips {
          ...TripFields
        }
      }
      ... on TripChanged {
        trip {
          ...TripFields
        }
      }
    }
  }
`);

export const Pool = graphql(`
  subscription Pool {
    driverPool {
      __typename
      ... on PoolSnapshot {
        truncated
        paused
        offers {
          ...OfferFields
        }
      }
      ... on TripOffered {
        trip {
          ...OfferFields
        }
      }
      ... on TripWithdrawn {
        tripId
        reason
      }
    }
  }
`);

export const DriverLocation = graphql(`
  subscription DriverLocation($tripId: ID!) {
    driverLocation(tripId: $tripId) {
      point {
        lat
        lng
      }
      heading
      recordedAt
      isStale
      isGone
    }
  }
`);

export type Route = ResultOf<typeof RouteFields>;
export type Trip = ResultOf<typeof TripFields>;
export type Offer = ResultOf<typeof OfferFields>;
