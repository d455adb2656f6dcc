import { useMutation } from "@apollo/client/react";
import { activeTrip, MoveTrip, mutationProblems, ReportLocation, SetOnDuty } from "@taxirank/client";
import { useMyTrips, useOffers } from "@taxirank/client/react";

import { Card, Problems } from "../../common/parts";
import { DriverTrip, OfferList, type Move } from "../../common/trip";
import { useSimulatedCar } from "../../common/useSimulatedCar";

/** Accepts offers, and drives. */
export function Driver({ id }: { id: string }) {
  const { trips, problems } = useMyTrips();
  const { offers, paused, problems: lost } = useOffers();
  const [moveTrip, moved] = useMutation(MoveTrip, { errorPolicy: "all" });
  const [setOnDuty, duty] = useMutation(SetOnDuty, { errorPolicy: "all" });
  const [report, reported] = useMutation(ReportLocation, { errorPolicy: "all" });
  // A trip that was given back is another driver's.
  const trip = activeTrip((trips ?? []).filter(({ driver }) => driver?.id === id));
  const mayReport = offers !== null && (paused === null || paused === "ON_TRIP");
  const car = useSimulatedCar(mayReport ? (input) => void report({ variables: { input } }) : null);
  const move: Move = (input) => void moveTrip({ variables: { input } });
  const failed = mutationProblems(moved);
  const needsPin = failed.some(({ code }) => code === "WRONG_PIN");
  const isOffDuty = paused === "OFF_DUTY";
  return (
    <Card title={trip ? (trip.status === "STARTED" ? "Pick up" : "Under way") : "Offers"}>
      {trip ? (
        <DriverTrip trip={trip} car={car} isBusy={moved.loading} needsPin={needsPin} move={move} />
      ) : (
        <>
          <OfferList offers={offers} paused={paused} isBusy={moved.loading} move={move} />
          <button disabled={duty.loading} onClick={() => void setOnDuty({ variables: { onDuty: isOffDuty } })}>
            {isOffDuty ? "Go on duty" : "Go off duty"}
          </button>
        </>
      )}
      <Problems problems={[...problems, ...lost, ...failed, ...mutationProblems(duty), ...mutationProblems(reported)]} />
    </Card>
  );
}
