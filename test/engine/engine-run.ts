/** Runs small programs on the real engine, in a directory of their own, and tells what happened. */
import type { EngineEvent, PulumiFn, Stack } from "@pulumi/pulumi/automation";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { PluginName } from "../../local/engine/plugins";
import { openProgram } from "../../local/engine/stack";

/** What one `up`, `refresh` or `preview` did. */
export interface Run {
  /** Operation by logical name of the resource, without the stack itself. A replacement is `replace`. */
  readonly operations: Readonly<Record<string, string>>;
  /** Every line that the engine printed for the user. */
  readonly log: string;
  /** The error, when the run failed. */
  readonly error: string | undefined;
  readonly outputs: Readonly<Record<string, unknown>>;
}

export class EngineRun {
  private constructor(
    private readonly directory: string,
    private readonly stack: Stack,
  ) {}

  /** @param plugins Default: those that every stack needs. */
  static async open(plugins?: readonly PluginName[]): Promise<EngineRun> {
    const directory = mkdtempSync(join(tmpdir(), "naytife-engine-"));
    const { stack } = await openProgram({
      stackName: "test",
      projectName: "behaviours",
      program: () => Promise.resolve({}),
      workDirectory: join(directory, "workspace"),
      backend: pathToFileURL(join(directory, "backend")).href,
      ...(plugins === undefined ? {} : { plugins }),
    });
    return new EngineRun(directory, stack);
  }

  /** Brings the stack to what the program says. Never throws for a failed update: look at `error`. */
  up(program: PulumiFn, options: { refresh?: boolean; exclude?: string[] } = {}): Promise<Run> {
    return this.run(async (onEvent, onOutput) => {
      const { outputs } = await this.stack.up({ program, onEvent, onOutput, color: "never", ...options });
      return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value as unknown]));
    });
  }

  preview(program: PulumiFn): Promise<Run> {
    return this.run(async (onEvent, onOutput) => {
      await this.stack.preview({ program, onEvent, onOutput, color: "never" });
      return {};
    });
  }

  refresh(): Promise<Run> {
    return this.run(async (onEvent, onOutput) => {
      await this.stack.refresh({ onEvent, onOutput, color: "never" });
      return {};
    });
  }

  destroy(): Promise<Run> {
    return this.run(async (onEvent, onOutput) => {
      await this.stack.destroy({ onEvent, onOutput, color: "never" });
      return {};
    });
  }

  /** The state as it lies in the backend, secrets encrypted. */
  state(): string {
    return readFileSync(join(this.directory, "backend/.pulumi/stacks/behaviours/test.json"), "utf8");
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async run(
    action: (
      onEvent: (event: EngineEvent) => void,
      onOutput: (text: string) => void,
    ) => Promise<Record<string, unknown>>,
  ): Promise<Run> {
    const operations: Record<string, string> = {};
    let log = "";
    let errors = "";
    const onEvent = ({ resourcePreEvent, diagnosticEvent }: EngineEvent) => {
      if (diagnosticEvent?.severity === "error") errors += diagnosticEvent.message;
      if (resourcePreEvent === undefined) return;
      const { op, urn, type } = resourcePreEvent.metadata;
      if (type === "pulumi:pulumi:Stack" || type.startsWith("pulumi:providers:")) return;
      const name = urn.split("::").at(-1) ?? urn;
      // A replacement comes as several steps; `replace` is the one that names it.
      if (operations[name] !== "replace") operations[name] = op.endsWith("replacement") ? "replace" : op;
      if (op === "delete-replaced" || op === "create-replacement") operations[name] = "replace";
    };
    const onOutput = (text: string) => {
      log += text;
    };
    try {
      const outputs = await action(onEvent, onOutput);
      return { operations, outputs, error: undefined, log };
    } catch (error) {
      return { operations, outputs: {}, error: errors || String(error), log };
    }
  }
}
