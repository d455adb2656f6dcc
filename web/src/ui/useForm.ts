import { useState, type FormEvent } from "react";
import { flushSync } from "react-dom";

import type { Problem } from "../api/problems";
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

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    setIsBusy(true);
    setIsDone(false);
    setProblems([]);
    const failed = await send(new FormData(form));
    flushSync(() => {
      setIsBusy(false);
      setIsDone(failed.length === 0);
      setProblems(failed);
    });
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
    add: (problem: Problem) => setProblems((before) => [...before, problem]),
    clear: () => setProblems([]),
    props: { onSubmit: (event: FormEvent<HTMLFormElement>) => void submit(event), onInput: forget },
  };
}

/** The values of the form. */
export function textOf(data: FormData, name: string): string {
  return String(data.get(name) ?? "");
}
