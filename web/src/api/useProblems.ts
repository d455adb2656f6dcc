import { useEffect, useState } from "react";
import { isUnreachable, type Problem } from "@taxirank/client";

import type { Connection } from "./connection";

/** The problems of the last request. "Cannot be reached" is removed when the socket reconnects. */
export function useProblems(connection: Connection) {
  const [problems, setProblems] = useState<Problem[]>([]);
  useEffect(
    () => connection.onReturn(() => setProblems((before) => before.filter((each) => !isUnreachable(each)))),
    [connection],
  );
  return [problems, setProblems] as const;
}
