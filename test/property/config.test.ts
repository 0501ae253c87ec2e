import * as fc from "fast-check";
import { ConfigurationError, keys, validate } from "../../config";
import { project, stackConfiguration, stacks } from "../../local/stack-files";

/** Any text for any key, with a liking for what nearly fits. */
const anyText = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.constantFrom(
    "",
    "true",
    "false",
    "0",
    "-1",
    "1e9",
    "2Gi",
    "-2Gi",
    "[]",
    "[1]",
    "{}",
    '{"a":1}',
    "null",
    "required",
  ),
  fc.integer().map(String),
  fc.json(),
);
const anyConfiguration = fc.dictionary(fc.constantFrom<string>(...keys), anyText);

const encrypted = (): boolean => true;

function problemsOf(lookup: (key: string) => string | undefined): readonly string[] {
  try {
    validate(project.name, lookup, encrypted);
    return [];
  } catch (error) {
    // Anything else that is thrown is a defect.
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as ConfigurationError).problems.flatMap((problem) => problem.keys);
  }
}

test("any configuration is read, or refused with a list of problems", () => {
  fc.assert(
    fc.property(anyConfiguration, (values) => {
      problemsOf((key) => values[key]);
    }),
  );
});

test("whatever one key of a stack is set to, the complaint names that key, or there is none", () => {
  fc.assert(
    fc.property(fc.constantFrom(...stacks), fc.constantFrom(...keys), anyText, (stack, changed, text) => {
      const texts = stackConfiguration(stack, { [changed]: text });
      const problems = problemsOf((key) => texts[`${project.name}:${key}`]);
      expect(problems.length === 0 || problems.includes(changed)).toBe(true);
    }),
  );
});

test("keys that are wrong by themselves are all named at once", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.constantFrom(...keys.filter((key) => !acceptsAnything.includes(key)))), (wrong) => {
      const texts = stackConfiguration("production");
      const problems = problemsOf((key) =>
        wrong.some((one) => one === key) ? "\u0000" : texts[`${project.name}:${key}`],
      );
      expect(problems).toEqual(expect.arrayContaining(wrong));
    }),
  );
});

/** A path may hold anything, until it is opened. */
const acceptsAnything: readonly string[] = ["kubeconfig", "kubeContext", "operatorManifest"];

test("a password is in no message", () => {
  const secret = fc.stringMatching(/^[QWXZJ]{4,7}$/);
  fc.assert(
    fc.property(secret, (password) => {
      const texts = stackConfiguration("production", { databasePassword: password, instances: "1" });
      expect(() => validate(project.name, (key) => texts[`${project.name}:${key}`], encrypted)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining(password) as unknown }) as Error,
      );
    }),
  );
});
