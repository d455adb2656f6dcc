/** The GraphQL operations of the board. Their types are generated from these documents and the schema. */
import type { ResultOf } from "@graphql-typed-document-node/core";

import { graphql } from "./generated";

const PersonFields = graphql(`
  fragment PersonFields on User {
    id
    username
    firstName
    lastName
    role
    photo
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

export const SignUp = graphql(`
  mutation SignUp($input: SignUpInput!) {
    signUp(input: $input) {
      errors {
        code
        message
        field
      }
    }
  }
`);

export const LogIn = graphql(`
  mutation LogIn($username: String!, $password: String!) {
    logIn(username: $username, password: $password, issueToken: true) {
      user {
        role
      }
      token
      errors {
        code
        message
        field
      }
    }
  }
`);

export const LogOut = graphql(`
  mutation LogOut {
    logOut {
      errors {
        code
        message
        field
      }
    }
  }
`);

export const UpdateMe = graphql(`
  mutation UpdateMe($input: UpdateMeInput!) {
    updateMe(input: $input) {
      user {
        ...PersonFields
      }
      errors {
        code
        message
        field
      }
    }
  }
`);

export const ChangePassword = graphql(`
  mutation ChangePassword($input: ChangePasswordInput!) {
    changePassword(input: $input) {
      token
      errors {
        code
        message
        field
      }
    }
  }
`);

export const DeleteMe = graphql(`
  mutation DeleteMe($password: String!) {
    deleteMe(password: $password) {
      errors {
        code
        message
        field
      }
    }
  }
`);

export const Me = graphql(`
  query Me {
    me {
      ...PersonFields
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
        code
        message
        field
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
        code
        message
        field
      }
    }
  }
`);

export const ReportLocation = graphql(`
  mutation ReportLocation($input: LocationInput!) {
    reportLocation(input: $input) {
      errors {
        code
        message
        field
      }
    }
  }
`);

export const PickUpEta = graphql(`
  query PickUpEta($id: ID!) {
    trip(id: $id) {
      pickUpEta
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

export type Person = ResultOf<typeof PersonFields>;
export type Trip = ResultOf<typeof TripFields>;
export type Offer = ResultOf<typeof OfferFields>;
