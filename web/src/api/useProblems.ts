import { useEffect, useState } from "react";

import type { Connection } from "./connection";
import { isUnreachable, type Problem } from "./problems";

/** The problems of the last request. "Cannot be reached" is removed when the socket reconnects. */
export function useProblems(connection: Connection) {
  const [problems, setProblems] = useState<Problem[]>([]);
  useEffect(
    () => connection.onReturn(() => setProblems((before) => before.filter((each) => !isUnreachable(each)))),
    [connection],
  );
  return [problems, setProblems] as const;
}
