import { activeTrip, ListTrips, MoveTrip, mutationProblems, type TripStatus } from "@taxirank/client";
import { useCar, useMyTrips, useRequestTrip } from "@taxirank/client/react";
import { useMutation, useQuery } from "urql";

import { Card, Problems, RequestForm } from "../../common/parts";
import { RiderTrip, TripList } from "../../common/trip";
import { toldToRider } from "../../common/words";

/** Requests a trip, and follows it and the car to the end. */
export function Rider() {
  const { trips, problems } = useMyTrips();
  const requests = useRequestTrip();
  const [moved, moveTrip] = useMutation(MoveTrip);
  const trip = activeTrip(trips ?? []);
  const car = useCar(trip);
  return (
    <>
      <Card title={trip ? toldToRider(trip) : "Where to?"}>
        {trip ? (
          <RiderTrip trip={trip} car={car} isBusy={moved.fetching} move={(input) => void moveTrip({ input })} />
        ) : trips === null ? (
          <p>Loading…</p>
        ) : (
          <RequestForm isBusy={requests.isBusy} onRequest={(input) => void requests.request(input)} />
        )}
        <Problems problems={[...problems, ...requests.problems, ...mutationProblems(moved)]} />
      </Card>
      <PastTrips />
    </>
  );
}

const ENDED: TripStatus[] = ["COMPLETED", "CANCELLED", "EXPIRED"];

/** A list of graphcache, which loads it again when a trip ends. */
function PastTrips() {
  const [{ data }] = useQuery({ query: ListTrips, variables: { status: ENDED, first: 5 } });
  return <Card title="Your trips">{data ? <TripList trips={data.trips} /> : <p>Loading…</p>}</Card>;
}
