import { useCallback, useEffect, useRef, useState, useSyncExternalStore, type KeyboardEvent } from "react";

import { loadChosen, loadSeats, MOST_DRIVERS, storeChosen, storeSeats, titleOf, withDriver, type Seat } from "./seats";
import { SeatPanel } from "./SeatPanel";
import { Announcer } from "./ui/announcer";
import { ThemeSwitch } from "./ui/theme";
import logo from "../favicon.svg";

const NARROW = matchMedia("(max-width: 47.99rem)");

/** The live board: a rider and drivers, each somebody else, side by side; on a phone one at a time. */
export function App() {
  const [seats, setSeats] = useState(loadSeats);
  const [chosen, setChosen] = useState(() => loadChosen(seats));
  const [news, setNews] = useState<Record<string, string>>({});
  const isNarrow = useSyncExternalStore(listenToWidth, () => NARROW.matches);
  const isNew = seats.every(({ token }) => token === null);

  useEffect(() => storeSeats(seats), [seats]);
  useEffect(() => storeChosen(chosen), [chosen]);

  const change = useCallback((id: string, token: string | null) => {
    setSeats((before) => before.map((seat) => (seat.id === id ? { ...seat, token } : seat)));
  }, []);
  const tellNews = useCallback((id: string, text: string) => {
    setNews((before) => (before[id] === text ? before : { ...before, [id]: text }));
  }, []);

  function addDriver() {
    const more = withDriver(seats);
    setSeats(more);
    setChosen(more.at(-1)!.id);
  }

  function removeSeat(id: string) {
    setSeats(seats.filter((seat) => seat.id !== id));
    setChosen(seats[0]!.id);
  }

  const canAdd = seats.filter(({ role }) => role === "DRIVER").length < MOST_DRIVERS;
  return (
    <Announcer>
      <header className="top">
        <h1>
          <img src={logo} alt="" width="36" height="36" />
          Taxirank <span className="tagline">live board</span>
        </h1>
        <div className="tools">
          {canAdd && (
            <button type="button" className="quiet" onClick={addDriver}>
              Add a driver
            </button>
          )}
          <a className="quiet" href="/graphql">
            API
          </a>
          <ThemeSwitch />
        </div>
      </header>
      <main>
        {isNew && <Welcome />}
        {isNarrow && <Tabs seats={seats} chosen={chosen} news={news} onChoose={setChosen} />}
        <div className={`board of-${seats.length}`}>
          {seats.map((seat) => (
            <SeatPanel
              key={seat.id}
              seat={seat}
              isTab={isNarrow}
              isHidden={isNarrow && seat.id !== chosen}
              onToken={change}
              onNews={tellNews}
              onRemove={seat.role === "DRIVER" && seat.id !== "DRIVER-1" ? removeSeat : null}
            />
          ))}
        </div>
      </main>
    </Announcer>
  );
}

function Welcome() {
  return (
    <section className="welcome" aria-labelledby="welcome">
      <h2 id="welcome">A whole ride on one page</h2>
      <ol>
        <li>
          <strong>Sign up a rider and a driver.</strong> Each panel below is a person of its own, with a session of its own.
        </li>
        <li>
          <strong>Request a trip as the rider.</strong> Click the map twice: where you are, and where you want to go.
        </li>
        <li>
          <strong>Accept it as the driver, and drive.</strong> The rider watches the car come.
        </li>
      </ol>
      <p>
        To meet on two devices, open this page on both. To see a city at work, run <code>uv run server.py simulate</code> and
        sign up as a rider.
      </p>
    </section>
  );
}

interface TabsProps {
  seats: Seat[];
  chosen: string;
  news: Record<string, string>;
  onChoose: (id: string) => void;
}

function Tabs({ seats, chosen, news, onChoose }: TabsProps) {
  const list = useRef<HTMLDivElement>(null);

  function steer(event: KeyboardEvent) {
    const index = seats.findIndex(({ id }) => id === chosen);
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: seats.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + seats.length) % seats.length;
    onChoose(seats[next]!.id);
    list.current!.querySelectorAll<HTMLButtonElement>("[role=tab]")[next]!.focus();
  }

  return (
    <div className="tabs" role="tablist" aria-label="People" ref={list} onKeyDown={steer}>
      {seats.map((seat) => (
        <button
          key={seat.id}
          type="button"
          role="tab"
          id={`tab-${seat.id}`}
          aria-controls={`panel-${seat.id}`}
          aria-selected={seat.id === chosen}
          tabIndex={seat.id === chosen ? 0 : -1}
          onClick={() => onChoose(seat.id)}
        >
          {titleOf(seat)} {news[seat.id] && <span className="badge">{news[seat.id]}</span>}
        </button>
      ))}
    </div>
  );
}

function listenToWidth(listener: () => void): () => void {
  NARROW.addEventListener("change", listener);
  return () => NARROW.removeEventListener("change", listener);
}
