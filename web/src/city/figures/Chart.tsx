import "uplot/dist/uPlot.min.css";
import "./Chart.css";

import { useEffect, useId, useRef, useState } from "react";
import uPlot from "uplot";

import { followTheme } from "../../map/theme";

export interface Line {
  label: string;
  /** The name of a colour in base.css. */
  color: string;
  dash?: number[];
  values: readonly (number | null)[];
}

interface Props {
  title: string;
  /** The beginnings of the periods, in seconds since 1970. */
  times: readonly number[];
  lines: readonly Line[];
  /** A value in words. */
  inWords: (value: number | null) => string;
  /** A value at an axis. */
  atAxis: (value: number) => string;
  /** The beginning of a period in words. */
  when: (time: number) => string;
  /** What is said when no line has a value. */
  empty: string;
}

/** A chart over time, in the viewer's time zone, with its values in a table below it. */
export function Chart({ title, times, lines, inWords, atAxis, when, empty }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const format = useRef({ atAxis, inWords });
  format.current = { atAxis, inWords };
  const titleId = useId();
  const [at, setAt] = useState<number | null>(null);
  const isEmpty = lines.every(({ values }) => values.every((value) => !value));
  const kinds = lines.map(({ label, color, dash }) => [label, color, ...(dash ?? [])].join(" ")).join();

  useEffect(() => {
    const element = place.current!;
    const made = new uPlot(
      {
        ...sizeOf(element),
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        scales: { y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
        axes: [
          {
            stroke: () => read("--muted"),
            grid: { stroke: () => read("--line"), width: 1 },
            ticks: { show: false },
            font: FONT,
            size: 30,
            values: (_, splits) => splits.map(atTimeAxis),
          },
          {
            stroke: () => read("--muted"),
            grid: { stroke: () => read("--line"), width: 1 },
            ticks: { show: false },
            font: FONT,
            size: 56,
            values: (_, splits) => splits.map((value) => format.current.atAxis(value)),
          },
        ],
        series: [
          {},
          ...lines.map(({ label, color, dash }) => ({
            label,
            stroke: () => read(color),
            width: 2,
            // A line needs two values: one between gaps is a point.
            points: {
              show: true,
              size: 5,
              fill: () => read(color),
              filter: ({ data }: uPlot, series: number) => alone(data[series] ?? []),
            },
            ...(dash ? { dash } : {}),
          })),
        ],
        hooks: { setCursor: [({ cursor }) => setAt(cursor.idx ?? null)] },
      },
      [[], ...lines.map(() => [])] as unknown as uPlot.AlignedData,
      element,
    );
    chart.current = made;
    const resizing = new ResizeObserver(() => made.setSize(sizeOf(element)));
    resizing.observe(element);
    const endTheme = followTheme(element, () => made.redraw(false));
    return () => {
      endTheme();
      resizing.disconnect();
      made.destroy();
      chart.current = null;
    };
    // The lines of a chart change only with its kind.
  }, [kinds]);

  useEffect(() => {
    chart.current?.setData([times, ...lines.map(({ values }) => values)] as unknown as uPlot.AlignedData);
  }, [times, lines]);

  const last = times.length - 1;
  const shown = at !== null && at <= last ? at : null;
  return (
    <section className="chart" aria-labelledby={titleId}>
      <header>
        <h3 id={titleId}>{title}</h3>
        <ul className="lines" aria-hidden="true">
          {lines.map(({ label, color, dash, values }) => (
            <li key={label}>
              <svg viewBox="0 0 20 4" className="stroke">
                <line x1="0" x2="20" y1="2" y2="2" stroke={`var(${color})`} strokeDasharray={dash?.join(" ")} />
              </svg>
              {label} {shown !== null && <strong>{inWords(values[shown] ?? null)}</strong>}
            </li>
          ))}
        </ul>
        <small className="at" aria-hidden="true">
          {shown !== null ? when(times[shown]!) : ""}
        </small>
      </header>
      <div className="plot" ref={place} aria-hidden="true">
        {isEmpty && <p className="empty">{empty}</p>}
      </div>
      <details>
        <summary>
          {title} <span className="whole">as a table</span>
        </summary>
        <div className="scroller" tabIndex={0} role="region" aria-label={`${title}, table`}>
          <table>
            <thead>
              <tr>
                <th scope="col">From</th>
                {lines.map(({ label }) => (
                  <th key={label} scope="col">
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times
                .map((time, index) => ({ time, index }))
                .filter(({ index }) => lines.some(({ values }) => values[index]))
                .reverse()
                .map(({ time, index }) => (
                  <tr key={time}>
                    <th scope="row">{when(time)}</th>
                    {lines.map(({ label, values }) => (
                      <td key={label}>{inWords(values[index] ?? null)}</td>
                    ))}
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      </details>
    </section>
  );
}

const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** A time of day; at midnight the date. In the viewer's time zone. */
function atTimeAxis(time: number): string {
  const text = TIME.format(time * 1000);
  return text === "00:00" ? DATE.format(time * 1000) : text;
}

const FONT = "11px system-ui, sans-serif";

function read(name: string): string {
  // `light-dark()` is resolved only in a property that is a colour.
  const probe = document.getElementById("color-probe") ?? document.body.appendChild(newProbe());
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

function newProbe(): HTMLElement {
  const probe = document.createElement("span");
  probe.id = "color-probe";
  probe.hidden = true;
  return probe;
}

function sizeOf({ clientWidth, clientHeight }: HTMLElement) {
  return { width: Math.max(120, clientWidth), height: Math.max(80, clientHeight) };
}

/** The places of the values without a neighbour. */
function alone(values: ArrayLike<number | null | undefined>): number[] {
  return Array.from(values, (_, place) => place).filter(
    (place) => values[place] != null && values[place - 1] == null && values[place + 1] == null,
  );
}
