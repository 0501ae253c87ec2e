import { join } from "node:path";
import ts from "typescript";

const root = join(__dirname, "..");

/** What a panel of each kind has in `options` and in its fields' `custom`, which Grafana's schema leaves to the panel. */
const kinds: Readonly<Record<string, { readonly module: string; readonly custom: string }>> = {
  stat: { module: "stat", custom: "undefined" },
  timeseries: { module: "timeseries", custom: "common.GraphFieldConfig" },
};

interface Dashboard {
  readonly panels: readonly {
    readonly type: string;
    readonly title: string;
    readonly options: unknown;
    readonly fieldConfig: { readonly defaults: { readonly custom?: unknown } };
    readonly targets: readonly unknown[];
  }[];
}

/**
 * What Grafana's schema has against a dashboard; nothing: []. Grafana publishes that schema as the types of its SDK, which are made of it: a compiler is what reads them. Fields that nobody
 * knows, that are missing, or that have a value which is none of theirs are told.
 */
export function schemaErrors(json: string): string[] {
  const { panels } = JSON.parse(json) as Dashboard;
  const sdk = "@grafana/grafana-foundation-sdk";
  const source = [
    `import type * as common from "${sdk}/common";`,
    `import type * as dashboard from "${sdk}/dashboard";`,
    `import type * as prometheus from "${sdk}/prometheus";`,
    ...Object.values(kinds).map(({ module }) => `import type * as ${module} from "${sdk}/${module}";`),
    // JSON has an enumeration's values, the types its members. The marker for the kind of a query is no data.
    "type Json<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T",
    '  : T extends readonly (infer U)[] ? Json<U>[] : { [K in keyof T as K extends "_implementsDataqueryVariant" ? never : K]: Json<T[K]> };',
    `export const whole: Json<dashboard.Dashboard> = ${json};`,
    ...panels.flatMap(({ type, title, options, fieldConfig, targets }, index) => {
      const kind = kinds[type];
      if (kind === undefined)
        return type === "row" ? [] : [`export const kind${index}: never = ${JSON.stringify(type)};`];
      return [
        `// ${JSON.stringify(title)}`,
        `export const options${index}: Json<${kind.module}.Options> = ${JSON.stringify(options)};`,
        `export const custom${index}: Json<${kind.custom}> = ${fieldConfig.defaults.custom === undefined ? "undefined" : JSON.stringify(fieldConfig.defaults.custom)};`,
        `export const targets${index}: Json<prometheus.Dataquery>[] = ${JSON.stringify(targets)};`,
      ];
    }),
  ].join("\n");
  return errors(source);
}

/** The compiler's own words, each with the line that it is about. */
function errors(source: string): string[] {
  // In this folder, from where the SDK is found; it is never written.
  const file = join(root, "dashboard.schema.ts");
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    exactOptionalPropertyTypes: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    types: [],
  };
  const files = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...files,
    fileExists: (name) => name === file || files.fileExists(name),
    readFile: (name) => (name === file ? source : files.readFile(name)),
    getSourceFile: (name, language, ...rest) =>
      name === file ? ts.createSourceFile(name, source, language) : files.getSourceFile(name, language, ...rest),
  };
  const program = ts.createProgram([file], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText, start = 0, file: of }) => {
    const line = of?.text.slice(of.text.lastIndexOf("\n", start) + 1).split("\n", 1)[0] ?? "";
    return `${line.trim()}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
  });
}
