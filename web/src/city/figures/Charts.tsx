import "./Charts.css";

import { useMemo } from "react";

import { totalOf } from "../api/city";
import { duration } from "../words";
import { Chart, type Line } from "./Chart";
import type { Known, Period } from "./useFigures";

const PERIODS: Record<Period, string> = { DAY: "A day", WEEK: "A week" };
const HOUR = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

interface Props {
  known: Known | null;
  period: Period;
  onPeriod: (period: Period) => void;
}

/** The figures over a day or a week. */
export function Charts({ known, period, onPeriod }: Props) {
  const { times, trips, waits } = useMemo(() => linesOf(known), [known]);
  const empty = known === null ? "Loading the figures" : `No trips in the last ${period.toLowerCase()}.`;
  return (
    <section className="over-time" aria-labelledby="over-time">
      <div className="period">
        <h2 id="over-time">Over time</h2>
        <div className="choice" role="group" aria-label="Period">
          {(Object.keys(PERIODS) as Period[]).map((each) => (
            <label key={each}>
              <input type="radio" name="period" checked={period === each} onChange={() => onPeriod(each)} />
              <span>{PERIODS[each]}</span>
            </label>
          ))}
        </div>
      </div>
      <div className="charts">
        <Chart title="Trips" times={times} lines={trips} inWords={count} atAxis={count} when={at} empty={empty} />
        <Chart
          title="Time to accept"
          times={times}
          lines={waits}
          inWords={duration}
          atAxis={(seconds) => (seconds < 120 ? `${Number(seconds.toFixed(1))} s` : `${Math.round(seconds / 60)} min`)}
          when={at}
          empty={known === null ? empty : `No trip was accepted in the last ${period.toLowerCase()}.`}
        />
      </div>
    </section>
  );
}

function linesOf(known: Known | null): { times: number[]; trips: Line[]; waits: Line[] } {
  const parts = known?.figures.overTime.parts ?? [];
  return {
    times: parts.map(({ start }) => Date.parse(start) / 1000),
    trips: [
      { label: "Requested", color: "--blue", values: parts.map(({ requested }) => requested) },
      { label: "Completed", color: "--green", dash: [8, 3], values: parts.map(({ completed }) => completed) },
      { label: "Cancelled", color: "--red", dash: [2, 3], values: parts.map(({ cancelled }) => totalOf(cancelled)) },
      { label: "Expired", color: "--star", dash: [5, 3, 1, 3], values: parts.map(({ expired }) => expired) },
    ],
    waits: [
      { label: "p50", color: "--blue", values: parts.map(({ timeToAccept }) => timeToAccept?.p50S ?? null) },
      { label: "p99", color: "--red", dash: [4, 3], values: parts.map(({ timeToAccept }) => timeToAccept?.p99S ?? null) },
    ],
  };
}

function count(value: number | null): string {
  return value === null ? "–" : Number.isInteger(value) ? String(value) : "";
}

function at(time: number): string {
  return HOUR.format(time * 1000);
}
