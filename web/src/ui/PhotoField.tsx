import "./Avatar.css";
import "./PhotoField.css";

import { useEffect, useState, type ReactNode } from "react";
import type { Problem } from "@taxirank/client";

import { Field } from "./Field";

const NAME = "photo";
const NO_PICTURE: Problem = { code: "NO_PICTURE", text: "This file is not a picture.", field: NAME };

interface Props {
  label: string;
  /** Shown until a photo is chosen. */
  children: ReactNode;
  problems: Problem[];
  onProblem: (problem: Problem) => void;
}

/** A file input for a photo, with a preview. */
export function PhotoField({ label, children, problems, onProblem }: Props) {
  const [photo, setPhoto] = useState<File | null>(null);
  const [url, setUrl] = useState<string | null>(null);

  useEffect(() => {
    if (photo === null) return;
    const made = URL.createObjectURL(photo);
    setUrl(made);
    return () => {
      setUrl(null);
      URL.revokeObjectURL(made);
    };
  }, [photo]);

  return (
    <div className="photo-choice">
      {url === null ? (
        children
      ) : (
        <img
          className="avatar large"
          src={url}
          alt="The photo that you chose"
          onError={() => {
            setUrl(null);
            onProblem(NO_PICTURE);
          }}
        />
      )}
      <Field
        label={label}
        name={NAME}
        type="file"
        accept="image/jpeg,image/png,image/webp"
        onChange={(event) => setPhoto(event.currentTarget.files?.[0] ?? null)}
        problems={problems}
      />
    </div>
  );
}

/** The chosen photo of a form, if there is one. */
export function photoOf(data: FormData): File | null {
  const file = data.get(NAME);
  return file instanceof File && file.size > 0 ? file : null;
}
