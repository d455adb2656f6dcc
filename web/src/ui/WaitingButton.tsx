import { useNow } from "./Dated";

interface Props {
  type: "button" | "submit";
  className: string;
  text: string;
  isBusy: boolean;
  /** From when on it may be pressed, in milliseconds; null: now. */
  from: number | null;
  onPress?: () => void;
}

/** A button that says how long it waits, and does nothing until then. */
export function WaitingButton({ type, className, text, isBusy, from, onPress }: Props) {
  const now = useNow();
  const leftS = from === null ? 0 : Math.ceil((from - now) / 1000);
  const waits = leftS > 0;
  return (
    <button
      type={type}
      className={className}
      aria-disabled={waits}
      disabled={isBusy}
      onClick={(event) => (waits ? event.preventDefault() : onPress?.())}
    >
      {text}
      {waits && ` (in ${Math.floor(leftS / 60)}:${String(leftS % 60).padStart(2, "0")})`}
    </button>
  );
}
