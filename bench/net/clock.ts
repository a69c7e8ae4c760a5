/** Milliseconds on a clock that all processes of this machine share: a one-way time is the difference of two of them. */
export const nowMs: () => number = process.platform === 'linux'
  // CLOCK_MONOTONIC: counted from the boot of the machine, in every process
  ? () => Number(process.hrtime.bigint()) / 1e6
  // elsewhere its origin is the process's own; the wall clock at the start of the process, advanced monotonically
  : () => performance.timeOrigin + performance.now()
