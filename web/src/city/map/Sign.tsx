import { SIGNS, type Kind } from "./signs";

/** A sign of the map, for the legend and the list. Hidden from screen readers: the words are beside it. */
export function Sign({ kind }: { kind: Kind }) {
  if (kind === "under-way") {
    return (
      <svg className="sign" viewBox="-13 -13 26 26" aria-hidden="true">
        <path className="sign-line" d="M-11 7L-3-4L4 3L11-7" />
      </svg>
    );
  }
  const { path, fill, edge } = SIGNS[kind];
  return (
    <svg className="sign" viewBox={kind === "request" ? "-13 -30 26 32" : "-13 -13 26 26"} aria-hidden="true">
      <path d={path} fill={fill} stroke={edge} strokeWidth={fill === "none" ? 2.5 : 1.5} strokeLinejoin="round" />
    </svg>
  );
}
