import { activeTrip, MoveTrip, mutationProblems, ReportLocation, SetOnDuty } from "@taxirank/client";
import { useMyTrips, useOffers } from "@taxirank/client/react";
import { useMutation } from "urql";

import { Card, Problems } from "../../common/parts";
import { DriverTrip, OfferList, type Move } from "../../common/trip";
import { useSimulatedCar } from "../../common/useSimulatedCar";

/** Accepts offers, and drives. */
export function Driver({ id }: { id: string }) {
  const { trips, problems } = useMyTrips();
  const { offers, paused, problems: lost } = useOffers();
  const [moved, moveTrip] = useMutation(MoveTrip);
  const [duty, setOnDuty] = useMutation(SetOnDuty);
  const [reported, report] = useMutation(ReportLocation);
  // A trip that was given back is another driver's.
  const trip = activeTrip((trips ?? []).filter(({ driver }) => driver?.id === id));
  const mayReport = offers !== null && (paused === null || paused === "ON_TRIP");
  const car = useSimulatedCar(mayReport ? (input) => void report({ input }) : null);
  const move: Move = (input) => void moveTrip({ input });
  const failed = mutationProblems(moved);
  const needsPin = failed.some(({ code }) => code === "WRONG_PIN");
  const isOffDuty = paused === "OFF_DUTY";
  return (
    <Card title={trip ? (trip.status === "STARTED" ? "Pick up" : "Under way") : "Offers"}>
      {trip ? (
        <DriverTrip trip={trip} car={car} isBusy={moved.fetching} needsPin={needsPin} move={move} />
      ) : (
        <>
          <OfferList offers={offers} paused={paused} isBusy={moved.fetching} move={move} />
          <button disabled={duty.fetching} onClick={() => void setOnDuty({ onDuty: isOffDuty })}>
            {isOffDuty ? "Go on duty" : "Go off duty"}
          </button>
        </>
      )}
      <Problems problems={[...problems, ...lost, ...failed, ...mutationProblems(duty), ...mutationProblems(reported)]} />
    </Card>
  );
}
