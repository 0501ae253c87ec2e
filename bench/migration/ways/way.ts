import type { Ground } from "../ground";
import type { Measurement } from "../results";

/** One way of moving a database. */
export interface Way {
  /** What the target is when the move begins; `none`: the way makes the Cluster itself. */
  readonly begins: "full" | "lone" | "none";
  /** As whom the target archives its WAL, where there are backups. */
  readonly archives: "program" | "plan" | "nobody";
  /** Why it cannot be measured here; undefined where it can. */
  readonly absent?: () => Promise<string | undefined>;
  /** Moves the source's database and measures it. @throws Error where it did not come to an end */
  readonly move: (ground: Ground) => Promise<Omit<Measurement, "cluster">>;
}
