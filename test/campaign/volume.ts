import { mkdir, rm, rmdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../local/run";
import { kubectl, type Target } from "../e2e/kubectl";

/** Where a node keeps the volumes of its disk. */
const volumes = "/var/lib/local-path-provisioner";

/** A volume with a file system of its own, in the node's memory, so that it can be full without the machine's disk being full. */
export class SmallVolume {
  private constructor(
    private readonly target: Target,
    private readonly node: number,
    /** Name of the volume and of the StorageClass that has it alone. */
    readonly name: string,
    readonly size: string,
  ) {}

  /** @param node the machine's process id of the node's first process */
  static async make(target: Target, node: number, name: string, size: string): Promise<SmallVolume> {
    const volume = new SmallVolume(target, node, name, size);
    const path = join(volumes, name);
    await mkdir(volume.path());
    const mount = ["mount", "-t", "tmpfs", "-o", `size=${size.replace("i", "")},mode=0777`, "tmpfs", path];
    await volume.inNode(...mount);
    const objects = [
      {
        apiVersion: "storage.k8s.io/v1",
        kind: "StorageClass",
        metadata: { name },
        provisioner: "kubernetes.io/no-provisioner",
        volumeBindingMode: "WaitForFirstConsumer",
      },
      {
        apiVersion: "v1",
        kind: "PersistentVolume",
        metadata: { name },
        spec: {
          capacity: { storage: size },
          accessModes: ["ReadWriteOnce"],
          persistentVolumeReclaimPolicy: "Retain",
          storageClassName: name,
          hostPath: { path, type: "Directory" },
        },
      },
    ];
    const manifest = objects.map((object) => JSON.stringify(object)).join("\n---\n");
    await kubectl(target, ["apply", "--server-side", "-f", "-"], manifest);
    return volume;
  }

  /** Takes all room that is left. */
  async fill(): Promise<void> {
    const { bavail, bsize } = await statfs(this.path());
    await run("fallocate", ["--length", String(bavail * bsize), this.ballast()]);
  }

  async free(): Promise<void> {
    await rm(this.ballast(), { force: true });
  }

  /** A file or directory in it, by the machine's path. */
  path(...parts: readonly string[]): string {
    return join(`/proc/${this.node}/root${volumes}`, this.name, ...parts);
  }

  async remove(): Promise<void> {
    await kubectl(this.target, ["delete", "persistentvolume,storageclass", this.name, "--wait=false"]);
    await this.inNode("umount", "--lazy", join(volumes, this.name));
    await rmdir(this.path());
  }

  private async inNode(...command: readonly string[]): Promise<void> {
    await run("nsenter", [`--target=${this.node}`, "--mount", "--pid", ...command]);
  }

  private ballast(): string {
    return this.path("ballast");
  }
}
