import "./CancelForm.css";

import { useEffect, useRef, useState, type FormEvent } from "react";

/** Asks for a confirmation and a reason before a trip is cancelled. */
export function CancelForm({ onCancel }: { onCancel: (reason: string) => Promise<void> }) {
  const [isOpen, setIsOpen] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const wasOpen = useRef(isOpen);

  useEffect(() => {
    // The pressed button no longer exists.
    if (isOpen !== wasOpen.current) (isOpen ? input : button).current?.focus();
    wasOpen.current = isOpen;
  }, [isOpen]);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const reason = new FormData(event.currentTarget).get("reason");
    setIsBusy(true);
    await onCancel(String(reason ?? "").trim());
    setIsBusy(false);
  }

  if (!isOpen) {
    return (
      <button ref={button} type="button" className="quiet danger" onClick={() => setIsOpen(true)}>
        Cancel the trip
      </button>
    );
  }
  return (
    <form className="cancel" onSubmit={(event) => void submit(event)} aria-label="Cancel the trip">
      <label className="field">
        <span>Why? (optional)</span>
        <input ref={input} name="reason" maxLength={500} autoComplete="off" />
      </label>
      <div className="buttons">
        <button type="submit" className="danger" disabled={isBusy}>
          Cancel it
        </button>
        <button type="button" className="quiet" onClick={() => setIsOpen(false)}>
          Keep it
        </button>
      </div>
    </form>
  );
}
