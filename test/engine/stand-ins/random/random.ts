/**
 * Stand-in for the provider of @pulumi/random: `RandomPassword` and `RandomString`. Real randomness, the same arguments,
 * defaults and replacement rules. Not here: `bcryptHash` (left out of the state; the program does not use it).
 */
import { randomInt } from "node:crypto";
import type { Difference, PropertyChange, Provider, ResourceRequest } from "../provider";
import { containsUnknown, equal, isObject, secret, unknown, unwrap, type Properties, type Value } from "../values";

const kinds: Record<string, { secretResult: boolean; outputs: string[]; idIsResult: boolean }> = {
  "random:index/randomPassword:RandomPassword": {
    secretResult: true,
    outputs: ["result", "bcryptHash"],
    idIsResult: false,
  },
  "random:index/randomString:RandomString": { secretResult: false, outputs: ["result"], idIsResult: true },
};

const defaults: Properties = {
  lower: true,
  upper: true,
  numeric: true,
  number: true,
  special: true,
  minLower: 0,
  minUpper: 0,
  minNumeric: 0,
  minSpecial: 0,
};

const classes = {
  Lower: "abcdefghijklmnopqrstuvwxyz",
  Upper: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
  Numeric: "0123456789",
  Special: "!@#$%&*()-_=+[]{}<>:?",
};

export class RandomProvider implements Provider {
  constructor(readonly version: string) {}

  configure(): void {
    // Nothing to set.
  }

  check({ type, news }: ResourceRequest & { news: Properties }) {
    const kind = kinds[type];
    if (kind === undefined)
      throw new Error(`the stand-in for random has no ${type}, only ${Object.keys(kinds).join(" and ")}`);
    const inputs: Properties = { ...defaults, ...withoutNulls(news) };
    // `number` is the older name of `numeric`.
    if (news.numeric === undefined && news.number !== undefined) inputs.numeric = news.number ?? true;
    inputs.number = inputs.numeric ?? true;
    const failures = containsUnknown(inputs) ? [] : problems(unwrap(inputs));
    return { inputs, failures };
  }

  diff({ oldInputs, news }: { oldInputs: Properties; news: Properties }): Difference {
    const changes = new Map<string, PropertyChange>();
    for (const key of new Set([...Object.keys(oldInputs), ...Object.keys(news)]))
      if (!equal(oldInputs[key], news[key]))
        changes.set(key, oldInputs[key] === undefined ? "add" : news[key] === undefined ? "delete" : "update");
    // Whatever the change, another value has to be drawn.
    return { changes, replaces: [...changes.keys()] };
  }

  create({ type, inputs, preview }: ResourceRequest & { inputs: Properties; preview: boolean }) {
    const kind = kinds[type];
    if (kind === undefined) throw new Error(`the stand-in for random has no ${type}`);
    if (preview) {
      const outputs = Object.fromEntries(
        kind.outputs.map((name) => [name, kind.secretResult ? secret(unknown) : unknown]),
      );
      return Promise.resolve({ id: "", state: { ...inputs, ...outputs } });
    }
    const result = draw(unwrap(inputs));
    return Promise.resolve({
      id: kind.idIsResult ? result : "none",
      state: { ...inputs, result: kind.secretResult ? secret(result) : result },
    });
  }

  read({ type, id, state, inputs }: ResourceRequest & { id: string; state: Properties; inputs: Properties }) {
    if (state.result !== undefined) return Promise.resolve({ id, state, inputs });
    // An import: the id that was given is the value itself.
    const kind = kinds[type];
    if (kind === undefined) throw new Error(`the stand-in for random has no ${type}`);
    const known: Properties = { ...defaults, length: id.length };
    return Promise.resolve({
      id: kind.idIsResult ? id : "none",
      state: { ...known, result: kind.secretResult ? secret(id) : id },
      inputs: known,
    });
  }

  update(): Promise<Properties> {
    throw new Error("a random value cannot be updated in place, only replaced");
  }

  delete(): Promise<void> {
    return Promise.resolve();
  }

  cancel(): void {
    // Nothing runs for longer than a moment.
  }
}

function problems(inputs: Properties): { property: string; reason: string }[] {
  const length = number(inputs.length);
  const minimum = Object.keys(classes).reduce((sum, name) => sum + number(inputs[`min${name}`]), 0);
  if (!Number.isInteger(length) || length < 1)
    return [{ property: "length", reason: `expected a whole number of at least 1, got ${String(length)}` }];
  if (minimum > length)
    return [
      {
        property: "length",
        reason: `length (${String(length)}) is less than minUpper + minLower + minNumeric + minSpecial (${String(minimum)})`,
      },
    ];
  return alphabet(inputs) === ""
    ? [{ property: "lower", reason: "no kind of character is allowed: set one of lower, upper, numeric, special" }]
    : [];
}

function draw(inputs: Properties): string {
  const all = alphabet(inputs);
  const characters: string[] = [];
  for (const name of Object.keys(classes) as (keyof typeof classes)[])
    for (let count = number(inputs[`min${name}`]); count > 0; count--)
      characters.push(pick(characterClass(name, inputs)));
  while (characters.length < number(inputs.length)) characters.push(pick(all));
  // Fisher and Yates: the required characters must not always come first.
  for (let last = characters.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    [characters[last], characters[other]] = [characters[other] ?? "", characters[last] ?? ""];
  }
  return characters.join("");
}

function alphabet(inputs: Properties): string {
  return (Object.keys(classes) as (keyof typeof classes)[])
    .filter((name) => inputs[name.toLowerCase()] !== false)
    .map((name) => characterClass(name, inputs))
    .join("");
}

function characterClass(name: keyof typeof classes, inputs: Properties): string {
  const override = inputs.overrideSpecial;
  return name === "Special" && typeof override === "string" && override !== "" ? override : classes[name];
}

function pick(characters: string): string {
  return characters.charAt(randomInt(characters.length));
}

function number(value: Value | undefined): number {
  return typeof value === "number" ? value : 0;
}

function withoutNulls(properties: Properties): Properties {
  return Object.fromEntries(
    Object.entries(properties).filter(
      ([, value]) => value !== null && !(isObject(value) && Object.keys(value).length === 0),
    ),
  );
}
