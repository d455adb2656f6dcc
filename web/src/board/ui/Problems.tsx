import "./Problems.css";

import type { Problem } from "../api/problems";

/** What went wrong, each thing once, said at once to a screen reader; nothing when all is well. */
export function Problems({ problems, id }: { problems: Problem[]; id?: string }) {
  return (
    <div className="problems" role="alert" id={id}>
      {[...new Set(problems.map(({ text }) => text))].map((text) => (
        <p key={text}>{text}</p>
      ))}
    </div>
  );
}
