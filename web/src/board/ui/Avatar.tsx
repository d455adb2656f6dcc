import "./Avatar.css";

interface Props {
  person: { firstName: string; lastName: string; photo: string | null };
  size?: "small" | "large";
}

/** Somebody's photo, or their initials. The name stands beside it, so it says nothing to a screen reader. */
export function Avatar({ person, size = "small" }: Props) {
  return person.photo !== null ? (
    <img className={`avatar ${size}`} src={person.photo} alt="" data-photo={person.firstName} />
  ) : (
    <span className={`avatar ${size}`} aria-hidden="true">
      {person.firstName.slice(0, 1)}
      {person.lastName.slice(0, 1)}
    </span>
  );
}
