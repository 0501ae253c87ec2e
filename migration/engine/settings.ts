/** What the migration is told: everything that {@link Migration} takes, without a secret. The engine reads it from one environment variable. */
export interface Settings {
  /** Path of a kubeconfig. Empty: the ambient one. */
  readonly kubeconfig: string;
  /** Context of the kubeconfig. Empty: its current context. */
  readonly context: string;
  readonly namespace: string;
  readonly source: {
    /** Name that the Job's pod resolves, as a rule the legacy Service. */
    readonly host: string;
    readonly port: number;
    readonly database: string;
    /** A superuser of the source. */
    readonly user: string;
    /** Secret and key in the namespace that hold the user's password. */
    readonly secretName: string;
    readonly secretKey: string;
  };
  readonly target: {
    /** Name of the CloudNativePG Cluster. */
    readonly cluster: string;
    readonly database: string;
    /** The application's role; it keeps the target's password. */
    readonly owner: string;
    /** Secret (kubernetes.io/basic-auth) that holds the owner's password. */
    readonly secretName: string;
    /** search_path of the owner in the database where the source has none. Empty: none is set. */
    readonly searchPath: readonly string[];
  };
  /** Operand image of the Job. Empty: the Cluster's own. */
  readonly image: string;
  /** Whether the application may write while the copy is made. Offline where it is not said. */
  readonly mode?: "offline" | "online";
  /** Chunks that are copied, tables that are dumped and compared, and indexes that are built side by side. */
  readonly jobs: number;
  readonly dump: {
    /** Size of the volume that keeps the dump, a Kubernetes quantity. */
    readonly size: string;
    /** StorageClass of that volume. Empty: the namespace's default. */
    readonly storageClass: string;
  };
  /** How many days after the cut-over the way back may not be ended, unless somebody insists. */
  readonly retainDays: number;
  /** The source's host name becomes an alias of the pooler at the switch. Absent: it does not. */
  readonly alias?: {
    /** How long clients may be held at most. */
    readonly holdSeconds: number;
  };
}

/** How the engine is started, in the checkout. */
export const engineProgram = "node --require ./local/typescript.js migration/engine/main.ts";

/** The environment variable that carries {@link Settings} as JSON. */
export const settingsVariable = "NAYTIFE_MIGRATION";

/** The environment variable that says which database the stack takes for the one in use: `source` after a rollback. */
export const activeVariable = "NAYTIFE_ACTIVE_DATABASE";

/** The environment variable that tells `settle` how many instances there shall be. */
export const instancesVariable = "NAYTIFE_INSTANCES";

/** The settings in the environment. @throws Error if they are missing: the engine is started by the program, not by hand. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const text = environment[settingsVariable];
  if (text === undefined) {
    throw new Error(`${settingsVariable} is not set. The engine is started by \`pulumi up\`; nothing was changed.`);
  }
  return JSON.parse(text) as Settings;
}

/** `text` as an SQL literal. Doubled quotes, and the E form where there is a backslash: safe whatever standard_conforming_strings is. */
export function literal(text: string): string {
  const quoted = text.replaceAll("'", "''");
  return text.includes("\\") ? `E'${quoted.replaceAll("\\", "\\\\")}'` : `'${quoted}'`;
}

/** Bytes of a Kubernetes quantity such as 10Gi, 500M or 1e9. @throws Error for anything else. */
export function bytesOf(quantity: string): number {
  const match = /^(\d+(?:\.\d+)?(?:e\d+)?)([KMGTPE]i|[kMGTPE])?$/.exec(quantity);
  if (match?.[1] === undefined) {
    throw new Error(`"${quantity}" is not a size such as 10Gi.`);
  }
  const unit = match[2] ?? "";
  const power = " kMGTPE".indexOf(unit === "Ki" ? "k" : (unit[0] ?? " "));
  return Math.round(Number(match[1]) * (unit.endsWith("i") ? 1024 : 1000) ** power);
}
