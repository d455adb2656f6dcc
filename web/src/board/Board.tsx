import "./Board.css";

import { useCallback, useEffect, useRef, useState, useSyncExternalStore, type KeyboardEvent } from "react";

import { DemoBar, DemoButton } from "./demo/DemoBar";
import { loadChosen, loadPanels, MOST_DRIVERS, storeChosen, storePanels, titleOf, withDriver, type Panel } from "./panels";
import { PersonPanel } from "./person/PersonPanel";
import { Announcer } from "../ui/announcer";
import { Notice } from "../ui/Notice";
import { ThemeSwitch } from "../ui/theme";
import logo from "../favicon.svg";
import { useWantedTrip } from "./wantedTrip";

const NARROW = matchMedia("(max-width: 47.99rem)");

/** The board: panels of a rider and of drivers side by side; on a phone one at a time. */
export function Board() {
  const [panels, setPanels] = useState(loadPanels);
  const [chosen, setChosen] = useState(() => loadChosen(panels));
  const [news, setNews] = useState<Record<string, string>>({});
  const [isDemoOver, setIsDemoOver] = useState(false);
  const isNarrow = useSyncExternalStore(listenToWidth, () => NARROW.matches);
  const isNew = panels.every(({ token }) => token === null);

  useEffect(() => storePanels(panels), [panels]);
  useEffect(() => storeChosen(chosen), [chosen]);

  const change = useCallback((id: string, token: string | null) => {
    setPanels((before) => before.map((panel) => (panel.id === id ? withToken(panel, token) : panel)));
  }, []);
  const tellNews = useCallback((id: string, text: string) => {
    setNews((before) => (before[id] === text ? before : { ...before, [id]: text }));
  }, []);

  const endDemo = useCallback((isOver: boolean) => {
    setPanels((before) => before.map(({ isDemo: _, ...panel }) => panel));
    setIsDemoOver(isOver);
  }, []);
  const demoIsOver = useCallback(() => endDemo(true), [endDemo]);
  const isDemo = panels.some((panel) => panel.isDemo);
  const [hindrance, stopWanting] = useWantedTrip(panels, setChosen);

  function addDriver() {
    const more = withDriver(panels);
    setPanels(more);
    setChosen(more.at(-1)!.id);
  }

  function removePanel(id: string) {
    setPanels(panels.filter((panel) => panel.id !== id));
    setChosen(panels[0]!.id);
  }

  const canAdd = panels.filter(({ role }) => role === "DRIVER").length < MOST_DRIVERS;
  return (
    <Announcer>
      <header className="top">
        <h1>
          <img src={logo} alt="" width="36" height="36" />
          Taxirank <span className="tagline">board</span>
        </h1>
        <div className="tools">
          {canAdd && !isNarrow && (
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
        <div className="told" role="status">{hindrance && <Notice text={hindrance} onDismiss={stopWanting} />}</div>
        {isNew && <Welcome onDemo={setPanels} />}
        {(isDemo || isDemoOver) && <DemoBar isOver={!isDemo} onEnd={() => endDemo(false)} />}
        {isNarrow && (
          <div className="people">
            <Tabs panels={panels} chosen={chosen} news={news} onChoose={setChosen} />
            {canAdd && (
              <button type="button" className="quiet" aria-label="Add a driver" onClick={addDriver}>
                +
              </button>
            )}
          </div>
        )}
        <div className={`board of-${panels.length}`}>
          {panels.map((panel) => (
            <PersonPanel
              key={panel.id}
              panel={panel}
              isTab={isNarrow}
              isHidden={isNarrow && panel.id !== chosen}
              onToken={change}
              onNews={tellNews}
              onDemoOver={demoIsOver}
              onRemove={panel.role === "DRIVER" && panel.id !== "DRIVER-1" ? removePanel : null}
            />
          ))}
        </div>
      </main>
    </Announcer>
  );
}

function Welcome({ onDemo }: { onDemo: (panels: Panel[]) => void }) {
  return (
    <section className="welcome" aria-labelledby="welcome">
      <h2 id="welcome">A whole ride on one page</h2>
      <DemoButton onBegin={onDemo} />
      <ol>
        <li>
          <strong>Sign up a rider and a driver.</strong> Each panel below is one person, with a session of their own.
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
  panels: Panel[];
  chosen: string;
  news: Record<string, string>;
  onChoose: (id: string) => void;
}

function Tabs({ panels, chosen, news, onChoose }: TabsProps) {
  const list = useRef<HTMLDivElement>(null);

  useEffect(() => {
    // Of many tabs the chosen one is in sight. (`scrollIntoView` would move the page too.)
    const tab = list.current!.querySelector<HTMLElement>("[aria-selected=true]")!;
    const { left, right } = list.current!.getBoundingClientRect();
    const at = tab.getBoundingClientRect();
    list.current!.scrollLeft += Math.min(0, at.left - left) + Math.max(0, at.right - right);
  }, [chosen, panels, news]);

  function steer(event: KeyboardEvent) {
    const index = panels.findIndex(({ id }) => id === chosen);
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: panels.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + panels.length) % panels.length;
    onChoose(panels[next]!.id);
    list.current!.querySelectorAll<HTMLButtonElement>("[role=tab]")[next]!.focus();
  }

  return (
    <div className="tabs" role="tablist" aria-label="People" ref={list} onKeyDown={steer}>
      {panels.map((panel) => (
        <button
          key={panel.id}
          type="button"
          role="tab"
          id={`tab-${panel.id}`}
          aria-controls={`panel-${panel.id}`}
          aria-selected={panel.id === chosen}
          tabIndex={panel.id === chosen ? 0 : -1}
          onClick={() => onChoose(panel.id)}
        >
          {titleOf(panel)} {news[panel.id] && <span className="badge">{news[panel.id]}</span>}
        </button>
      ))}
    </div>
  );
}

/** Whoever logs out is no demo any more. */
function withToken({ isDemo, ...panel }: Panel, token: string | null): Panel {
  return { ...panel, token, ...(isDemo && token !== null ? { isDemo } : {}) };
}

function listenToWidth(listener: () => void): () => void {
  NARROW.addEventListener("change", listener);
  return () => NARROW.removeEventListener("change", listener);
}
