import type { Values } from "./client.js";

/** The photo, separate from the variables, with null in its place, as the multipart request specification says. */
export function withoutPhoto(variables: Values): { variables: Values; files: Record<string, File> } {
  const photo: File | undefined = variables.input?.photo;
  if (photo === undefined) return { variables, files: {} };
  return {
    variables: { ...variables, input: { ...variables.input, photo: null } },
    files: { "variables.input.photo": photo },
  };
}
