import { useEffect, useState } from "react";

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** A moment of today or so, by the clock. */
export function At({ moment }: { moment: string }) {
  return <time dateTime={moment}>{CLOCK.format(new Date(moment))}</time>;
}

/** How long until a moment: `9:41`. It ticks, and is silent to screen readers. */
export function Remaining({ until }: { until: string }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const ticking = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(ticking);
  }, []);
  const seconds = Math.max(0, Math.round((Date.parse(until) - now) / 1000));
  return (
    <span className="remaining" role="timer" aria-live="off">
      {Math.floor(seconds / 60)}:{String(seconds % 60).padStart(2, "0")}
    </span>
  );
}
