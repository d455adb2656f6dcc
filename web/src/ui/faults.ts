/** Focuses a form's first invalid field, otherwise its button, which lost the focus while it was disabled. */
export function focusOnFault(form: HTMLFormElement): void {
  const field = form.querySelector<HTMLElement>('[aria-invalid="true"]');
  (field ?? form.querySelector<HTMLElement>('[type="submit"]'))?.focus();
}
