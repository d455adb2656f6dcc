import "./PersonPanel.css";

import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { isUnreachable, LogOut, Me, type Problem } from "@taxirank/client";
import { TaxirankProvider } from "@taxirank/client/react";

import type { Person } from "../api/types";
import { Account } from "./Account";
import { Connection, backoff, type SocketState } from "../../api/connection";
import { useAutopilot } from "../demo/useAutopilot";
import { DriverPanel } from "../driver/DriverPanel";
import { RiderPanel } from "../rider/RiderPanel";
import { titleOf, type Panel } from "../panels";
import { forget, renew } from "./push";
import { SignIn } from "./SignIn";
import { useAnnounce } from "../../ui/announcer";
import { Avatar } from "../../ui/Avatar";
import { Problems } from "../../ui/Problems";
import { Stars } from "../../ui/Stars";

interface Props {
  panel: Panel;
  isTab: boolean;
  isHidden: boolean;
  onToken: (id: string, token: string | null) => void;
  onNews: (id: string, text: string) => void;
  /** The ride of the demo has ended. */
  onDemoOver: () => void;
  onRemove: ((id: string) => void) | null;
}

/** Props of `RiderPanel` and `DriverPanel`. */
export interface RolePanelProps {
  connection: Connection;
  person: Person;
  onPerson: (person: Person) => void;
  panelId: string;
  isDemo: boolean;
  onDemoOver: () => void;
  /** A word or two for the panel's tab; empty for none. */
  onNews: (text: string) => void;
}

const AWAY = "The server cannot be reached. Is it running? This page keeps trying.";
const ENDED = "Your session has ended. Log in again.";
const DELETED = "Your account is deleted.";

/** One person's panel: the form to sign up or log in, and then the rider's or driver's part. */
export function PersonPanel({ panel, isTab, isHidden, onToken, onNews, onDemoOver, onRemove }: Props) {
  const { id, token } = panel;
  const [notice, setNotice] = useState<string | null>(null);
  const [takesFocus, setTakesFocus] = useState(false);
  const section = useRef<HTMLElement>(null);
  const title = useRef<HTMLHeadingElement>(null);
  const announce = useAnnounce();
  const name = titleOf(panel);
  useAutopilot(section, panel.isDemo === true);

  const leave = useCallback(
    (why: string | null) => {
      setNotice(why);
      if (why !== null) announce(`${name}: ${why}`);
      // The pressed button no longer exists; if the session ended by itself, the focused element may not exist either.
      setTakesFocus(why !== ENDED || (section.current?.contains(document.activeElement) ?? false));
      onToken(id, null);
      onNews(id, "");
      void forget(id);
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
      ref={section}
      className={`panel ${panel.role.toLowerCase()}`}
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
            role={panel.role}
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
        <SignedIn
          panel={panel}
          token={token}
          name={name}
          takesFocus={takesFocus}
          onToken={(given) => onToken(id, given)}
          onEnd={end}
          onLogOut={() => leave(null)}
          onDeleted={() => leave(DELETED)}
          onNews={tell}
          onDemoOver={onDemoOver}
        />
      )}
    </section>
  );
}

interface SignedInProps {
  panel: Panel;
  token: string;
  name: string;
  /** The title takes the focus, because the log-in form that had it no longer exists. */
  takesFocus: boolean;
  /** The same person has a new token. */
  onToken: (token: string) => void;
  /** The session has ended, and this page did not end it. */
  onEnd: () => void;
  onLogOut: () => void;
  onDeleted: () => void;
  onNews: (text: string) => void;
  onDemoOver: () => void;
}

function SignedIn(props: SignedInProps) {
  const { panel, token, name, takesFocus, onToken, onEnd, onLogOut, onDeleted, onNews, onDemoOver } = props;
  const [connection, setConnection] = useState<Connection | null>(null);
  const [attempt, setAttempt] = useState(0);
  const [person, setPerson] = useState<Person | null>(null);
  const [problems, setProblems] = useState<Problem[]>([]);
  const [isAccountOpen, setIsAccountOpen] = useState(false);
  const title = useRef<HTMLHeadingElement>(null);

  useEffect(() => {
    const opened = new Connection({ token }, onEnd);
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
        if (data?.me) {
          setPerson(data.me);
          void renew(opened, panel.id);
        }
        else if (data) onEnd();
        if (!found.some(isUnreachable)) return;
        await backoff(tries);
      }
    }
  }, [token, attempt, panel.id, onEnd]);

  useEffect(() => {
    if (takesFocus) title.current?.focus({ preventScroll: true });
  }, [takesFocus]);

  async function logOut() {
    // This page ends the session, so the server's message about it is ignored.
    connection?.close();
    await connection?.ask(LogOut, {});
    // This page drops the token even if the server cannot be reached.
    onLogOut();
  }

  return (
    <>
      <header className="panel-top">
        <h2 id={`title-${panel.id}`} ref={title} tabIndex={-1}>
          {person && <Avatar person={person} />}
          <span>
            <small>
              {name} {person?.rating && <Stars rating={person.rating} />}
            </small>
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
          panelId={panel.id}
          onPerson={setPerson}
          onToken={onToken}
          onDeleted={onDeleted}
          onClose={() => setIsAccountOpen(false)}
        />
      )}
      {connection && (
        <Offline connection={connection} problems={problems} onAgain={() => setAttempt((before) => before + 1)} />
      )}
      {connection && person && (
        <TaxirankProvider key={attempt} connection={connection}>
          <RolePanel
            connection={connection}
            person={person}
            onPerson={setPerson}
            panelId={panel.id}
            isDemo={panel.isDemo === true}
            onDemoOver={onDemoOver}
            onNews={onNews}
          />
        </TaxirankProvider>
      )}
    </>
  );
}

function RolePanel(props: RolePanelProps) {
  return props.person.role === "RIDER" ? <RiderPanel {...props} /> : <DriverPanel {...props} />;
}

const STATES: Record<SocketState, string> = {
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Offline",
  lost: "Offline",
};

/** The state of the socket, in a word. */
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

/** Says that the panel is offline, and offers to connect again when the connection does not recover by itself. */
function Offline({ connection, problems, onAgain }: { connection: Connection; problems: Problem[]; onAgain: () => void }) {
  const state = useSyncExternalStore(connection.listen, connection.readState);
  const isOffline = state === "reconnecting" || state === "lost";
  if (!isOffline && problems.length === 0) return null;
  return (
    <div className="offline">
      {isOffline && (
        <p>
          <strong>Offline.</strong> What you see may be old.{" "}
          {state === "lost" ? "The server has closed the connection." : "This page keeps trying to reach the server."}
        </p>
      )}
      <Problems problems={problems} />
      {(state === "lost" || problems.length > 0) && (
        <button type="button" onClick={onAgain}>
          Connect again
        </button>
      )}
    </div>
  );
}
