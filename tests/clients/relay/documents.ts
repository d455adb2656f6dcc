/** The operations of the Relay client, for `relay-compiler`. Nothing imports this file. */
import { graphql } from "relay-runtime";

graphql`
  fragment documentsTrip on Trip {
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
`;

graphql`
  query documentsMyTripsQuery($status: [TripStatus!], $first: Int!, $after: String) {
    trips(status: $status, first: $first, after: $after) @connection(key: "documents_trips") {
      edges {
        node {
          ...documentsTrip @relay(mask: false)
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`;

graphql`
  mutation documentsSignUpMutation($input: SignUpInput!) {
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
`;

graphql`
  mutation documentsLogInMutation($username: String!, $password: String!, $issueToken: Boolean!) {
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
`;

graphql`
  mutation documentsLogOutMutation {
    logOut {
      errors {
        code
        message
      }
    }
  }
`;

graphql`
  query documentsWhoAmIQuery {
    me {
      id
      username
      role
    }
  }
`;

graphql`
  query documentsTripQuery($id: ID!) {
    trip(id: $id) {
      ...documentsTrip @relay(mask: false)
    }
  }
`;

graphql`
  fragment documentsReadAgain on Trip @refetchable(queryName: "documentsReadAgainQuery") {
    status
  }
`;

graphql`
  mutation documentsRequestTripMutation($input: CreateTripInput!) {
    createTrip(input: $input) {
      trip {
        ...documentsTrip @relay(mask: false)
      }
      errors {
        code
        message
      }
    }
  }
`;

graphql`
  mutation documentsMoveTripMutation($input: UpdateTripInput!) {
    updateTrip(input: $input) {
      trip {
        ...documentsTrip @relay(mask: false)
      }
      errors {
        code
        message
        retryAfter
      }
    }
  }
`;

graphql`
  mutation documentsReportArrivalMutation($tripId: ID!) {
    reportArrival(tripId: $tripId) {
      trip {
        ...documentsTrip @relay(mask: false)
      }
      errors {
        code
        message
      }
    }
  }
`;

graphql`
  mutation documentsRateTripMutation($tripId: ID!, $stars: Int!) {
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
`;

graphql`
  subscription documentsDriverPoolSubscription {
    driverPool {
      __typename
      ... on PoolSnapshot {
        paused
        truncated
        offers {
          ...documentsTrip @relay(mask: false)
        }
      }
      ... on TripOffered {
        trip {
          ...documentsTrip @relay(mask: false)
        }
      }
      ... on TripWithdrawn {
        tripId
        version
        reason
      }
    }
  }
`;

graphql`
  subscription documentsWatchTripSubscription($id: ID!) {
    tripUpdated(id: $id) {
      ...documentsTrip @relay(mask: false)
    }
  }
`;

graphql`
  subscription documentsWatchMyTripsSubscription {
    myTripsUpdated {
      __typename
      ... on MyTripsSnapshot {
        trips {
          ...documentsTrip @relay(mask: false)
        }
      }
      ... on TripChanged {
        trip {
          ...documentsTrip @relay(mask: false)
        }
      }
    }
  }
`;
