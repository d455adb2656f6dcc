import "./Account.css";

import { useEffect, useId, useRef } from "react";
import { ChangePassword, DeleteMe, Me, UpdateMe, userProblems } from "@taxirank/client";

import type { Person } from "../api/types";
import type { Connection } from "../../api/connection";
import { Avatar } from "../../ui/Avatar";
import { Field } from "../../ui/Field";
import { photoOf, PhotoField } from "../../ui/PhotoField";
import { Problems } from "../../ui/Problems";
import { textOf, useForm } from "../../ui/useForm";
import { EmailForm } from "./EmailForm";
import { Notifications } from "./Notifications";
import { VehicleForm } from "./VehicleForm";

interface Props {
  connection: Connection;
  person: Person;
  panelId: string;
  onPerson: (person: Person) => void;
  /** The password was changed, and the session has a new token. */
  onToken: (token: string) => void;
  onDeleted: () => void;
  onClose: () => void;
}

/** The dialogue for changing what an account has, and for deleting it. */
export function Account({ connection, person, panelId, onPerson, onToken, onDeleted, onClose }: Props) {
  const id = useId();
  const dialogue = useRef<HTMLDialogElement>(null);
  useEffect(() => dialogue.current!.showModal(), []);
  // Some of it changes elsewhere: a link in a letter confirms the address, others rate.
  useEffect(() => {
    void connection.ask(Me, {}).then(({ data }) => data?.me && onPerson(data.me));
  }, [connection, onPerson]);
  // The browser's own close event comes later, and sometimes never.
  const close = () => {
    dialogue.current!.close();
    onClose();
  };

  return (
    <dialog className="account" ref={dialogue} aria-labelledby={id} onClose={onClose} onCancel={close}>
      <header className="panel-top">
        <h2 id={id}>Your account</h2>
        <button type="button" className="quiet" onClick={close}>
          Close
        </button>
      </header>
      <Appearance connection={connection} person={person} onPerson={onPerson} />
      {person.role === "DRIVER" && <VehicleForm connection={connection} person={person} onPerson={onPerson} isOptional />}
      <EmailForm connection={connection} person={person} onPerson={onPerson} />
      <Notifications connection={connection} panelId={panelId} />
      <Password connection={connection} onToken={onToken} />
      <Deletion connection={connection} isRider={person.role === "RIDER"} onDeleted={onDeleted} />
    </dialog>
  );
}

function Appearance({ connection, person, onPerson }: Pick<Props, "connection" | "person" | "onPerson">) {
  const form = useForm(["firstName", "lastName", "photo"], async (data) => {
    const photo = photoOf(data);
    const input = {
      firstName: textOf(data, "firstName"),
      lastName: textOf(data, "lastName"),
      ...(photo !== null || data.has("noPhoto") ? { photo } : {}),
    };
    const { data: answer, problems } = await connection.ask(UpdateMe, { input });
    if (answer?.updateMe.user) onPerson(answer.updateMe.user);
    return answer === null ? problems : userProblems(answer.updateMe.errors);
  });
  const { problems } = form;
  return (
    <form {...form.props} aria-label="Name and photo">
      <div className="pair">
        <Field
          label="First name"
          name="firstName"
          defaultValue={person.firstName}
          autoComplete="off"
          required
          maxLength={150}
          problems={problems}
        />
        <Field
          label="Last name"
          name="lastName"
          defaultValue={person.lastName}
          autoComplete="off"
          required
          maxLength={150}
          problems={problems}
        />
      </div>
      <PhotoField key={person.photo} label="Another photo" problems={problems} onProblem={form.add}>
        <Avatar person={person} size="large" />
      </PhotoField>
      {person.photo !== null && (
        <label className="check">
          <input type="checkbox" name="noPhoto" />
          No photo
        </label>
      )}
      <Problems problems={form.others} />
      <button type="submit" disabled={form.isBusy}>
        Save
      </button>
      <Done text={form.isDone ? "Saved." : ""} />
    </form>
  );
}

function Password({ connection, onToken }: Pick<Props, "connection" | "onToken">) {
  const form = useForm(["currentPassword", "password1"], async (data) => {
    const password = textOf(data, "password1");
    const input = { currentPassword: textOf(data, "currentPassword"), password1: password, password2: password };
    return connection.askToEnd(async () => {
      const { data: answer, problems } = await connection.ask(ChangePassword, { input });
      if (answer?.changePassword.token) onToken(answer.changePassword.token);
      return answer === null ? problems : userProblems(answer.changePassword.errors);
    });
  });

  return (
    <form {...form.props} aria-label="Password">
      <Field
        label="Current password"
        name="currentPassword"
        type="password"
        autoComplete="off"
        required
        problems={form.problems}
      />
      <Field
        label="New password"
        name="password1"
        type="password"
        autoComplete="new-password"
        required
        help="All your other sessions end"
        problems={form.problems}
      />
      <Problems problems={form.others} />
      <button type="submit" disabled={form.isBusy}>
        Change the password
      </button>
      <Done text={form.isDone ? "The password is changed." : ""} />
    </form>
  );
}

function Deletion({ connection, isRider, onDeleted }: Pick<Props, "connection" | "onDeleted"> & { isRider: boolean }) {
  const form = useForm(["password"], (data) =>
    connection.askToEnd(async () => {
      const { data: answer, problems } = await connection.ask(DeleteMe, { password: textOf(data, "password") });
      if (answer?.deleteMe.errors.length === 0) onDeleted();
      return answer === null ? problems : userProblems(answer.deleteMe.errors);
    }),
  );

  return (
    <details>
      <summary>Delete the account</summary>
      <form {...form.props} aria-label="Delete the account">
        <p className="quiet-text">
          Your name, photo, user name and e-mail address are deleted for good{isRider ? "" : ", and your car"}. Your trips stay,
          without them.{isRider && " A trip that has not begun yet is cancelled."}
        </p>
        <Field
          label="Your password, to confirm"
          name="password"
          type="password"
          autoComplete="off"
          required
          problems={form.problems}
        />
        <Problems problems={form.others} />
        <button type="submit" className="danger" disabled={form.isBusy}>
          Delete it for good
        </button>
      </form>
    </details>
  );
}

function Done({ text }: { text: string }) {
  return (
    <p className="done" role="status">
      {text}
    </p>
  );
}
