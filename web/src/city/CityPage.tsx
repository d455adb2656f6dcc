import "./CityPage.css";

import { useEffect, useState } from "react";

import { Announcer, useAnnounce } from "../ui/announcer";
import { useNow } from "../ui/Dated";
import { ThemeSwitch } from "../ui/theme";
import logo from "../favicon.svg";
import { Charts } from "./figures/Charts";
import { Counters } from "./figures/Counters";
import { useFigures, type Period } from "./figures/useFigures";
import { Legend } from "./Legend";
import { ThingList } from "./list/ThingList";
import { LiveMap } from "./map/LiveMap";
import type { Kind } from "./map/signs";
import type { City, Thing } from "./model";
import { useCity, type Watching } from "./useCity";
import { clock } from "./words";

/** The city, live: the page of staff. */
export function CityPage() {
  return (
    <Announcer>
      <Live />
    </Announcer>
  );
}

function Live() {
  const watching = useCity();
  const { city, link } = watching;
  const [hidden, setHidden] = useState<ReadonlySet<Kind>>(new Set());
  const [chosen, setChosen] = useState<Thing | null>(null);
  const [sought, setSought] = useState<Thing | null>(null);
  const [period, setPeriod] = useState<Period>("DAY");
  const known = useFigures(watching.connection, period);
  const isOver = link === "ended" || link === "refused";
  return (
    <>
      <header className="top">
        <h1>
          <img src={logo} alt="" width="36" height="36" />
          Taxirank <span className="tagline">live</span>
        </h1>
        <State watching={watching} />
        <nav className="tools" aria-label="Admin">
          <a className="quiet" href="/admin/trip/list">
            Trips
          </a>
          <a className="quiet" href="/admin/user/list">
            Users
          </a>
          <ThemeSwitch />
        </nav>
      </header>
      <main data-link={link}>
        {isOver ? (
          <Over link={link} />
        ) : (
          <>
            <Outages city={city} />
            <Counters city={city} known={known} />
            <div className="now">
              <div className="map-panel">
                <Legend city={city} hidden={hidden} onHide={setHidden} />
                <LiveMap
                  connection={watching.connection}
                  city={city}
                  hidden={hidden}
                  chosen={chosen}
                  onChoose={setChosen}
                  sought={sought}
                />
              </div>
              <ThingList city={city} chosen={chosen} onChoose={setChosen} onSeek={setSought} />
            </div>
            <Charts known={known} period={period} onPeriod={setPeriod} />
          </>
        )}
      </main>
    </>
  );
}

/** The server tells something once a second: if nothing comes for so long, the picture is old. */
const SILENCE_MS = 8_000;

/** Whether the page is live, in words. */
function State({ watching: { link, city, heardAt } }: { watching: Watching }) {
  const announce = useAnnounce();
  const now = useNow();
  const isSilent = link === "live" && heardAt !== null && now - heardAt > SILENCE_MS;
  const text = textOf();
  useEffect(() => announce(text), [announce, text]);

  function textOf(): string {
    if (link === "ended" || link === "refused") return "";
    if (link === "live" && !isSilent) return city === null ? "Loading the city" : "Live";
    if (heardAt === null) return link === "lost" ? "Not connected" : "Connecting";
    return `Offline since ${clock(heardAt)}, showing what was last known`;
  }

  return (
    <p className={`link ${isSilent ? "reconnecting" : link}`}>
      {text}
      {link === "lost" && (
        <button type="button" className="quiet" onClick={() => location.reload()}>
          Connect again
        </button>
      )}
    </p>
  );
}

function Over({ link }: { link: "ended" | "refused" }) {
  return (
    <section className="over" role="alert">
      <h2>{link === "ended" ? "Your session has ended" : "This page is for staff"}</h2>
      <p>
        {link === "ended"
          ? "Nothing is shown any more. Log in to see the city again."
          : "You are no longer a member of staff, so nothing is shown."}
      </p>
      <a className="button" href={`/admin/login?next=${encodeURIComponent(location.pathname)}`}>
        Log in
      </a>
    </section>
  );
}

const OUTAGE = {
  DATABASE: "The database does not answer: the trips and the counts are those of the last answer.",
  POSITIONS: "The positions cannot be read: some cars may be missing, or where they were last seen.",
};

function Outages({ city }: { city: City | null }) {
  return (
    <div role="status">
      {city?.outages.map((outage) => (
        <p key={outage} className="outage">
          {OUTAGE[outage]}
        </p>
      ))}
      {city?.isTruncated && <p className="outage">There are more drivers or trips than this page can show.</p>}
    </div>
  );
}
