/**
 * Finds changes that break clients of an older schema. Run as `node schema-changes.js OLD NEW [OLD NEW ...]`, it prints for
 * each pair a line of JSON with the breaking changes, without removals of deprecated elements.
 */
import { readFileSync } from "node:fs";
import { ChangeType, CriticalityLevel, diff, type Change } from "@graphql-inspector/core";
import { buildSchema, isEnumType, isInputObjectType, isInterfaceType, isObjectType, type GraphQLSchema } from "graphql";

const files = process.argv.slice(2);
for (let i = 0; i < files.length; i += 2) {
  const [older, newer] = files.slice(i, i + 2).map((file) => buildSchema(readFileSync(file, "utf8")));
  const breaking = (await diff(older!, newer!)).filter(
    (change) => change.criticality.level === CriticalityLevel.Breaking && !wasDeprecated(older!, change),
  );
  console.log(JSON.stringify(breaking.map(({ message }) => message)));
}

/** Whether the removed element had been deprecated. */
function wasDeprecated(older: GraphQLSchema, { type: kind, path }: Change): boolean {
  const [typeName, name, argument] = path!.split(".");
  const type = older.getType(typeName!);
  switch (kind) {
    case ChangeType.FieldRemoved:
    case ChangeType.FieldArgumentRemoved: {
      if (!isObjectType(type) && !isInterfaceType(type)) return false;
      const field = type.getFields()[name!]!;
      return isDeprecated(argument === undefined ? field : field.args.find((arg) => arg.name === argument));
    }
    case ChangeType.InputFieldRemoved:
      return isInputObjectType(type) && isDeprecated(type.getFields()[name!]);
    case ChangeType.EnumValueRemoved:
      return isEnumType(type) && isDeprecated(type.getValue(name!));
    case ChangeType.TypeRemoved:
      // A type that is in use goes with the fields that lead to it, and they are looked at.
      return true;
    default:
      return false;
  }
}

function isDeprecated(element: { deprecationReason?: string | null } | null | undefined): boolean {
  return typeof element?.deprecationReason === "string";
}
