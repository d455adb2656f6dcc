import { useEffect, type RefObject } from "react";

const LOOK_EVERY_MS = 300;
/** So long the button is marked before it is pressed, for the eyes of whoever watches. */
const MARKED_MS = 1_800;
const NEXT = "button[data-next]:not(:disabled, [aria-disabled='true'])";

/** While `isOn`, presses the buttons of a panel that lead on: those marked with `data-next`. */
export function useAutopilot(panel: RefObject<HTMLElement | null>, isOn: boolean): void {
  useEffect(() => {
    if (!isOn) return;
    let marked: { button: HTMLButtonElement; since: number } | null = null;
    const looking = setInterval(() => {
      const button = panel.current?.querySelector<HTMLButtonElement>(NEXT) ?? null;
      if (marked?.button !== button) {
        unmark();
        if (button) mark(button);
      } else if (marked && performance.now() - marked.since >= MARKED_MS) {
        const pressed = marked.button;
        unmark();
        pressed.click();
      }
    }, LOOK_EVERY_MS);
    return () => {
      clearInterval(looking);
      unmark();
    };

    function mark(button: HTMLButtonElement) {
      marked = { button, since: performance.now() };
      button.dataset["marked"] = "";
    }

    function unmark() {
      if (marked) delete marked.button.dataset["marked"];
      marked = null;
    }
  }, [panel, isOn]);
}
