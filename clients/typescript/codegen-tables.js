/** Plugins of the code generator: what caches must know of the schema. */
import { isAbstractType, isLeafType, isListType, isNonNullType, isObjectType } from "graphql";

/** The kind of output is the configuration: `types`, or `introspection` for graphcache. */
export function plugin(schema, _documents, { of }) {
  const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith("__"));
  return of === "types" ? tables(schema, types) : introspection(schema, types);
}

function tables(schema, types) {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const possibleTypes = types.filter(isAbstractType).map((each) => [each.name, namesOf(schema.getPossibleTypes(each))]);
  const withoutId = types.filter((each) => isObjectType(each) && !roots.includes(each) && !("id" in each.getFields()));
  return [
    "/** The types of each union and interface. */",
    `export const possibleTypes: Record<string, string[]> = ${JSON.stringify(Object.fromEntries(possibleTypes), null, 2)};`,
    "/** The types without an id: each value belongs to the object that has it. */",
    `export const TYPES_WITHOUT_ID: readonly string[] = ${JSON.stringify(namesOf(withoutId), null, 2)};`,
    "",
  ].join("\n");
}

/** As much of an introspection as graphcache reads: fields, whether they are null or lists, and the types of unions. */
function introspection(schema, types) {
  const root = (type) => ({ name: type.name, kind: "OBJECT" });
  const told = types.flatMap((each) => {
    if (!isObjectType(each) && !isAbstractType(each)) return [];
    const kind = kindOf(each);
    const fields = each.getFields && Object.values(each.getFields()).map(({ name, type }) => ({ name, type: typeOf(type), args: [] }));
    const possibleTypes = isAbstractType(each) && schema.getPossibleTypes(each).map(root);
    return { kind, name: each.name, ...(fields && { fields, interfaces: [] }), ...(possibleTypes && { possibleTypes }) };
  });
  const data = {
    __schema: {
      queryType: root(schema.getQueryType()),
      mutationType: root(schema.getMutationType()),
      subscriptionType: root(schema.getSubscriptionType()),
      types: [...told, { kind: "SCALAR", name: "Any" }],
    },
  };
  return `export const introspection = ${JSON.stringify(data).replaceAll('{"kind":"OBJECT","name":', '\n{"kind":"OBJECT","name":')} as const;\n`;
}

function kindOf(type) {
  return isObjectType(type) ? "OBJECT" : type.getFields ? "INTERFACE" : "UNION";
}

function typeOf(type) {
  if (isNonNullType(type)) return { kind: "NON_NULL", ofType: typeOf(type.ofType) };
  if (isListType(type)) return { kind: "LIST", ofType: typeOf(type.ofType) };
  return isLeafType(type) ? { kind: "SCALAR", name: "Any" } : { kind: kindOf(type), name: type.name };
}

function namesOf(types) {
  return types.map(({ name }) => name);
}
