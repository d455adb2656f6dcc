import "./PinField.css";

import type { RefObject } from "react";
import type { Problem } from "@taxirank/client";

import { useNow } from "../../ui/Dated";
import { Problems } from "../../ui/Problems";
import { textOf } from "../../ui/useForm";
import { WaitingButton } from "../../ui/WaitingButton";

interface Props {
  /** The rider's first name. */
  name: string;
  isBusy: boolean;
  /** Whether the PIN is the next thing to enter. */
  isNext: boolean;
  /** When the next PIN can be tried, in milliseconds; null: now. */
  from: number | null;
  input: RefObject<HTMLInputElement | null>;
  onPin: (pin: string) => void;
}

const LOCKED: Problem = { code: "PIN_LOCKED", text: "There were too many wrong PINs." };

/** Asks for the PIN that the rider tells the driver. */
export function PinField({ name, isBusy, isNext, from, input, onPin }: Props) {
  const isLocked = useNow() < (from ?? 0);
  return (
    <form
      className="pin-form"
      aria-label="PIN"
      onSubmit={(event) => {
        event.preventDefault();
        if (isLocked) return;
        onPin(textOf(new FormData(event.currentTarget), "pin"));
        input.current?.select();
      }}
    >
      <Problems problems={isLocked ? [LOCKED] : []} />
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
      <WaitingButton type="submit" className={isNext ? "primary" : ""} text="Start the ride" isBusy={isBusy} from={from} />
    </form>
  );
}
