/**
 * Property values as they travel between the engine and a provider: plain JSON, in which secrets, unknowns and assets are
 * marked by the signatures of the SDK's `runtime/rpc.ts`.
 */

/** One property value. */
export type Value = null | boolean | number | string | Value[] | { [key: string]: Value };

/** A resource's properties. */
export type Properties = Record<string, Value>;

const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

// What the engine sends for a value that is not known yet, one for each type that it may turn out to have.
const unknowns = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

/** The unknown value, for an output that only a real run can tell. */
export const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Whether the value is an object (and not null, nor a list). */
export function isObject(value: Value | undefined): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether the value itself is a secret. */
export function isSecret(value: Value | undefined): value is Properties {
  return isObject(value) && value[signatureKey] === secretSignature;
}

/** Marks the value as secret, once. */
export function secret(value: Value): Value {
  return isSecret(value) ? value : { [signatureKey]: secretSignature, value };
}

/** Whether anything inside the value is a secret. */
export function containsSecret(value: Value | undefined): boolean {
  return contains(value, isSecret);
}

/** Whether anything inside the value is not known yet. */
export function containsUnknown(value: Value | undefined): boolean {
  return contains(value, (inner) => typeof inner === "string" && unknowns.has(inner));
}

/** Whether the value itself is not known yet. */
export function isUnknown(value: Value | undefined): boolean {
  const bare = isSecret(value) ? value.value : value;
  return typeof bare === "string" && unknowns.has(bare);
}

/** The value without any secret mark. */
export function unwrap<V extends Value>(value: V): V;
export function unwrap(value: Value): Value {
  if (isSecret(value)) return unwrap(value.value ?? null);
  if (Array.isArray(value)) return value.map((item) => unwrap(item));
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unwrap(item)]));
  return value;
}

/** `value` with the secret marks that `like` carries in the same places. */
export function markSecretsLike(value: Value, like: Value | undefined): Value {
  if (isSecret(like)) return secret(unwrap(value));
  if (isObject(value) && isObject(like))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, markSecretsLike(item, like[key])]));
  if (Array.isArray(value) && Array.isArray(like))
    return value.map((item, index) => markSecretsLike(item, like[index]));
  return value;
}

/** Whether two values are the same, secret marks aside. */
export function equal(left: Value | undefined, right: Value | undefined): boolean {
  return canonical(left) === canonical(right);
}

function canonical(value: Value | undefined): string {
  return JSON.stringify(value === undefined ? null : unwrap(value), (_key, inner: Value) =>
    isObject(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0)))
      : inner,
  );
}

function contains(value: Value | undefined, predicate: (inner: Value) => boolean): boolean {
  if (value === undefined) return false;
  if (predicate(value)) return true;
  if (Array.isArray(value)) return value.some((item) => contains(item, predicate));
  return isObject(value) && Object.values(value).some((item) => contains(item, predicate));
}
