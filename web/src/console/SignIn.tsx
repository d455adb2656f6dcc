import { useEffect, useId, useState, type FormEvent } from "react";
import { flushSync } from "react-dom";

import { Connection } from "./api/connection";
import type { Role } from "./api/generated/graphql";
import { LogIn, LogOut, SignUp } from "./api/operations";
import { userProblems, type Problem } from "./api/problems";
import { focusOnFault } from "./ui/faults";
import { Field } from "./ui/Field";
import { Problems } from "./ui/Problems";

interface Props {
  role: Role;
  /** Why somebody is logged out, who will want to log in again. */
  notice: string | null;
  onToken: (token: string) => void;
}

const FIELDS = ["firstName", "lastName", "username", "password1", "photo", "password"];
const NO_PICTURE: Problem = { code: "NO_PICTURE", text: "This file is not a picture.", field: "photo" };

/** Sign up or log in as somebody of that role. */
export function SignIn({ role, notice, onToken }: Props) {
  const choiceId = useId();
  const [isNew, setIsNew] = useState(notice === null);
  const [isBusy, setIsBusy] = useState(false);
  const [problems, setProblems] = useState<Problem[]>([]);
  const [photo, setPhoto] = useState<File | null>(null);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    const text = (name: string) => String(data.get(name) ?? "");
    setIsBusy(true);
    setProblems([]);
    const [username, password] = [text("username").trim(), text(isNew ? "password1" : "password")];
    const failed = isNew
      ? await signUp({
          username,
          password1: password,
          password2: password,
          firstName: text("firstName"),
          lastName: text("lastName"),
          role,
          photo,
        })
      : [];
    const outcome = failed.length > 0 ? failed : await logIn(username, password, role);
    if (typeof outcome === "string") onToken(outcome);
    else {
      flushSync(() => {
        setProblems(outcome);
        setIsBusy(false);
      });
      focusOnFault(form);
    }
  }

  /** What was wrong with a field, or with the whole, was so before the field was changed. */
  function forget({ target }: FormEvent<HTMLFormElement>) {
    const { name } = target as HTMLInputElement;
    setProblems((before) => before.filter(({ field }) => isShown(field) && field !== name));
  }

  const isRider = role === "RIDER";
  return (
    <form
      className="sign-in"
      onSubmit={(event) => void submit(event)}
      onInput={forget}
      aria-label={isNew ? "Sign up" : "Log in"}
    >
      {notice && <p className="notice">{notice}</p>}
      <p className="lead">
        {isRider
          ? "Request trips, and watch your car come."
          : "See what riders ask for nearby, and be the first to take it."}
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
          help="Hard to guess: a few unrelated words do well"
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
      {isNew && (
        <div className="photo-choice">
          <Preview photo={photo} onBroken={() => setProblems((before) => [...before, NO_PICTURE])} />
          <Field
            label="Photo (optional)"
            name="photo"
            type="file"
            accept="image/jpeg,image/png,image/webp"
            onChange={(event) => setPhoto(event.currentTarget.files?.[0] ?? null)}
            problems={problems}
          />
        </div>
      )}
      <Problems problems={problems.filter(({ field }) => !isShown(field))} />
      <button className="primary" type="submit" disabled={isBusy}>
        {isNew ? `Sign up as a ${role.toLowerCase()}` : "Log in"}
      </button>
    </form>
  );

  function choose(wantsNew: boolean) {
    setIsNew(wantsNew);
    setProblems([]);
    setPhoto(null);
  }
}

/** Whether a problem with a field stands beside it. */
function isShown(field: string | undefined): boolean {
  return field !== undefined && FIELDS.includes(field);
}

function Preview({ photo, onBroken }: { photo: File | null; onBroken: () => void }) {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (photo === null) return;
    const made = URL.createObjectURL(photo);
    setUrl(made);
    return () => {
      setUrl(null);
      URL.revokeObjectURL(made);
    };
  }, [photo]);
  return url === null ? (
    <span className="avatar large vacant" aria-hidden="true" />
  ) : (
    <img
      className="avatar large"
      src={url}
      alt="The photo that you chose"
      onError={() => {
        setUrl(null);
        onBroken();
      }}
    />
  );
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
  role: Role;
  photo: File | null;
}) {
  return new Connection().ask(SignUp, { input });
}

/** The token, or why there is none. */
async function logIn(username: string, password: string, role: Role): Promise<string | Problem[]> {
  const { data, problems } = await new Connection().ask(LogIn, { username, password });
  if (data === null) return problems;
  const { token, user, errors } = data.logIn;
  if (token === null || user === null) return userProblems(errors);
  if (user.role === role) return token;
  // Somebody of the other role: end that session again.
  const connection = new Connection(token);
  await connection.ask(LogOut, {});
  connection.close();
  const [theirs, ours] = [user.role.toLowerCase(), role.toLowerCase()];
  return [{ code: "OTHER_ROLE", text: `This is a ${theirs}'s account. Here a ${ours} can log in.` }];
}
