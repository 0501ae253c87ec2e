/** The identity half of a tenancy: what was made, one file each, so that providers of several regions see the same. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Properties } from "../values";

/** Something that was made. */
export interface Recorded {
  readonly id: string;
  readonly type: string;
  /** When it was made, in milliseconds since 1970. */
  readonly made: number;
  readonly properties: Properties;
}

export class Tenancy {
  constructor(private readonly directory: string) {
    mkdirSync(directory, { recursive: true });
  }

  put(recorded: Recorded): void {
    writeFileSync(this.file(recorded.id), JSON.stringify(recorded));
  }

  get(id: string): Recorded | undefined {
    return this.all().find((one) => one.id === id);
  }

  ofType(type: string): Recorded[] {
    return this.all().filter((one) => one.type === type);
  }

  delete(id: string): void {
    rmSync(this.file(id), { force: true });
  }

  private all(): Recorded[] {
    return readdirSync(this.directory).map(
      (file) => JSON.parse(readFileSync(join(this.directory, file), "utf8")) as Recorded,
    );
  }

  private file(id: string): string {
    return join(this.directory, encodeURIComponent(id));
  }
}
