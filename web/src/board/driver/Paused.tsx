import "./Offers.css";

import type { PauseReason } from "@taxirank/client";

import type { Person } from "../api/types";
import type { Connection } from "../../api/connection";
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
            <strong>Staff are looking at your account.</strong>
          </p>
          <p>Requests appear here as soon as they approve you.</p>
        </div>
      );
    case "NO_VEHICLE":
      return (
        <>
          <p className="quiet-text">Describe your car to get requests. Riders see it once you have accepted their trip.</p>
          <VehicleForm connection={connection} person={person} onPerson={onPerson} isOptional={false} />
        </>
      );
    case "OFF_DUTY":
      return <p className="empty">You are off duty: nobody sees where you are, and you get no requests.</p>;
    case "ON_TRIP":
      return <p className="empty">You are on a trip. The next requests come when it has ended.</p>;
  }
}
