// A hybrid logical clock in one number, as doc/reference/rules.md of the sidecar says it: "Clocks".

/** Milliseconds that never go back, and are behind nothing that was read. */
export class Clock {
  constructor(time = Date.now) {
    this.time = time
    this.last = 0
  }

  /** The time of a change that is made now. */
  now() {
    this.last = Math.max(Math.floor(this.time()), this.last + 1)
    return this.last
  }

  /** Another's time was read. */
  see(at) {
    if (at > this.last) this.last = at
  }
}
