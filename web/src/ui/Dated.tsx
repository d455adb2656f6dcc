import "./Dated.css";

import { useEffect, useState } from "react";

const CLOCK = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** A date and time of day. */
export function At({ moment }: { moment: string }) {
  return <time dateTime={moment}>{CLOCK.format(new Date(moment))}</time>;
}

/** The time now, in milliseconds, each second anew. */
export function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const ticking = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(ticking);
  }, []);
  return now;
}

/** A countdown such as `9:41`. Hidden from screen readers. */
export function Remaining({ until }: { until: string }) {
  return <Clock seconds={(Date.parse(until) - useNow()) / 1000} />;
}

/** The time since a moment, such as `9:41`. Hidden from screen readers. */
export function Elapsed({ since }: { since: string }) {
  return <Clock seconds={(useNow() - Date.parse(since)) / 1000} />;
}

/** A countdown with words before it, such as `The car leaves in 4:12`, and those that stand there when it is over. */
export function Countdown({ to, before, after }: { to: string; before: string; after: string }) {
  const seconds = (Date.parse(to) - useNow()) / 1000;
  return seconds <= 0 ? (
    after
  ) : (
    <>
      {before} <Clock seconds={seconds} />
    </>
  );
}

function Clock({ seconds: exact }: { seconds: number }) {
  const seconds = Math.max(0, Math.round(exact));
  return (
    <span className="remaining" role="timer" aria-live="off">
      {Math.floor(seconds / 60)}:{String(seconds % 60).padStart(2, "0")}
    </span>
  );
}
