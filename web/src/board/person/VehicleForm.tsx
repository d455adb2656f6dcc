import "./VehicleFields.css";

import type { Connection } from "../../api/connection";
import { SetVehicle, type Person } from "../api/people";
import { userProblems } from "../../api/problems";
import { Problems } from "../../ui/Problems";
import { useForm } from "../../ui/useForm";
import { VEHICLE_FIELDS, VehicleFields, vehicleOf } from "./VehicleFields";

interface Props {
  connection: Connection;
  person: Person;
  onPerson: (person: Person) => void;
  /** Whether an empty form removes the vehicle. */
  isOptional: boolean;
}

/** Describes the driver's vehicle, which riders see from acceptance on. */
export function VehicleForm({ connection, person, onPerson, isOptional }: Props) {
  const form = useForm(VEHICLE_FIELDS, async (data) => {
    const { data: answer, problems } = await connection.ask(SetVehicle, { input: vehicleOf(data) });
    if (answer?.setVehicle.user) onPerson(answer.setVehicle.user);
    return answer === null ? problems : userProblems(answer.setVehicle.errors);
  });
  return (
    <form className="vehicle-form" {...form.props} aria-label="Your car">
      <VehicleFields vehicle={person.vehicle} isOptional={isOptional} problems={form.problems} />
      <Problems problems={form.others} />
      <button type="submit" disabled={form.isBusy}>
        Save the car
      </button>
      <p className="done" role="status">
        {form.isDone ? "Saved." : ""}
      </p>
    </form>
  );
}
