import "./VehicleFields.css";

import { useState } from "react";
import { SetVehicle, userProblems, type Problem } from "@taxirank/client";

import type { Person, Vehicle } from "../api/types";
import type { Connection } from "../../api/connection";
import { Problems } from "../../ui/Problems";
import { useForm } from "../../ui/useForm";
import { VEHICLE_FIELDS, VehicleFields, vehicleOf } from "./VehicleFields";

interface Props {
  connection: Connection;
  person: Person;
  onPerson: (person: Person) => void;
  /** Whether the driver may do without one. */
  isOptional: boolean;
}

/** Describes the driver's vehicle, which riders see from acceptance on. */
export function VehicleForm({ connection, person, onPerson, isOptional }: Props) {
  const [isRemoved, setIsRemoved] = useState(false);
  const form = useForm(VEHICLE_FIELDS, (data) => save(vehicleOf(data)));

  async function save(vehicle: Vehicle | null): Promise<Problem[]> {
    const { data: answer, problems } = await connection.ask(SetVehicle, { input: vehicle });
    setIsRemoved(vehicle === null);
    if (answer?.setVehicle.user) onPerson(answer.setVehicle.user);
    return answer === null ? problems : userProblems(answer.setVehicle.errors);
  }

  return (
    <form className="vehicle-form" {...form.props} aria-label="Your car">
      {/* Without a car the fields are empty again. */}
      <VehicleFields key={String(person.vehicle === null)} vehicle={person.vehicle} isOptional={isOptional} problems={form.problems} />
      <Problems problems={form.others} />
      <div className="buttons">
        <button type="submit" disabled={form.isBusy}>
          Save the car
        </button>
        {isOptional && person.vehicle !== null && (
          <button type="button" className="quiet danger" disabled={form.isBusy} onClick={() => void form.run(() => save(null))}>
            Remove the car
          </button>
        )}
      </div>
      <p className="done" role="status">
        {!form.isDone ? "" : isRemoved ? "Removed." : "Saved."}
      </p>
    </form>
  );
}
