import "./Dated.css";

import { useEffect, useState } from "react";

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** A time of day, with the date if that is not today. */
export function At({ moment }: { moment: string }) {
  const date = new Date(moment);
  const isToday = date.toDateString() === new Date().toDateString();
  return (
    <time dateTime={moment}>
      {!isToday && `${DAY.format(date)}, `}
      {CLOCK.format(date)}
    </time>
  );
}

/** A countdown such as `9:41`. Hidden from screen readers. */
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
