import "./Problems.css";
import type { Problem } from "@taxirank/client";


/** A list of errors without duplicates, announced to screen readers immediately. Renders nothing without errors. */
export function Problems({ problems, id }: { problems: readonly Problem[]; id?: string }) {
  return (
    <div className="problems" role="alert" id={id}>
      {[...new Set(problems.map(({ text }) => text))].map((text) => (
        <p key={text}>{text}</p>
      ))}
    </div>
  );
}
