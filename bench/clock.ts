import { humanSeconds } from "../migration/engine/events";

/** Reckons how long it takes still, from what has been. */
export class Clock {
  private done = 0;
  private seconds = 0;

  constructor(private readonly total: number) {}

  count(seconds: number): void {
    this.done += 1;
    this.seconds += seconds;
  }

  left(): string {
    const counted = `${this.done} of ${this.total} measurements done`;
    if (this.done === 0) return counted;
    return `${counted}, about ${humanSeconds((this.seconds / this.done) * (this.total - this.done))} left`;
  }
}
