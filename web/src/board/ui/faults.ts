/** Puts the focus on a form's first field that is wrong, else on its button, which was switched off while it was sent. */
export function focusOnFault(form: HTMLFormElement): void {
  const field = form.querySelector<HTMLElement>('[aria-invalid="true"]');
  (field ?? form.querySelector<HTMLElement>('[type="submit"]'))?.focus();
}
