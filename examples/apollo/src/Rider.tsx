import { useMutation, useQuery } from "@apollo/client/react";
import { activeTrip, ListTrips, MoveTrip, mutationProblems } from "@taxirank/client";
import { useCar, useMyTrips, useRequestTrip } from "@taxirank/client/react";

import { Card, Problems, RequestForm } from "../../common/parts";
import { RiderTrip, TripList } from "../../common/trip";
import { toldToRider } from "../../common/words";

/** Requests a trip, and follows it and the car to the end. */
export function Rider() {
  const { trips, problems } = useMyTrips();
  const requests = useRequestTrip();
  const [moveTrip, moved] = useMutation(MoveTrip, { errorPolicy: "all" });
  const trip = activeTrip(trips ?? []);
  const car = useCar(trip);
  return (
    <>
      <Card title={trip ? toldToRider(trip) : "Where to?"}>
        {trip ? (
          <RiderTrip trip={trip} car={car} isBusy={moved.loading} move={(input) => void moveTrip({ variables: { input } })} />
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

/** A list of Apollo's cache, in which a trip appears by itself when it ends. */
function PastTrips() {
  const { data } = useQuery(ListTrips, { variables: { status: ["COMPLETED", "CANCELLED", "EXPIRED"], first: 5 } });
  return <Card title="Your trips">{data ? <TripList trips={data.trips} /> : <p>Loading…</p>}</Card>;
}
