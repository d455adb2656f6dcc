import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";

import { Account } from "./Account";
import { Connection, patience, type SocketState } from "./api/connection";
import { LogOut, Me, type Person } from "./api/operations";
import { isUnreachable, type Problem } from "./api/problems";
import { DriverDesk } from "./DriverDesk";
import { RiderDesk } from "./RiderDesk";
import { titleOf, type Seat } from "./seats";
import { SignIn } from "./SignIn";
import { useAnnounce } from "./ui/announcer";
import { Avatar } from "./ui/Avatar";
import { Problems } from "./ui/Problems";

interface Props {
  seat: Seat;
  isTab: boolean;
  isHidden: boolean;
  onToken: (id: string, token: string | null) => void;
  onNews: (id: string, text: string) => void;
  onRemove: ((id: string) => void) | null;
}

/** What a desk needs of the panel that it is on. */
export interface DeskProps {
  connection: Connection;
  person: Person;
  seatId: string;
  /** A word or two for the panel's tab; empty for none. */
  onNews: (text: string) => void;
}

const AWAY = "The server cannot be reached. Is it running? This page keeps trying.";
const ENDED = "Your session has ended. Log in again.";
const DELETED = "Your account is deleted.";

/** One person's panel: strangers sign up or log in, and then it is a rider's desk or a driver's. */
export function SeatPanel({ seat, isTab, isHidden, onToken, onNews, onRemove }: Props) {
  const { id, token } = seat;
  const [notice, setNotice] = useState<string | null>(null);
  const [takesFocus, setTakesFocus] = useState(false);
  const panel = useRef<HTMLElement>(null);
  const title = useRef<HTMLHeadingElement>(null);
  const announce = useAnnounce();
  const name = titleOf(seat);

  const leave = useCallback(
    (why: string | null) => {
      setNotice(why);
      if (why !== null) announce(`${name}: ${why}`);
      // What was pressed is gone; when the session just ends, something that had the focus may be.
      setTakesFocus(why !== ENDED || (panel.current?.contains(document.activeElement) ?? false));
      onToken(id, null);
      onNews(id, "");
    },
    [id, name, announce, onToken, onNews],
  );
  const end = useCallback(() => leave(ENDED), [leave]);
  const tell = useCallback((text: string) => onNews(id, text), [id, onNews]);

  useEffect(() => {
    if (token !== null || !takesFocus) return;
    title.current?.focus({ preventScroll: true });
    setTakesFocus(false);
  }, [token, takesFocus]);

  return (
    <section
      ref={panel}
      className={`panel ${seat.role.toLowerCase()}`}
      id={`panel-${id}`}
      role={isTab ? "tabpanel" : undefined}
      aria-labelledby={isTab ? `tab-${id}` : `title-${id}`}
      hidden={isHidden}
    >
      {token === null ? (
        <>
          <header className="panel-top">
            <h2 id={`title-${id}`} ref={title} tabIndex={-1}>
              {name}
            </h2>
            {onRemove && (
              <button type="button" className="quiet" onClick={() => onRemove(id)}>
                Remove
              </button>
            )}
          </header>
          <SignIn
            role={seat.role}
            notice={notice}
            hasAccount={notice === ENDED}
            onToken={(given) => {
              setNotice(null);
              setTakesFocus(true);
              onToken(id, given);
            }}
          />
        </>
      ) : (
        <Seated
          seat={seat}
          token={token}
          name={name}
          takesFocus={takesFocus}
          onToken={(given) => onToken(id, given)}
          onEnd={end}
          onLogOut={() => leave(null)}
          onDeleted={() => leave(DELETED)}
          onNews={tell}
        />
      )}
    </section>
  );
}

interface SeatedProps {
  seat: Seat;
  token: string;
  name: string;
  /** Somebody has just logged in here: the form that had the focus is gone. */
  takesFocus: boolean;
  /** The same person has another token now. */
  onToken: (token: string) => void;
  /** The session is over, and it was not this page that ended it. */
  onEnd: () => void;
  onLogOut: () => void;
  onDeleted: () => void;
  onNews: (text: string) => void;
}

function Seated({ seat, token, name, takesFocus, onToken, onEnd, onLogOut, onDeleted, onNews }: SeatedProps) {
  const [connection, setConnection] = useState<Connection | null>(null);
  const [attempt, setAttempt] = useState(0);
  const [person, setPerson] = useState<Person | null>(null);
  const [problems, setProblems] = useState<Problem[]>([]);
  const [isAccountOpen, setIsAccountOpen] = useState(false);
  const title = useRef<HTMLHeadingElement>(null);

  useEffect(() => {
    const opened = new Connection(token, onEnd);
    let isCurrent = true;
    setConnection(opened);
    setProblems([]);
    void meet();
    return () => {
      isCurrent = false;
      opened.close();
    };

    async function meet() {
      for (let tries = 0; isCurrent; tries += 1) {
        const { data, problems: found } = await opened.ask(Me, {});
        if (!isCurrent) return;
        setProblems(found.map((each) => (isUnreachable(each) ? { ...each, text: AWAY } : each)));
        if (data?.me) setPerson(data.me);
        else if (data) onEnd();
        if (!found.some(isUnreachable)) return;
        await patience(tries);
      }
    }
  }, [token, attempt, onEnd]);

  useEffect(() => {
    if (takesFocus) title.current?.focus({ preventScroll: true });
  }, [takesFocus]);

  async function logOut() {
    // That the server ends the session then is no news.
    connection?.close();
    await connection?.ask(LogOut, {});
    // Whether or not the server has heard of it, this page forgets the token.
    onLogOut();
  }

  return (
    <>
      <header className="panel-top">
        <h2 id={`title-${seat.id}`} ref={title} tabIndex={-1}>
          {person && <Avatar person={person} />}
          <span>
            <small>{name}</small>
            <span className="name">{person ? `${person.firstName} ${person.lastName}` : "…"}</span>
          </span>
        </h2>
        <div className="session">
          {connection && <Link connection={connection} who={name} />}
          {connection && person && (
            <button type="button" className="quiet" onClick={() => setIsAccountOpen(true)}>
              Account
            </button>
          )}
          <button type="button" className="quiet" onClick={() => void logOut()}>
            Log out
          </button>
        </div>
      </header>
      {connection && person && isAccountOpen && (
        <Account
          connection={connection}
          person={person}
          onPerson={setPerson}
          onToken={onToken}
          onDeleted={onDeleted}
          onClose={() => setIsAccountOpen(false)}
        />
      )}
      {connection && (
        <Lost connection={connection} problems={problems} onAgain={() => setAttempt((before) => before + 1)} />
      )}
      {connection && person && (
        <Desk key={attempt} connection={connection} person={person} seatId={seat.id} onNews={onNews} />
      )}
    </>
  );
}

function Desk(props: DeskProps) {
  return props.person.role === "RIDER" ? <RiderDesk {...props} /> : <DriverDesk {...props} />;
}

const STATES: Record<SocketState, string> = {
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Reconnecting…",
  lost: "Not connected",
};

/** How the socket stands, in a word. */
function Link({ connection, who }: { connection: Connection; who: string }) {
  const state = useSyncExternalStore(connection.listen, connection.readState);
  const announce = useAnnounce();
  const before = useRef(state);
  useEffect(() => {
    if (before.current === state) return;
    if (state === "reconnecting") announce(`${who}: the connection is lost, reconnecting`);
    else if (state === "live" && before.current === "reconnecting") announce(`${who}: connected again`);
    before.current = state;
  }, [state, who, announce]);
  return <span className={`link ${state}`}>{STATES[state]}</span>;
}

/** What to do when the connection does not come back by itself. */
function Lost({ connection, problems, onAgain }: { connection: Connection; problems: Problem[]; onAgain: () => void }) {
  const state = useSyncExternalStore(connection.listen, connection.readState);
  if (state !== "lost" && problems.length === 0) return null;
  return (
    <div className="lost">
      {state === "lost" && <p>The server has closed the connection. What you see may be old.</p>}
      <Problems problems={problems} />
      <button type="button" onClick={onAgain}>
        Connect again
      </button>
    </div>
  );
}
