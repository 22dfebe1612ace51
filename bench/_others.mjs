// How much of the processors' time others take, other machines on the same host included ("stolen" time): a ratio measured
// beside a compiler's run says nothing.
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, which is what Linux counts in for user space on every platform. */
const MS_PER_TICK = 10;

/**
 * Milliseconds of processor time since the machine started that were neither idle nor this process's or its descendants'.
 */
export function timeOfOthers() {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'latin1')
    .split('\n')[0]
    .split(/\s+/);
  const busy = [user, nice, system, irq, softirq, steal].reduce((sum, ticks) => sum + Number(ticks), 0);
  return (busy - ownTicks()) * MS_PER_TICK;
}

/** Milliseconds that the host took from this machine since it started. */
export function stolenTime() {
  return Number(readFileSync('/proc/stat', 'latin1').split('\n')[0].split(/\s+/)[8]) * MS_PER_TICK;
}

function ownTicks() {
  const ticks = new Map();
  const children = new Map();
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const fields = statOf(pid);
    if (fields === undefined) continue;
    const [, parent, , , , , , , , , , utime, stime] = fields;
    ticks.set(pid, Number(utime) + Number(stime));
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const sum = (pid) => (children.get(pid) ?? []).reduce((total, child) => total + sum(child), ticks.get(pid) ?? 0);
  return sum(String(process.pid));
}

/** The fields of proc(5) stat from the third, the state, on; undefined when the process has ended meanwhile. */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
