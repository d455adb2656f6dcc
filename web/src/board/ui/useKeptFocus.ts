import { useLayoutEffect, useRef, type RefObject } from "react";

/**
 * Keeps the focus of a keyboard within a part of the page, when what has it is switched off for a moment or is no more:
 * then `otherwise` gets it. Spread what is returned over the part's element.
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
    // Somebody has left it on purpose; of an element that goes, React tells nothing.
    onBlur: ({ target }: { target: HTMLElement }) => {
      if (!target.matches(":disabled")) last.current = null;
    },
  };
}
