import "./Party.css";

import type { ReactNode } from "react";

import { Avatar } from "../../ui/Avatar";
import { Stars } from "../../ui/Stars";

interface Props {
  person: {
    firstName: string;
    lastName: string;
    photo: string | null;
    rating?: { average: number; count: number } | null;
  };
  size?: "small" | "large";
  /** A line below the name. */
  note: ReactNode;
  /** What stands at the right: a time, as a rule. */
  children?: ReactNode;
}

/** The other party of a trip, or of an offer. */
export function Party({ person, size = "small", note, children }: Props) {
  return (
    <div className="party">
      <Avatar person={person} size={size} />
      <p className="who">
        <strong>
          {person.firstName} {person.lastName}
        </strong>
        {person.rating && <Stars rating={person.rating} />}
        <small>{note}</small>
      </p>
      {children}
    </div>
  );
}
