import type { Problem } from "../api/problems";

/** What went wrong, said at once to a screen reader; nothing when all is well. */
export function Problems({ problems, id }: { problems: Problem[]; id?: string }) {
  return (
    <div className="problems" role="alert" id={id}>
      {problems.map(({ code, text }) => (
        <p key={code + text}>
          {text} <code>{code}</code>
        </p>
      ))}
    </div>
  );
}
