import { useState } from "react";
import { ChangeEmail, SendConfirmation, userProblems, type Problem } from "@taxirank/client";

import type { Person } from "../api/types";
import type { Connection } from "../../api/connection";
import { Field } from "../../ui/Field";
import { Problems } from "../../ui/Problems";
import { textOf, useForm } from "../../ui/useForm";

interface Props {
  connection: Connection;
  person: Person;
  onPerson: (person: Person) => void;
}

/** The server sends one link an hour. */
function inHour(problem: Problem): Problem {
  return problem.code === "RATE_LIMITED"
    ? { ...problem, text: "A link was sent within the last hour. Look into the spam folder too." }
    : problem;
}

/** Changes or removes the account's e-mail address, and sends the link again that confirms it. */
export function EmailForm({ connection, person, onPerson }: Props) {
  const { email, emailVerifiedAt } = person;
  const [done, setDone] = useState("");
  const form = useForm(["email", "currentPassword"], async (data) => {
    const wanted = textOf(data, "email").trim() || null;
    const input = { email: wanted, currentPassword: textOf(data, "currentPassword") };
    const { data: answer, problems } = await connection.ask(ChangeEmail, { input });
    if (answer?.changeEmail.user) onPerson(answer.changeEmail.user);
    setDone(wanted === null ? "Your account has no e-mail address now." : `Saved. A link is on its way to ${wanted}.`);
    return answer === null ? problems : userProblems(answer.changeEmail.errors);
  });

  async function sendAgain(): Promise<void> {
    await form.run(async () => {
      const { data: answer, problems } = await connection.ask(SendConfirmation, {});
      setDone(`Another link is on its way to ${email}.`);
      return answer === null ? problems.map(inHour) : userProblems(answer.requestEmailVerification.errors);
    });
  }

  return (
    <form {...form.props} aria-label="E-mail address">
      <Field
        label="E-mail address"
        name="email"
        type="email"
        defaultValue={email ?? ""}
        autoComplete="off"
        help={
          email === null
            ? "With it you get back in if you forget your password"
            : emailVerifiedAt === null
              ? "Not confirmed yet: open the link that was sent to it"
              : "Confirmed. It gets you back in if you forget your password"
        }
        problems={form.problems}
      />
      <Field
        label="Your password, to change the address"
        name="currentPassword"
        type="password"
        autoComplete="off"
        required
        problems={form.problems}
      />
      <Problems problems={form.others} />
      <div className="buttons">
        <button type="submit" disabled={form.isBusy}>
          Change the address
        </button>
        {email !== null && emailVerifiedAt === null && (
          <button type="button" className="quiet" disabled={form.isBusy} onClick={() => void sendAgain()}>
            Send the link again
          </button>
        )}
      </div>
      <p className="done" role="status">
        {form.isDone ? done : ""}
      </p>
    </form>
  );
}
