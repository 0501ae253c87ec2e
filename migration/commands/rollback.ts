import { Engine } from "../engine/engine";
import type { Settings } from "../engine/settings";

/** Carries what was written since the cut-over into the old database, and makes that the database again. @returns exit code 0 */
export async function rollback(settings: Settings, options: { readonly json: boolean }): Promise<number> {
  const engine = new Engine(settings, (line) => process.stderr.write(`[rollback] ${line}\n`));
  const report = await engine.rollback();
  process.stdout.write(
    options.json
      ? `${JSON.stringify(report, null, 2)}\n`
      : [
          `The old database is in use again, with everything: ${report.rows} rows, compared; ${report.tablesCarried} tables had changed since the cut-over.`,
          `  held       nobody could write for ${(report.heldMilliseconds / 1000).toFixed(1)} s`,
          ...report.warnings.map((warning) => `  warning    ${warning}`),
          "  new one    closed, as it was when the switch turned; nothing writes to it",
          "  next       pulumi config set activeDatabase source && pulumi up   (the Secret says so already; keep the stack's file)",
          "             applications that do not read the Secret anew: restart them",
          "",
        ].join("\n"),
  );
  return 0;
}
