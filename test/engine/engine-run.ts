/** Runs small programs on the real engine, in a directory of their own, and tells what happened. */
import type { EngineEvent, PulumiFn, Stack } from "@pulumi/pulumi/automation";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { PluginName } from "../../local/engine/plugins";
import { openProgram } from "../../local/engine/stack";
import { sparing } from "../sparing";

/** What one `up`, `refresh` or `preview` did. */
export interface Run {
  /** Operation by logical name of the resource, without the stack itself. A replacement is `replace`. */
  readonly operations: Readonly<Record<string, string>>;
  /** Every line that the engine printed for the user. */
  readonly log: string;
  /** The error, when the run failed. */
  readonly error: string | undefined;
}

export class EngineRun {
  /** The state of a stack that has nothing yet. */
  private readonly emptyState: string;
  private readonly readOutputs: Stack["outputs"];

  private constructor(
    private readonly directory: string,
    private readonly stack: Stack,
  ) {
    this.emptyState = this.state();
    this.readOutputs = sparing(stack);
  }

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
      await this.stack.up({ program, onEvent, onOutput, color: "never", ...options });
    });
  }

  preview(program: PulumiFn): Promise<Run> {
    return this.run(async (onEvent, onOutput) => {
      await this.stack.preview({ program, onEvent, onOutput, color: "never" });
    });
  }

  refresh(): Promise<Run> {
    return this.run(async (onEvent, onOutput) => {
      await this.stack.refresh({ onEvent, onOutput, color: "never" });
    });
  }

  destroy(): Promise<Run> {
    return this.run(async (onEvent, onOutput) => {
      await this.stack.destroy({ onEvent, onOutput, color: "never" });
    });
  }

  /** What the stack shows outwards, secrets in clear. */
  async outputs(): Promise<Readonly<Record<string, unknown>>> {
    const outputs = await this.readOutputs();
    return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value as unknown]));
  }

  /** The state as it lies in the backend, secrets encrypted. */
  state(): string {
    return readFileSync(this.stateFile, "utf8");
  }

  /** Loses the state: the stack is as it was when it was opened, and what it made stays where it is. */
  loseState(): void {
    writeFileSync(this.stateFile, this.emptyState);
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private get stateFile(): string {
    return join(this.directory, "backend/.pulumi/stacks/behaviours/test.json");
  }

  private async run(
    action: (onEvent: (event: EngineEvent) => void, onOutput: (text: string) => void) => Promise<void>,
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
      await action(onEvent, onOutput);
      return { operations, error: undefined, log };
    } catch (error) {
      return { operations, error: errors || String(error), log };
    }
  }
}
