import { useLayoutEffect, useRef, type RefObject } from "react";

/**
 * Keeps the keyboard focus within a part of the page. When the focused element is disabled or removed, `otherwise` gets
 * the focus. Spread the result over the part's element.
 */
export function useKeptFocus(otherwise: RefObject<HTMLElement | null>) {
  const last = useRef<HTMLElement | null>(null);
  useLayoutEffect(() => {
    if (last.current === null || document.activeElement !== document.body) return;
    if (!last.current.isConnected) otherwise.current?.focus({ preventScroll: true });
    else if (!last.current.matches(":disabled")) last.current.focus({ preventScroll: true });
  });
  return {
    onFocus: ({ target }: { target: HTMLElement }) => (last.current = target),
    // The user moved the focus. (React sends no event for an element that is removed.)
    onBlur: ({ target }: { target: HTMLElement }) => {
      if (!target.matches(":disabled")) last.current = null;
    },
  };
}
