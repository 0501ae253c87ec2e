/**
 * Stand-in for the provider of @pulumi/command: `local.Command`, with the semantics of version 1.2.1
 * (docs/decisions/provider-behaviours.md lists them). Not here: `remote`, `local.run`, `assetPaths` and `archivePaths`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { CheckAnswer, Difference, EngineLog, PropertyChange, Provider, ResourceRequest } from "../provider";
import {
  containsSecret,
  equal,
  isObject,
  isSecret,
  secret,
  unknown,
  unwrap,
  type Properties,
  type Value,
} from "../values";

const token = "command:local:Command";
const outputs = ["stdout", "stderr"] as const;

export class CommandProvider implements Provider {
  private readonly running = new Set<ChildProcess>();

  constructor(
    readonly version: string,
    private readonly log: EngineLog,
  ) {}

  configure(): void {
    // Nothing to set.
  }

  check({ type, news }: ResourceRequest & { news: Properties }): CheckAnswer {
    if (type !== token) throw new Error(`the stand-in for command has no ${type}, only ${token}`);
    const inputs = Object.fromEntries(Object.entries(news).filter(([, value]) => value !== null));
    const failures = ["assetPaths", "archivePaths"]
      .filter((property) => inputs[property] !== undefined)
      .map((property) => ({ property, reason: "the stand-in for command does not collect files" }));
    const { interpreter, logging } = unwrap(inputs);
    if (Array.isArray(interpreter) && interpreter.length === 0)
      failures.push({ property: "interpreter", reason: "the interpreter must not be an empty list" });
    if (
      logging !== undefined &&
      !["stdout", "stderr", "stdoutAndStderr", "none"].includes(typeof logging === "string" ? logging : "")
    )
      failures.push({ property: "logging", reason: "expected one of stdout, stderr, stdoutAndStderr, none" });
    return { inputs, failures };
  }

  diff({ oldInputs, news }: { oldInputs: Properties; news: Properties }): Difference {
    const changes = new Map<string, PropertyChange>();
    for (const key of new Set([...Object.keys(oldInputs), ...Object.keys(news)]))
      if (!equal(oldInputs[key], news[key]))
        changes.set(key, oldInputs[key] === undefined ? "add" : news[key] === undefined ? "delete" : "update");
    return { changes, replaces: changes.has("triggers") ? ["triggers"] : [] };
  }

  async create({ urn, name, inputs, preview }: ResourceRequest & { inputs: Properties; preview: boolean }) {
    if (preview) return { id: "", state: previewed(inputs) };
    const result = await this.run("create", inputs, undefined, urn);
    return { id: `${name}${randomBytes(4).toString("hex")}`, state: completed(inputs, result) };
  }

  read({ id, state, inputs }: { id: string; state: Properties; inputs: Properties }) {
    // Nothing outside the state knows about a command that has run: refresh sees what it saw before.
    if (Object.keys(state).length === 0)
      throw new Error("a command cannot be imported: it has no existence outside the state");
    return Promise.resolve({ id, state, inputs });
  }

  async update({ urn, state, news, preview }: { urn: string; state: Properties; news: Properties; preview: boolean }) {
    if (preview) return previewed(news);
    const result = await this.run(news.update === undefined ? "create" : "update", news, state, urn);
    return completed(news, result);
  }

  async delete({ urn, state }: { urn: string; state: Properties }): Promise<void> {
    await this.run("delete", state, state, urn);
  }

  cancel(): void {
    for (const child of this.running) end(child, "SIGTERM");
  }

  /** Runs one of the three commands; no text for it means that nothing has to be done. */
  private run(
    which: "create" | "update" | "delete",
    marked: Properties,
    previous: Properties | undefined,
    urn: string,
  ): Promise<Result> {
    const inputs = unwrap(marked);
    const text = inputs[which];
    if (typeof text !== "string") return Promise.resolve({ stdout: "", stderr: "" });
    const [program = "/bin/sh", ...leading] = Array.isArray(inputs.interpreter)
      ? inputs.interpreter.map(asText)
      : ["/bin/sh", "-c"];
    const child = spawn(program, [...leading, text], {
      cwd: typeof inputs.dir === "string" ? inputs.dir : undefined,
      env: { ...process.env, ...environment(inputs, previous) },
      // A process group of its own, so that Cancel ends what the command started as well.
      detached: true,
    });
    this.running.add(child);
    child.stdin.on("error", () => undefined); // A command may end without reading its input.
    child.stdin.end(typeof inputs.stdin === "string" ? inputs.stdin : "");

    const logging = typeof inputs.logging === "string" ? inputs.logging : "stdoutAndStderr";
    const collected = { stdout: "", stderr: "" };
    let both = "";
    const followed = outputs.map((stream) => {
      const logged = logging === "stdoutAndStderr" || logging === stream;
      const lines = new Lines((line) => {
        if (logged) this.log.info(line, urn);
      });
      child[stream].setEncoding("utf8").on("data", (chunk: string) => {
        collected[stream] += chunk;
        both += chunk;
        lines.add(chunk);
      });
      return lines;
    });
    return new Promise((resolve, reject) => {
      child.on("error", (error) => {
        this.running.delete(child);
        reject(new Error(`${error.message}: running ${JSON.stringify(text)}`));
      });
      child.on("close", (code, signal) => {
        this.running.delete(child);
        for (const lines of followed) lines.end();
        if (code === 0)
          resolve({ stdout: collected.stdout.replace(/\n+$/, ""), stderr: collected.stderr.replace(/\n+$/, "") });
        else
          reject(
            new Error(
              `${code === null ? `signal: ${String(signal)}` : `exit status ${String(code)}`}: ` +
                `running ${JSON.stringify(text)}:\n${both}`,
            ),
          );
      });
    });
  }
}

interface Result {
  readonly stdout: string;
  readonly stderr: string;
}

/** Splits a stream into lines; one that grows too long goes out in parts. */
class Lines {
  private rest = "";

  constructor(private readonly take: (line: string) => void) {}

  add(chunk: string): void {
    const lines = (this.rest + chunk).split(/\r?\n/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.take(line);
  }

  end(): void {
    if (this.rest !== "") this.take(this.rest);
    this.rest = "";
  }
}

function environment(inputs: Properties, previous: Properties | undefined): Record<string, string> {
  const own = isObject(inputs.environment)
    ? Object.entries(inputs.environment)
        .filter(([, value]) => value !== null)
        .map(([name, value]): [string, string] => [name, asText(value)])
    : [];
  const passed =
    previous === undefined || inputs.addPreviousOutputInEnv === false
      ? []
      : outputs.map((stream): [string, string] => [
          `PULUMI_COMMAND_${stream.toUpperCase()}`,
          asText(unwrap(previous[stream] ?? "")),
        ]);
  return Object.fromEntries([...passed, ...own]);
}

/** Every output depends on every input: one secret input makes all outputs secret. */
function completed(inputs: Properties, result: Result): Properties {
  const mark = (value: string): Value => (containsSecret(inputs) ? secret(value) : value);
  return { ...inputs, stdout: mark(result.stdout), stderr: mark(result.stderr) };
}

/** A preview runs nothing, so nobody knows what would be printed. */
function previewed(inputs: Properties): Properties {
  const output = containsSecret(inputs) ? secret(unknown) : unknown;
  return { ...inputs, stdout: output, stderr: output };
}

function asText(value: Value): string {
  if (isSecret(value)) return asText(unwrap(value));
  return typeof value === "string" ? value : JSON.stringify(value);
}

function end(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended by itself.
  }
}
