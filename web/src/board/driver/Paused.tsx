import "./Offers.css";

import type { Connection } from "../../api/connection";
import type { PauseReason } from "../api/generated/graphql";
import type { Person } from "../api/people";
import { VehicleForm } from "../person/VehicleForm";

interface Props {
  why: PauseReason;
  connection: Connection;
  person: Person;
  onPerson: (person: Person) => void;
}

/** Why the driver gets no offers, and what ends that. */
export function Paused({ why, connection, person, onPerson }: Props) {
  switch (why) {
    case "NOT_APPROVED":
      return person.approval === "REFUSED" ? (
        <div className="empty">
          <p>
            <strong>Staff have refused you as a driver.</strong>
          </p>
          {person.approvalReason && <p>“{person.approvalReason}”</p>}
        </div>
      ) : (
        <div className="empty">
          <p>
            <strong>Staff look at your account.</strong>
          </p>
          <p>Requests come here the moment they approve you.</p>
        </div>
      );
    case "NO_VEHICLE":
      return (
        <>
          <p className="quiet-text">Describe your car: riders see it when you have accepted. Then requests come.</p>
          <VehicleForm connection={connection} person={person} onPerson={onPerson} isOptional={false} />
        </>
      );
    case "OFF_DUTY":
      return <p className="empty">You are off duty: nobody sees where you are, and no requests come.</p>;
    case "ON_TRIP":
      return <p className="empty">You are on a trip: requests come when it has ended.</p>;
  }
}
