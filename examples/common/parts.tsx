/** What the screens of both apps are made of. Nothing here asks the server. */
import type { CreateTripInput, Problem, Role, SignUpInput, SocketState } from "@taxirank/client";
import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from "react";

import { PLACES } from "./places";

/** Each text once: without a server everything fails alike. */
export function Problems({ problems }: { problems: readonly Problem[] }) {
  return (
    <div role="alert">
      {[...new Set(problems.map(({ text }) => text))].map((text) => (
        <p className="problem" key={text}>
          {text}
        </p>
      ))}
    </div>
  );
}

const LINKS: Record<SocketState, string> = {
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Connection lost. What you see may be old.",
  ended: "Your session has ended.",
  lost: "The server refuses this page. Reload it.",
};

/** Whether what the screen shows is current. */
export function Link({ link, onLogIn }: { link: SocketState; onLogIn: () => void }) {
  return (
    <div className="link" data-link={link}>
      <p role="status">{LINKS[link]}</p>
      {link === "ended" && <button onClick={onLogIn}>Log in</button>}
    </div>
  );
}

/** A part of a screen, under its heading, which says what has changed. */
export function Card({ title, children }: { title: string; children: ReactNode }) {
  const id = useId();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // The button that was pressed has gone with what it did.
    if (document.activeElement === document.body) heading.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <section className="card" aria-labelledby={id}>
      <h2 id={id} ref={heading} tabIndex={-1} aria-live="polite">
        {title}
      </h2>
      {children}
    </section>
  );
}

interface Field {
  label: string;
  name: string;
  type?: string;
  autoComplete: string;
}

const NAMES: readonly Field[] = [
  { label: "First name", name: "firstName", autoComplete: "given-name" },
  { label: "Last name", name: "lastName", autoComplete: "family-name" },
];

export interface SignInFormProps {
  isBusy: boolean;
  problems: readonly Problem[];
  onSignUp: (input: SignUpInput) => void;
  onLogIn: (username: string, password: string) => void;
}

/** Creates an account, or logs in to one. */
export function SignInForm({ isBusy, problems, onSignUp, onLogIn }: SignInFormProps) {
  const [isNew, setIsNew] = useState(true);
  const password: Field = { label: "Password", name: "password", type: "password", autoComplete: isNew ? "new-password" : "current-password" };
  const fields: Field[] = [...(isNew ? NAMES : []), { label: "User name", name: "username", autoComplete: "username" }, password];

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const entered = new FormData(event.currentTarget);
    const text = (name: string) => String(entered.get(name) ?? "");
    if (!isNew) return onLogIn(text("username"), text("password"));
    onSignUp({
      username: text("username"),
      password1: text("password"),
      password2: text("password"),
      firstName: text("firstName"),
      lastName: text("lastName"),
      role: text("role") as Role,
    });
  }

  return (
    <Card title={isNew ? "Sign up" : "Log in"}>
      <form onSubmit={submit}>
        {isNew && (
          <fieldset>
            <legend>I am a</legend>
            <label>
              <input type="radio" name="role" value="RIDER" defaultChecked /> Rider
            </label>
            <label>
              <input type="radio" name="role" value="DRIVER" /> Driver
            </label>
          </fieldset>
        )}
        {fields.map(({ label, name, type = "text", autoComplete }) => (
          <label className="field" key={name}>
            {label}
            <input
              name={name}
              type={type}
              autoComplete={autoComplete}
              required
              aria-invalid={problems.some(({ field }) => field?.startsWith(name))}
            />
          </label>
        ))}
        <Problems problems={problems} />
        <button className="primary" disabled={isBusy}>
          {isNew ? "Sign up" : "Log in"}
        </button>
        <button type="button" className="quiet" onClick={() => setIsNew(!isNew)}>
          {isNew ? "I have an account" : "I am new here"}
        </button>
      </form>
    </Card>
  );
}

/** Asks where a ride begins and ends. */
export function RequestForm({ isBusy, onRequest }: { isBusy: boolean; onRequest: (input: CreateTripInput) => void }) {
  const [ends, setEnds] = useState([0, 3]);
  const field = (label: string, index: number) => (
    <label className="field">
      {label}
      <select value={ends[index]} onChange={({ target }) => setEnds(ends.with(index, Number(target.value)))}>
        {PLACES.map(({ name }, place) => (
          <option key={name} value={place}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const [from, to] = ends.map((place) => PLACES[place]!);
        onRequest({ pickUpAddress: from!.name, pickUp: from!.point, dropOffAddress: to!.name, dropOff: to!.point });
      }}
    >
      {field("From", 0)}
      {field("To", 1)}
      <button className="primary" disabled={isBusy}>
        Request a trip
      </button>
    </form>
  );
}
