import { useEffect, useState } from "react";

import type { Connection } from "./api/connection";
import { isUnreachable, type Problem } from "./api/problems";

/** What went wrong last. That the server could not be reached is forgotten once it can be. */
export function useProblems(connection: Connection) {
  const [problems, setProblems] = useState<Problem[]>([]);
  useEffect(
    () => connection.onReturn(() => setProblems((before) => before.filter((each) => !isUnreachable(each)))),
    [connection],
  );
  return [problems, setProblems] as const;
}
