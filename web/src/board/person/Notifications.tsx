import { useEffect, useState } from "react";
import type { Problem } from "@taxirank/client";

import type { Connection } from "../../api/connection";
import { Problems } from "../../ui/Problems";
import { canPush, isOn, pushKey, turnOff, turnOn } from "./push";

interface Props {
  connection: Connection;
  panelId: string;
}

/** The switch for messages to this browser; nothing where the server or the browser has none. */
export function Notifications({ connection, panelId }: Props) {
  const [key, setKey] = useState<string | null>(null);
  const [isSwitchedOn, setIsSwitchedOn] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [problems, setProblems] = useState<Problem[]>([]);

  useEffect(() => {
    let isCurrent = true;
    if (canPush()) void look();
    return () => {
      isCurrent = false;
    };

    async function look() {
      const [found, on] = await Promise.all([pushKey(connection), isOn(panelId)]);
      if (!isCurrent) return;
      setKey(found);
      setIsSwitchedOn(on);
    }
  }, [connection, panelId]);

  if (key === null) return null;

  async function change(on: boolean) {
    setIsSwitchedOn(on);
    setIsBusy(true);
    setProblems([]);
    setProblems(on ? await turnOn(connection, panelId, key!) : await turnOff(connection, panelId));
    setIsSwitchedOn(await isOn(panelId));
    setIsBusy(false);
  }

  return (
    <form aria-label="Notifications">
      <label className="check">
        <input
          type="checkbox"
          role="switch"
          checked={isSwitchedOn}
          disabled={isBusy}
          onChange={(event) => void change(event.target.checked)}
        />
        Notify me on this device
      </label>
      <p className="quiet-text">Also while this page is closed, until you log out.</p>
      <Problems problems={problems} />
    </form>
  );
}
