import { forgetSource, keepSource, lead, pauseClients, readAlias, serviceName, turnTo } from "./alias";
import type { MigrationEvent } from "./events";
import type { Kubernetes } from "./kubernetes";
import type { Mode } from "./manifests";
import { readRecord, type Side } from "./record";
import { literal, type Settings } from "./settings";

/**
 * Clients are held while the Job switches: it asks for it, and waits for the answer. How long at most is the settings' to say. What is true in the end
 * follows from the marker alone, so that whoever comes after a run that was killed finishes or undoes what that one began.
 */
export class Hold {
  /** One thing after another: the Job's words come while the last of them is still being done. */
  private last: Promise<void> = Promise.resolve();
  private end: NodeJS.Timeout | undefined;

  /** @param say receives a line of progress. */
  constructor(
    private readonly kubernetes: Kubernetes,
    private readonly settings: Settings,
    private readonly say: (line: string) => void,
  ) {}

  /** What the Job says, each of its words once. */
  hear(mode: Mode, { event }: MigrationEvent): void {
    if (event === "hold") this.afterwards("hold clients", () => this.answer(mode));
    if (event === "switched") {
      this.afterwards("turn the old host name", () => this.let(mode === "rollback" ? "source" : "target"));
    }
  }

  /** Host that leads to the source, whatever the old name does; undefined where there is no alias and will be none. */
  async source(): Promise<string | undefined> {
    return (await readAlias(this.kubernetes, this.settings))?.source;
  }

  /**
   * Before a Job and after it: the old host name leads where the database is, and nobody waits. If the migration is not done, the target's empty
   * database is opened again only after that.
   */
  async settle(): Promise<void> {
    await this.last;
    const before = await readAlias(this.kubernetes, this.settings);
    if (before === undefined) return;
    const { target } = this.settings;
    const { marker, state } = await readRecord(this.kubernetes, target.database);
    const side = marker !== null && marker.rolled_back == null ? "target" : "source";
    await this.let(side);
    if (state?.clients != null) await this.asked("true", "clients = NULL");
    if (marker === null && state?.target_closed != null) {
      const identifier = `"${target.database.replaceAll('"', '""')}"`;
      const limit = Number(state.target_closed);
      await this.kubernetes.control(
        `ALTER DATABASE ${identifier} WITH ALLOW_CONNECTIONS true CONNECTION LIMIT ${limit}`,
      );
      await this.asked("true", "target_closed = NULL");
    }
    if (side === "source") await forgetSource(this.kubernetes, this.settings);
  }

  /** What a migration needs that shall end with an alias. @throws MigrationFailure where there can be none */
  async prepare(): Promise<void> {
    if (this.settings.alias !== undefined) await keepSource(this.kubernetes, this.settings);
  }

  /** The Job waits for an answer, unless these are words of long ago. */
  private async answer(mode: Mode): Promise<void> {
    const { alias } = this.settings;
    if (alias === undefined || (await this.asked("clients IS NOT NULL")) === "") return;
    this.end ??= setTimeout(() => {
      this.end = undefined;
      this.afterwards("let clients go that waited too long", async () => {
        this.say(
          `clients waited for ${alias.holdSeconds} s, which is the limit (migrationHoldSeconds): they are let go`,
        );
        // Always safe: what the source takes no write in, and the target nobody.
        await this.let(mode === "rollback" ? "target" : "source");
        await this.asked("true", "clients = NULL");
      });
    }, alias.holdSeconds * 1000);
    await pauseClients(this.kubernetes, this.settings);
    // Answered before the name is turned: who comes by it waits from then on, and the Job tries it by itself.
    const wanted = (await this.asked("clients IS NOT NULL", "clients = 'held'")) !== "";
    if (wanted) await turnTo("target", this.kubernetes, this.settings);
    // The Job may have given up meanwhile.
    if (!wanted || (await this.asked("clients IS NOT NULL")) === "") {
      await this.let(mode === "rollback" ? "target" : "source");
    }
  }

  /** Nobody waits any more, and the old name leads to that side. */
  private async let(side: Side): Promise<void> {
    clearTimeout(this.end);
    this.end = undefined;
    const before = await readAlias(this.kubernetes, this.settings);
    if (before === undefined || (before.leads === side && !before.held)) return;
    await lead(side, this.kubernetes, this.settings);
    const name = serviceName(this.settings);
    this.say(
      side === "target"
        ? `${name} leads to the pooler; clients that waited go on`
        : `${name} leads to the old database; clients that waited were dropped`,
    );
  }

  /** This migration's state where `condition` holds, perhaps with a change of it; empty where it does not. */
  private async asked(condition: string, change?: string): Promise<string> {
    const where = `WHERE target_database = ${literal(this.settings.target.database)} AND ${condition}`;
    return this.kubernetes.control(
      change === undefined
        ? `SELECT target_database FROM naytife_migration.state ${where}`
        : `UPDATE naytife_migration.state SET ${change} ${where} RETURNING target_database`,
    );
  }

  private afterwards(what: string, action: () => Promise<void>): void {
    this.last = this.last.then(action).catch((error: unknown) => {
      this.say(`could not ${what}: ${error instanceof Error ? error.message : String(error)}`);
    });
  }
}
