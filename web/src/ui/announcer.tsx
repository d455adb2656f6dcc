import { createContext, useCallback, useContext, useState, type ReactNode } from "react";

const Announce = createContext<(text: string) => void>(() => undefined);

/** Announces changes to screen readers, without interrupting them. */
export function useAnnounce(): (text: string) => void {
  return useContext(Announce);
}

export function Announcer({ children }: { children: ReactNode }) {
  const [said, setSaid] = useState<{ id: number; text: string }[]>([]);
  const announce = useCallback((text: string) => {
    // Keep the last few, so that two messages at the same moment are both read.
    setSaid((before) => [...before.slice(-4), { id: (before.at(-1)?.id ?? 0) + 1, text }]);
  }, []);
  return (
    <Announce value={announce}>
      {children}
      <div className="visually-hidden" role="log" aria-live="polite" aria-label="What has happened">
        {said.map(({ id, text }) => (
          <p key={id}>{text}</p>
        ))}
      </div>
    </Announce>
  );
}
