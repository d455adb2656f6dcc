import "./DutySwitch.css";

import { useState } from "react";
import { SetOnDuty, userProblems } from "@taxirank/client";

import type { Connection } from "../../api/connection";
import { useProblems } from "../../api/useProblems";
import { Problems } from "../../ui/Problems";

interface Props {
  connection: Connection;
  /** As the server says. It stays so across connections and sessions. */
  isOnDuty: boolean;
  hasTrip: boolean;
}

/** Goes on and off duty. The pool says when it has happened. */
export function DutySwitch({ connection, isOnDuty, hasTrip }: Props) {
  const [problems, setProblems] = useProblems(connection);
  const [isBusy, setIsBusy] = useState(false);

  async function change() {
    if (isBusy) return;
    setIsBusy(true);
    const { data, problems: failed } = await connection.ask(SetOnDuty, { onDuty: !isOnDuty });
    setIsBusy(false);
    setProblems(data === null ? failed : userProblems(data.setOnDuty.errors));
  }

  return (
    <div className="duty">
      <button
        type="button"
        role="switch"
        className="switch"
        aria-checked={isOnDuty}
        aria-disabled={isBusy}
        onClick={() => void change()}
      >
        On duty
      </button>
      {!isOnDuty && hasTrip && <small>No more offers after this trip</small>}
      <Problems problems={problems} />
    </div>
  );
}
