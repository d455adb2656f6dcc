/** The GraphQL operations of the city. Their types are generated from these documents and the schema. */
import type { ResultOf } from "@graphql-typed-document-node/core";

import type { GeoPoint } from "../../map/geo";
import { decode } from "../../map/polyline";
import type { Driver, Person, Trip } from "../model";
import { graphql } from "./generated";

const PersonFields = graphql(`
  fragment CityPersonFields on CityPerson {
    id
    username
    firstName
    lastName
  }
`);

const DriverFields = graphql(`
  fragment CityDriverFields on CityDriver {
    id
    username
    firstName
    lastName
    point {
      lat
      lng
    }
    heading
    recordedAt
    isStale
    tripId
  }
`);

const TripFields = graphql(`
  fragment CityTripFields on CityTrip {
    id
    status
    created
    arrivedAt
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
      ...CityPersonFields
    }
    driver {
      ...CityPersonFields
    }
  }
`);

export const LiveCity = graphql(`
  subscription LiveCity {
    city {
      __typename
      ... on CitySnapshot {
        at
        drivers {
          ...CityDriverFields
        }
        trips {
          ...CityTripFields
        }
        counts {
          open
          underWay
          available
          silent
        }
        truncated
        outages
      }
      ... on CityChange {
        at
        drivers {
          ...CityDriverFields
        }
        removedDriverIds
        trips {
          ...CityTripFields
        }
        removedTripIds
        counts {
          open
          underWay
          available
          silent
        }
        truncated
        outages
      }
    }
  }
`);

const FigureFields = graphql(`
  fragment FigureFields on CityFigure {
    start
    requested
    completed
    expired
    cancelled {
      code
      count
    }
    timeToAccept {
      p50S
      p99S
    }
  }
`);

export const CityFigures = graphql(`
  query CityFigures($period: CityPeriod!) {
    hour: cityFigures(period: HOUR) {
      total {
        ...FigureFields
      }
      driversOffDuty
    }
    overTime: cityFigures(period: $period) {
      asOf
      truncated
      parts {
        ...FigureFields
      }
    }
  }
`);

const DriveFields = graphql(`
  fragment DriveFields on Route {
    encodedPolyline
    estimated
  }
`);

export const TripRoute = graphql(`
  query TripRoute($id: ID!) {
    cityTripRoute(id: $id) {
      toPickUp {
        ...DriveFields
      }
      toDropOff {
        ...DriveFields
      }
    }
  }
`);

/** The line of a drive along streets; undefined if only the straight line is known. */
export function lineOf(drive: ResultOf<typeof DriveFields> | null | undefined): readonly GeoPoint[] | undefined {
  return drive && !drive.estimated ? decode(drive.encodedPolyline) : undefined;
}

export type CityMessage = ResultOf<typeof LiveCity>["city"];
export type Figures = ResultOf<typeof CityFigures>;
export type Figure = ResultOf<typeof FigureFields>;

export function toDriver(data: ResultOf<typeof DriverFields>): Driver {
  const { point, heading, recordedAt, isStale, tripId } = data;
  return { ...toPerson(data), tripId, point, heading, seenAt: Date.parse(recordedAt), isSilent: isStale };
}

export function toTrip(data: ResultOf<typeof TripFields>): Trip {
  const { id, status, created, arrivedAt, pickUpAddress, dropOffAddress, pickUp, dropOff, rider, driver } = data;
  return {
    id,
    status: status as Trip["status"],
    requestedAt: Date.parse(created),
    hasArrived: arrivedAt !== null,
    pickUp,
    dropOff,
    pickUpAddress,
    dropOffAddress,
    rider: toPerson(rider),
    driver: driver && toPerson(driver),
  };
}

/** A deleted account has no name. */
function toPerson({ id, username, firstName, lastName }: ResultOf<typeof PersonFields>): Person {
  return { id, name: `${firstName} ${lastName}`.trim() || username || "A deleted account" };
}

export function totalOf(cancelled: Figure["cancelled"]): number {
  return cancelled.reduce((sum, { count }) => sum + count, 0);
}
