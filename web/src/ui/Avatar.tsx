import "./Avatar.css";

interface Props {
  person: { firstName: string; lastName: string; photo: string | null };
  size?: "small" | "large";
}

/** A user's photo or initials. Hidden from screen readers, because the name is next to it. */
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
