import type { OutputMap, Stack } from "@pulumi/pulumi/automation";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { openStack, type OpenStackOptions } from "../../local/engine/stack";
import { down, up, type EmbeddedCluster } from "../../local/kubernetes/cluster";
import { bringUpLegacy } from "../../local/legacy/legacy";
import { localStackConfig } from "../../local/stack-config";
import { sparing } from "../sparing";
import { clusterName } from "./cluster";

/** The stack `local` on an embedded cluster of a file's own, with a legacy database beside it. */
export class LocalStack {
  /** Where the stack and the legacy database are. */
  readonly namespace = "naytife";
  private readonly name: string;
  private readonly scratch = mkdtempSync(join(tmpdir(), "naytife-stack-"));
  private cluster!: EmbeddedCluster;
  /** Of the stack that was opened last; its runs do not return them. */
  outputs!: () => Promise<OutputMap>;

  /** @param config of every opening, over what the stack's file and the cluster say */
  constructor(
    purpose: string,
    private readonly config: Readonly<Record<string, string>> = {},
  ) {
    this.name = clusterName(purpose);
  }

  /** Brings up the cluster, and in it the legacy database, of this size. */
  async begin(size: string): Promise<EmbeddedCluster> {
    await down({ name: this.name }); // What an interrupted run left.
    this.cluster = await up({ name: this.name });
    const { namespace, cluster } = this;
    await bringUpLegacy({ ...cluster, namespace, size, seed: 7, image: cluster.legacyImage });
    return cluster;
  }

  /** Opens the stack on a backend of its own for each state that a test begins with. */
  async open(backend: string, config: OpenStackOptions["config"] = {}): Promise<Stack> {
    const stack = await openStack({
      stack: "local",
      stateDirectory: this.scratch,
      backend: pathToFileURL(join(this.scratch, backend)).href,
      // backup.test.ts has backups; here they would only take time.
      config: { ...(await localStackConfig(this.cluster)), backupStore: "none", ...this.config, ...config },
    });
    this.outputs = sparing(stack);
    return stack;
  }

  /** The state as it lies in a backend. */
  state(backend: string): string {
    return readFileSync(join(this.scratch, backend, ".pulumi/stacks/naytife-postgres/local.json"), "utf8");
  }

  async end(): Promise<void> {
    rmSync(this.scratch, { recursive: true, force: true });
    await down({ name: this.name });
  }
}
