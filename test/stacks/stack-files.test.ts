import { keys, validate } from "../../config";
import { project, stackConfiguration, stackFile, stacks } from "../../local/stack-files";

test("the program reads every key that Pulumi.yaml declares, and declares every key that it reads", () => {
  expect(Object.keys(project.config)).toEqual([...keys]);
});

test.each(Object.entries(project.config))("%s has a type and a description", (_, declared) => {
  expect(["string", "integer", "boolean", "array", "object"]).toContain(declared.type);
  expect(declared.description).toMatch(/^[A-Za-z].{10,}\.$/);
});

test("every key but the environment has a default, of its type", () => {
  const types = Object.entries(project.config).map(([key, { type, default: value }]) => {
    const actual = Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;
    return [key, actual === type ? "fits" : actual];
  });
  expect(types.filter(([, fits]) => fits !== "fits")).toEqual([["environment", "undefined"]]);
});

test("none is declared secret, since the engine then refuses the default, which is not encrypted", () => {
  const secrets = Object.entries(project.config).filter(([, declared]) => "secret" in declared);
  expect(secrets).toEqual([]);
});

describe.each(stacks)("%s", (stack) => {
  const file = stackFile(stack);

  test("is valid", () => {
    const texts = stackConfiguration(stack);
    expect(() =>
      validate(
        project.name,
        (key) => texts[`${project.name}:${key}`],
        () => true,
      ),
    ).not.toThrow();
  });

  test("says its environment", () => {
    expect(file[`${project.name}:environment`]).toBe(stack);
  });

  test("sets only declared keys, and only to what differs from the default", () => {
    for (const [key, value] of Object.entries(file)) {
      if (key.startsWith(`${project.name}:`)) {
        const declared = project.config[key.slice(project.name.length + 1)];
        expect(declared).toBeDefined();
        expect(value).not.toEqual(declared?.default);
      }
    }
  });

  test("has no default provider that would use whatever cluster or tenancy is current", () => {
    expect(file["pulumi:disable-default-providers"]).toEqual(["kubernetes", "oci"]);
  });
});
