import * as fc from "fast-check";
import {
  destinationPath,
  groupStatements,
  lifecycleRules,
  lifecycleStatement,
  s3Endpoint,
} from "../../components/oci-bucket";
import { validate } from "../../config";
import { project, stackConfiguration } from "../../local/stack-files";

const texts = stackConfiguration("local");

/** Whether the configuration takes these values. */
function isTaken(values: Readonly<Record<string, string>>): boolean {
  try {
    validate(
      project.name,
      (key) => values[key] ?? texts[`${project.name}:${key}`],
      () => true,
    );
    return true;
  } catch {
    return false;
  }
}

/** Texts of an alphabet, some with characters that end a quotation, a clause or a host name. */
const letters = (alphabet: string) => {
  const of = (characters: string) =>
    fc
      .string({ unit: fc.constantFrom(...Array.from(characters)), minLength: 1, maxLength: 10 })
      .map((text) => `a${text}0`);
  return fc.oneof(of(alphabet), of(`${alphabet}'} @/.?#,`));
};
const bucket = letters("ab09.-");
const prefix = letters("aZ9._-");
const namespace = letters("ab09-");
const region = fc.oneof(letters("ab09-"), fc.constantFrom("us-phoenix-1", "eu-madrid-1", "me-abudhabi-1"));
const compartment = letters("ab09").map((id) => `ocid1.compartment.oc1..${id}`);

test("a destination path has the bucket for its host and the prefix for its path", () => {
  fc.assert(
    fc.property(bucket, prefix, (host, path) => {
      fc.pre(isTaken({ backupBucket: host, backupPrefix: path }));
      const url = new URL(destinationPath(host, path));
      expect([url.protocol, url.host, url.pathname, url.search, url.hash]).toEqual(["s3:", host, `/${path}`, "", ""]);
    }),
  );
});

test("an endpoint is a host of Oracle's, whatever the configuration took", () => {
  fc.assert(
    fc.property(namespace, region, (name, where) => {
      fc.pre(isTaken({ backupStore: "oci", backupOciNamespace: name, backupRegion: where }));
      const url = new URL(s3Endpoint(name, where));
      expect(url.href).toBe(`${s3Endpoint(name, where)}/`);
      expect(url.hostname).toMatch(/\.oraclecloud\.com$/);
    }),
  );
});

test("no statement reaches beyond the bucket and the compartment", () => {
  fc.assert(
    fc.property(bucket, compartment, (name, where) => {
      fc.pre(isTaken({ backupBucket: name, backupOciCompartment: where }));
      const description = { bucket: name, compartment: where, region: "us-phoenix-1" };
      for (const statement of [
        ...groupStatements("ocid1.group.oc1..g", description),
        lifecycleStatement(description),
      ]) {
        const [scope = "", condition = ""] = statement.split(" where ");
        expect(scope.endsWith(` in compartment id ${where}`)).toBe(true);
        expect(condition).toMatch(
          /^(all \{)?target\.bucket\.name = '[a-z0-9.-]+'(, any \{request\.permission = '\w+'(, request\.permission = '\w+')*\}\})?$/,
        );
        expect(condition).toContain(`target.bucket.name = '${name}'`);
      }
    }),
  );
});

test("no lifecycle rule removes a live object", () => {
  const days = fc.integer({ min: 1, max: 3650 });
  fc.assert(
    fc.property(days, days, (previousVersionsDays, abandonedUploadsDays) => {
      const rules = lifecycleRules({ previousVersionsDays, abandonedUploadsDays });
      expect(rules.map(({ target }) => target)).toEqual(["previous-object-versions", "multipart-uploads"]);
      expect(rules.map(({ timeAmount }) => Number(timeAmount))).toEqual([previousVersionsDays, abandonedUploadsDays]);
    }),
  );
});
