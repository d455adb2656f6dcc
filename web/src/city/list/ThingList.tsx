import "./ThingList.css";

import { useMemo, useRef, useState, type ReactNode } from "react";

import { Sign } from "../map/Sign";
import type { Kind } from "../map/signs";
import { isSame, pageOf, type City, type Driver, type Thing, type Trip } from "../model";
import { age, kindOf, standingOf, statusOf } from "../words";

const TABS = ["drivers", "requests", "trips"] as const;
type Tab = (typeof TABS)[number];
const TAB: Record<Tab, string> = { drivers: "Drivers", requests: "Open", trips: "Under way" };
/** So many rows are shown at first, and with each press of "more". */
const PAGE = 50;

interface Row {
  thing: Thing;
  kind: Kind;
  title: string;
  detail: string;
  /** How long ago, in seconds. */
  ageS: number;
}

type Column = "title" | "detail" | "age";
const HEADS: Record<Tab, Record<Column, string>> = {
  drivers: { title: "Driver", detail: "Status", age: "Seen" },
  requests: { title: "From → to", detail: "Rider", age: "Waits" },
  trips: { title: "From → to", detail: "Driver, status", age: "Since" },
};

interface Props {
  city: City | null;
  chosen: Thing | null;
  onChoose: (thing: Thing | null) => void;
  /** The keyboard is at a row, or at none any more. */
  onSeek: (thing: Thing | null) => void;
}

/** Everything that the map shows, in words: filtered, sorted, and a bounded number of rows. */
export function ThingList({ city, chosen, onChoose, onSeek }: Props) {
  const [tab, setTab] = useState<Tab>("drivers");
  const [text, setText] = useState("");
  const [sort, setSort] = useState<{ column: Column; isDown: boolean }>({ column: "age", isDown: true });
  const [most, setMost] = useState(PAGE);
  const all = useMemo(() => (city ? rowsOf(city) : { drivers: [], requests: [], trips: [] }), [city]);
  // While the pointer or the focus is on a row, the rows stay in place.
  const [isHeld, setHeld] = useState(false);
  const places = useRef<ReadonlyMap<string, number>>(new Map());
  const found = useMemo(() => {
    const rows = filtered(all[tab], text);
    const inOrder = isHeld ? inPlace(rows, places.current) : sorted(rows, sort);
    places.current = new Map(inOrder.map(({ thing }, place) => [thing.id, place]));
    return inOrder;
  }, [all, tab, text, sort, isHeld]);
  const heads = HEADS[tab];

  function head(column: Column): ReactNode {
    const isBy = sort.column === column;
    return (
      <th scope="col" aria-sort={isBy ? (sort.isDown ? "descending" : "ascending") : "none"}>
        <button
          type="button"
          className="quiet"
          onClick={() => setSort({ column, isDown: isBy ? !sort.isDown : column === "age" })}
        >
          {heads[column]} <span aria-hidden="true">{isBy ? (sort.isDown ? "↓" : "↑") : ""}</span>
        </button>
      </th>
    );
  }

  return (
    <section className="things" aria-labelledby="things">
      <h2 className="visually-hidden" id="things">
        On the map
      </h2>
      <div className="choice" role="group" aria-label="What the list shows">
        {TABS.map((name) => (
          <label key={name}>
            <input type="radio" name="tab" checked={tab === name} onChange={() => (setTab(name), setMost(PAGE))} />
            <span>
              {TAB[name]} <b>{all[name].length}</b>
            </span>
          </label>
        ))}
      </div>
      <input
        type="search"
        value={text}
        placeholder="Find a name, an address or an id"
        aria-label="Find a name, an address or an id"
        onChange={({ currentTarget }) => setText(currentTarget.value)}
      />
      <div className="rows" tabIndex={0} role="region" aria-label={`${TAB[tab]}, list`}>
        <table>
          <thead>
            <tr>
              {head("title")}
              {head("detail")}
              {head("age")}
            </tr>
          </thead>
          <tbody
            onMouseEnter={() => setHeld(true)}
            onMouseLeave={() => setHeld(false)}
            onFocus={() => setHeld(true)}
            onBlur={() => setHeld(false)}
          >
            {found.slice(0, most).map(({ thing, kind, title, detail, ageS }) => (
              <tr
                key={thing.id}
                className={isSame(thing, chosen) ? "chosen" : undefined}
                onMouseEnter={() => onChoose(thing)}
                onMouseLeave={() => onChoose(null)}
                onFocus={({ target }: { target: Element }) => {
                  onChoose(thing);
                  if (target.matches(":focus-visible")) onSeek(thing);
                }}
                onBlur={() => {
                  onChoose(null);
                  onSeek(null);
                }}
              >
                <th scope="row">
                  <Sign kind={kind} />
                  <a href={pageOf(thing)}>{title}</a>
                </th>
                <td>{detail}</td>
                <td className="number">{age(ageS)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {found.length === 0 && <p className="empty">{text ? "Nothing is found." : EMPTY[tab]}</p>}
        {found.length > most && (
          <p className="more">
            {most} of {found.length}.{" "}
            <button type="button" className="quiet" onClick={() => setMost(most + PAGE)}>
              Show {Math.min(PAGE, found.length - most)} more
            </button>
          </p>
        )}
      </div>
    </section>
  );
}

const EMPTY: Record<Tab, string> = {
  drivers: "No driver is on duty.",
  requests: "No request is open.",
  trips: "No trip is under way.",
};

function rowsOf(city: City): Record<Tab, Row[]> {
  const rows: Record<Tab, Row[]> = { drivers: [], requests: [], trips: [] };
  for (const driver of city.drivers.values()) rows.drivers.push(rowOfDriver(driver, city));
  for (const trip of city.trips.values()) rows[trip.status === "REQUESTED" ? "requests" : "trips"].push(rowOfTrip(trip, city));
  return rows;
}

function rowOfDriver(driver: Driver, city: City): Row {
  return {
    thing: { kind: "driver", id: driver.id },
    kind: kindOf(driver),
    title: driver.name,
    detail: standingOf(driver),
    ageS: (city.at - driver.seenAt) / 1000,
  };
}

function rowOfTrip(trip: Trip, city: City): Row {
  return {
    thing: { kind: "trip", id: trip.id },
    kind: trip.status === "REQUESTED" ? "request" : "under-way",
    title: `${trip.pickUpAddress} → ${trip.dropOffAddress}`,
    detail: trip.driver ? `${trip.driver.name}, ${statusOf(trip).toLowerCase()}` : `For ${trip.rider.name}`,
    ageS: (city.at - trip.requestedAt) / 1000,
  };
}

function filtered(rows: readonly Row[], text: string): readonly Row[] {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return rows;
  return rows.filter(
    ({ thing, title, detail }) =>
      thing.id.startsWith(wanted) || title.toLowerCase().includes(wanted) || detail.toLowerCase().includes(wanted),
  );
}

const compare = new Intl.Collator().compare;

function sorted(rows: readonly Row[], { column, isDown }: { column: Column; isDown: boolean }): Row[] {
  const sign = isDown ? -1 : 1;
  return [...rows].sort((a, b) => {
    const by = column === "age" ? a.ageS - b.ageS : compare(a[column], b[column]);
    return sign * by || (a.thing.id < b.thing.id ? -1 : 1);
  });
}

/** The rows at their places of before; new ones at the end. */
function inPlace(rows: readonly Row[], places: ReadonlyMap<string, number>): Row[] {
  const last = places.size;
  return [...rows].sort((a, b) => (places.get(a.thing.id) ?? last) - (places.get(b.thing.id) ?? last));
}
