import "./SignIn.css";
import "../../ui/Avatar.css";
import "../../ui/Notice.css";

import { useId, useState } from "react";
import { LogIn, LogOut, SignUp, userProblems, type Problem, type Role } from "@taxirank/client";

import type { Vehicle } from "../api/types";
import { Connection } from "../../api/connection";
import { Field } from "../../ui/Field";
import { photoOf, PhotoField } from "../../ui/PhotoField";
import { Problems } from "../../ui/Problems";
import { textOf, useForm } from "../../ui/useForm";
import { VEHICLE_FIELDS, VehicleFields, vehicleOf } from "./VehicleFields";

interface Props {
  role: Role;
  /** A message at the top, such as the reason of a log-out. */
  notice: string | null;
  /** Whether the user had an account and will probably log in again. */
  hasAccount: boolean;
  onToken: (token: string) => void;
}

const FIELDS = ["firstName", "lastName", "username", "email", "password1", "photo", "password", ...VEHICLE_FIELDS];

/** The form to sign up or log in with that role. */
export function SignIn({ role, notice, hasAccount, onToken }: Props) {
  const choiceId = useId();
  const [isNew, setIsNew] = useState(!hasAccount);
  const { problems, others, isBusy, add, clear, props } = useForm(FIELDS, async (data) => {
    const text = (name: string) => textOf(data, name);
    const [username, password] = [text("username").trim(), text(isNew ? "password1" : "password")];
    const failed = isNew
      ? await signUp({
          username,
          password1: password,
          password2: password,
          firstName: text("firstName"),
          lastName: text("lastName"),
          email: text("email").trim() || null,
          role,
          photo: photoOf(data),
          vehicle: role === "DRIVER" ? vehicleOf(data) : null,
        })
      : [];
    if (failed.length > 0) return failed;
    const outcome = await logIn(username, password, role);
    if (typeof outcome !== "string") return outcome;
    onToken(outcome);
    return [];
  });

  const isRider = role === "RIDER";
  return (
    <form className="sign-in" {...props} aria-label={isNew ? "Sign up" : "Log in"}>
      {notice && <p className="notice">{notice}</p>}
      <p className="lead">
        {isRider
          ? "Request trips, and watch your car come."
          : "See requests nearby, and be the first to accept one."}
      </p>
      <fieldset className="choice">
        <legend className="visually-hidden">Account</legend>
        <label>
          <input type="radio" name={choiceId} checked={isNew} onChange={() => choose(true)} />
          <span>New here</span>
        </label>
        <label>
          <input type="radio" name={choiceId} checked={!isNew} onChange={() => choose(false)} />
          <span>I have an account</span>
        </label>
      </fieldset>
      {isNew && (
        <div className="pair">
          <Field label="First name" name="firstName" autoComplete="off" required maxLength={150} problems={problems} />
          <Field label="Last name" name="lastName" autoComplete="off" required maxLength={150} problems={problems} />
        </div>
      )}
      <Field
        label="User name"
        name="username"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        required
        help={isNew ? "An e-mail address, or 3 characters or more" : undefined!}
        problems={problems}
      />
      {isNew ? (
        <Field
          key="new"
          label="Password"
          name="password1"
          type="password"
          autoComplete="new-password"
          required
          help="Hard to guess, such as a few unrelated words"
          problems={problems}
        />
      ) : (
        <Field
          key="old"
          label="Password"
          name="password"
          type="password"
          autoComplete="off"
          required
          problems={problems}
        />
      )}
      {isNew ? (
        <Field
          label="E-mail (optional)"
          name="email"
          type="email"
          autoComplete="off"
          help="With it you get back in if you forget your password"
          problems={problems}
        />
      ) : (
        <a className="forgotten" href="/forgot-password" target="_blank" rel="noreferrer">
          Forgot your password?
        </a>
      )}
      {isNew && (
        <PhotoField label="Photo (optional)" problems={problems} onProblem={add}>
          <span className="avatar large vacant" aria-hidden="true" />
        </PhotoField>
      )}
      {isNew && !isRider && <VehicleFields vehicle={null} isOptional problems={problems} />}
      <div className="actions">
        <Problems problems={others} />
        <button className="primary" type="submit" disabled={isBusy}>
          {isNew ? `Sign up as a ${role.toLowerCase()}` : "Log in"}
        </button>
      </div>
    </form>
  );

  function choose(wantsNew: boolean) {
    setIsNew(wantsNew);
    clear();
  }
}

type NewAccount = Parameters<typeof askToSignUp>[0];

async function signUp(account: NewAccount): Promise<Problem[]> {
  const { data, problems } = await askToSignUp(account);
  return data === null ? problems : userProblems(data.signUp.errors);
}

function askToSignUp(input: {
  username: string;
  password1: string;
  password2: string;
  firstName: string;
  lastName: string;
  email: string | null;
  role: Role;
  photo: File | null;
  vehicle: Vehicle | null;
}) {
  return new Connection("nobody").ask(SignUp, { input });
}

/** The token, or the reason why there is none. */
async function logIn(username: string, password: string, role: Role): Promise<string | Problem[]> {
  const { data, problems } = await new Connection("nobody").ask(LogIn, { username, password });
  if (data === null) return problems;
  const { token, user, errors } = data.logIn;
  if (token === null || user === null) return userProblems(errors);
  if (user.role === role) return token;
  // The account has the other role: end that session again.
  const connection = new Connection({ token });
  await connection.ask(LogOut, {});
  connection.close();
  const [theirs, ours] = [user.role.toLowerCase(), role.toLowerCase()];
  return [{ code: "OTHER_ROLE", text: `This is a ${theirs}'s account. Here a ${ours} can log in.` }];
}
