import { useId, type InputHTMLAttributes } from "react";
import type { Problem } from "@taxirank/client";

import { Problems } from "./Problems";

interface Props extends InputHTMLAttributes<HTMLInputElement> {
  label: string;
  help?: string;
  /** The errors of the whole form. Those of this field are shown here. */
  problems?: Problem[];
  /** The server's name for the field. */
  name: string;
}

/** An input with its label, help text and errors. */
export function Field({ label, help, problems = [], name, ...input }: Props) {
  const id = useId();
  const own = problems.filter(({ field }) => field === name);
  const describedBy = [own.length > 0 ? `${id}-problem` : "", help ? `${id}-help` : ""].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        {...input}
        id={id}
        name={name}
        aria-invalid={own.length > 0 || undefined}
        aria-describedby={describedBy || undefined}
      />
      {help && (
        <small className="help" id={`${id}-help`}>
          {help}
        </small>
      )}
      <Problems id={`${id}-problem`} problems={own} />
    </div>
  );
}
