import "./PinField.css";

import type { RefObject } from "react";

import { textOf } from "../../ui/useForm";

interface Props {
  /** The rider's first name. */
  name: string;
  isBusy: boolean;
  input: RefObject<HTMLInputElement | null>;
  onPin: (pin: string) => void;
}

/** Asks for the PIN that the rider tells the driver. */
export function PinField({ name, isBusy, input, onPin }: Props) {
  return (
    <form
      className="pin-form"
      aria-label="PIN"
      onSubmit={(event) => {
        event.preventDefault();
        onPin(textOf(new FormData(event.currentTarget), "pin"));
        input.current?.select();
      }}
    >
      <label>
        <span>{name}&rsquo;s PIN</span>
        <input
          ref={input}
          name="pin"
          inputMode="numeric"
          pattern="[0-9]{4}"
          title="Four digits"
          minLength={4}
          maxLength={4}
          autoComplete="off"
          required
        />
      </label>
      <button type="submit" className="primary" disabled={isBusy}>
        Start the ride
      </button>
    </form>
  );
}
