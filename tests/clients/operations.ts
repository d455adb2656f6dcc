/** The operations of the clients. Their types are generated from these documents and the schema. */
import { graphql } from "./generated/index.js";

export const TripFields = graphql(`
  fragment TripFields on Trip {
    id
    version
    status
    pickUpAddress
    arrivedAt
    rider {
      id
      firstName
      username
    }
    driver {
      id
      firstName
      username
    }
  }
`);

export const MyTrips = graphql(`
  query MyTrips($status: [TripStatus!], $first: Int!, $after: String) {
    trips(status: $status, first: $first, after: $after) {
      edges {
        node {
          ...TripFields
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

export const SignUp = graphql(`
  mutation SignUp($input: SignUpInput!) {
    signUp(input: $input) {
      user {
        id
        username
        photo
      }
      errors {
        code
        message
      }
    }
  }
`);

export const LogIn = graphql(`
  mutation LogIn($username: String!, $password: String!, $issueToken: Boolean!) {
    logIn(username: $username, password: $password, issueToken: $issueToken) {
      user {
        id
      }
      token
      errors {
        code
        message
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
      }
    }
  }
`);

export const WhoAmI = graphql(`
  query WhoAmI {
    me {
      id
      username
      role
    }
  }
`);

export const ShowTrip = graphql(`
  query ShowTrip($id: ID!) {
    trip(id: $id) {
      ...TripFields
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
        retryAfter
      }
    }
  }
`);

export const ReportArrival = graphql(`
  mutation ReportArrival($tripId: ID!) {
    reportArrival(tripId: $tripId) {
      trip {
        ...TripFields
      }
      errors {
        code
        message
      }
    }
  }
`);

export const RateTrip = graphql(`
  mutation RateTrip($tripId: ID!, $stars: Int!) {
    rateTrip(tripId: $tripId, stars: $stars) {
      trip {
        id
        myRating
      }
      errors {
        code
        message
      }
    }
  }
`);

export const DriverPool = graphql(`
  subscription DriverPool {
    driverPool {
      __typename
      ... on PoolSnapshot {
        paused
        truncated
        offers {
          ...TripFields
        }
      }
      ... on TripOffered {
        trip {
          ...TripFields
        }
      }
      ... on TripWithdrawn {
        tripId
        version
        reason
      }
    }
  }
`);

export const WatchTrip = graphql(`
  subscription WatchTrip($id: ID!) {
    tripUpdated(id: $id) {
      ...TripFields
    }
  }
`);

export const WatchMyTrips = graphql(`
  subscription WatchMyTrips {
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
