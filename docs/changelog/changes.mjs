/** The changes between two schemas, by graphql-inspector, and which of them break clients without notice. */
import { ChangeType, CriticalityLevel, diff } from "@graphql-inspector/core";
import { buildSchema, isEnumType, isInputObjectType, isInterfaceType, isObjectType } from "graphql";

/**
 * What a change is for a client:
 *
 * - `broken`: it breaks clients, and no deprecation announced it.
 * - `removed`: it was deprecated in the older schema.
 * - `dangerous`: it may surprise a client, such as a new value of an enum.
 * - `safe`: everything else.
 *
 * @typedef {{ kind: "broken" | "removed" | "dangerous" | "safe", message: string }} Change
 */

/**
 * The changes from one schema to another; both as SDL. Changes of descriptions are left out.
 *
 * @param {string} olderText
 * @param {string} newerText
 * @returns {Promise<Change[]>} in the order of kinds, then of the alphabet
 */
export async function changes(olderText, newerText) {
  const [older, newer] = [olderText, newerText].map((text) => buildSchema(text));
  const found = (await diff(older, newer)).filter(({ type }) => !type.includes("DESCRIPTION"));
  const kinds = ["broken", "removed", "dangerous", "safe"];
  return found
    .map((change) => ({ kind: kindOf(older, change), message: change.message }))
    .sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || (a.message < b.message ? -1 : 1));
}

function kindOf(older, change) {
  switch (change.criticality.level) {
    case CriticalityLevel.Breaking:
      return wasDeprecated(older, change) ? "removed" : "broken";
    case CriticalityLevel.Dangerous:
      return "dangerous";
    default:
      return "safe";
  }
}

/** Whether the removed element had been deprecated. */
function wasDeprecated(older, { type: kind, path }) {
  const [typeName, name, argument] = path.split(".");
  const type = older.getType(typeName);
  switch (kind) {
    case ChangeType.FieldRemoved:
    case ChangeType.FieldArgumentRemoved: {
      if (!isObjectType(type) && !isInterfaceType(type)) return false;
      const field = type.getFields()[name];
      return isDeprecated(argument === undefined ? field : field.args.find((arg) => arg.name === argument));
    }
    case ChangeType.InputFieldRemoved:
      return isInputObjectType(type) && isDeprecated(type.getFields()[name]);
    case ChangeType.EnumValueRemoved:
      return isEnumType(type) && isDeprecated(type.getValue(name));
    case ChangeType.TypeRemoved:
      // A type that is in use goes with the fields that lead to it, and they are looked at.
      return true;
    default:
      return false;
  }
}

function isDeprecated(element) {
  return typeof element?.deprecationReason === "string";
}
