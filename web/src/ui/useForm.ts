import { useState, type FormEvent } from "react";
import { flushSync } from "react-dom";
import type { Problem } from "@taxirank/client";

import { focusOnFault } from "./faults";

/**
 * The state of a form. `problems`: the errors of the last submission, except those of fields that were edited since.
 * `others`: the problems that belong to none of `fields`. Spread `props` over the form.
 */
export function useForm(fields: readonly string[], send: (data: FormData) => Promise<Problem[]>) {
  const [problems, setProblems] = useState<Problem[]>([]);
  const [isBusy, setIsBusy] = useState(false);
  const [isDone, setIsDone] = useState(false);

  function hasField({ field }: Problem): boolean {
    return field !== undefined && fields.includes(field);
  }

  async function run(ask: () => Promise<Problem[]>): Promise<boolean> {
    setIsBusy(true);
    setIsDone(false);
    setProblems([]);
    const failed = await ask();
    flushSync(() => {
      setIsBusy(false);
      setIsDone(failed.length === 0);
      setProblems(failed);
    });
    return failed.length === 0;
  }

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    if (await run(() => send(new FormData(form)))) forgetPasswords(form);
    focusOnFault(form);
  }

  function forget({ target }: FormEvent<HTMLFormElement>) {
    const { name } = target as HTMLInputElement;
    setIsDone(false);
    setProblems((before) => before.filter((each) => hasField(each) && each.field !== name));
  }

  return {
    problems,
    others: problems.filter((each) => !hasField(each)),
    isBusy,
    isDone,
    /** Runs something else that the form offers, and shows its outcome. */
    run,
    add: (problem: Problem) => setProblems((before) => [...before, problem]),
    clear: () => setProblems([]),
    props: { onSubmit: (event: FormEvent<HTMLFormElement>) => void submit(event), onInput: forget },
  };
}

/** No password stays in a form that stays on the screen. */
function forgetPasswords(form: HTMLFormElement): void {
  for (const field of form.querySelectorAll<HTMLInputElement>('input[type="password"]')) field.value = "";
}

/** The values of the form. */
export function textOf(data: FormData, name: string): string {
  return String(data.get(name) ?? "");
}
