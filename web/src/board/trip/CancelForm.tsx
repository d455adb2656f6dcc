import "./CancelForm.css";

import { useEffect, useRef, useState, type FormEvent } from "react";
import type { CancelCode } from "@taxirank/client";

import { WaitingButton } from "../../ui/WaitingButton";

interface Props {
  /** What the button says: "Cancel the trip". */
  label: string;
  /** What the button that confirms it says. */
  confirm: string;
  /** From when on it can be confirmed, in milliseconds; null: now. */
  from?: number | null;
  reasons: readonly [CancelCode, string][];
  onCancel: (reason: string | null, code: CancelCode | null) => Promise<void>;
}

/** Asks for a confirmation and a reason before a trip is cancelled or given back. */
export function CancelForm({ label, confirm, from = null, reasons, onCancel }: Props) {
  const [isOpen, setIsOpen] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const choice = useRef<HTMLSelectElement>(null);
  const wasOpen = useRef(isOpen);

  useEffect(() => {
    // The pressed button no longer exists.
    if (isOpen !== wasOpen.current) (isOpen ? choice : button).current?.focus();
    wasOpen.current = isOpen;
  }, [isOpen]);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const [reason, code] = ["reason", "code"].map((name) => String(data.get(name) ?? "").trim() || null);
    setIsBusy(true);
    await onCancel(reason ?? null, reasons.find(([each]) => each === code)?.[0] ?? null);
    setIsBusy(false);
  }

  if (!isOpen) {
    return (
      <button ref={button} type="button" className="quiet danger" onClick={() => setIsOpen(true)}>
        {label}
      </button>
    );
  }
  return (
    <form className="cancel" onSubmit={(event) => void submit(event)} aria-label={label}>
      <label className="field">
        <span>Why?</span>
        <select ref={choice} name="code" defaultValue="">
          <option value="">Rather not say</option>
          {reasons.map(([code, text]) => (
            <option key={code} value={code}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>In your words (optional)</span>
        <input name="reason" maxLength={500} autoComplete="off" />
      </label>
      <div className="buttons">
        <WaitingButton type="submit" className="danger" text={confirm} isBusy={isBusy} from={from} />
        <button type="button" className="quiet" onClick={() => setIsOpen(false)}>
          Keep it
        </button>
      </div>
    </form>
  );
}
