import "./VehicleFields.css";

import { useState } from "react";
import type { Problem } from "@taxirank/client";

import type { Vehicle } from "../api/types";
import { Field } from "../../ui/Field";
import { textOf } from "../../ui/useForm";

/** The names of the fields. */
export const VEHICLE_FIELDS = ["make", "model", "color", "licensePlate", "seats"] as const;

interface Props {
  vehicle: Vehicle | null;
  /** Whether the form may be sent without a vehicle. */
  isOptional: boolean;
  problems: Problem[];
}

/** The fields that describe a vehicle: all of them, or none. */
export function VehicleFields({ vehicle, isOptional, problems }: Props) {
  const [isBegun, setIsBegun] = useState(false);
  const required = !isOptional || isBegun;

  function look(fields: HTMLFieldSetElement) {
    setIsBegun(vehicleOf(new FormData(fields.form!)) !== null);
  }

  return (
    <fieldset className="vehicle-fields" onInput={(event) => look(event.currentTarget)}>
      <legend>{isOptional ? "Your car (optional)" : "Your car"}</legend>
      <div className="pair">
        <Field
          label="Make"
          name="make"
          defaultValue={vehicle?.make}
          placeholder="Skoda"
          autoComplete="off"
          required={required}
          maxLength={50}
          problems={problems}
        />
        <Field
          label="Model"
          name="model"
          defaultValue={vehicle?.model}
          placeholder="Octavia"
          autoComplete="off"
          required={required}
          maxLength={50}
          problems={problems}
        />
      </div>
      <div className="pair three">
        <Field
          label="Colour"
          name="color"
          defaultValue={vehicle?.color}
          placeholder="Blue"
          autoComplete="off"
          required={required}
          maxLength={30}
          problems={problems}
        />
        <Field
          label="Plate"
          name="licensePlate"
          defaultValue={vehicle?.licensePlate}
          autoComplete="off"
          autoCapitalize="characters"
          required={required}
          maxLength={20}
          problems={problems}
        />
        <Field
          label="Seats"
          name="seats"
          type="number"
          defaultValue={vehicle?.seats ?? 4}
          min={1}
          max={50}
          required={required}
          problems={problems}
        />
      </div>
    </fieldset>
  );
}

/** The vehicle in a form; null if none is described. */
export function vehicleOf(data: FormData): Vehicle | null {
  const [make, model, color, licensePlate] = VEHICLE_FIELDS.map((name) => textOf(data, name).trim());
  if (!make && !model && !color && !licensePlate) return null;
  return {
    make: make ?? "",
    model: model ?? "",
    color: color ?? "",
    licensePlate: licensePlate ?? "",
    seats: Number(textOf(data, "seats")),
  };
}
