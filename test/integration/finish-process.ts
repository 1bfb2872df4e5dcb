import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Waits until a process ends; what it printed, and its code or the signal that ended it. */
export async function finish(child: ChildProcess) {
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  const [code, signal] = await once(child, 'close')
  return { code, signal, stdout, stderr }
}
