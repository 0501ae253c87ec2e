import { openStack, type OpenStackOptions } from "../../local/engine/stack";
import { type Outcome, runProgram } from "./migration-fixture";

const optionsVariable = "NAYTIFE_TEST_UPDATE";

/**
 * `up` of a stack whose program itself refuses, in a process of its own: Pulumi leaves a promise of what a program throws to nobody, for which jest would fail the whole file.
 * What Pulumi says is the output.
 */
export function updateApart(options: OpenStackOptions & { readonly refresh: boolean }): Promise<Outcome> {
  return runProgram(["test/e2e/update.ts"], { [optionsVariable]: JSON.stringify(options) });
}

async function main(): Promise<void> {
  const { refresh, ...options } = JSON.parse(process.env[optionsVariable] ?? "") as Parameters<typeof updateApart>[0];
  const stack = await openStack(options);
  const say = (text: string) => void process.stdout.write(text);
  await stack.up({ refresh, color: "never", onOutput: say, onError: say });
}

if (require.main === module) {
  main().catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  });
}
