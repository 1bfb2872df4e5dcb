import { createInterface } from 'node:readline/promises'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { CommandContext } from '../context.ts'

/**
 * Asks on a terminal whether to go on; elsewhere `--yes` has to say so.
 * @throws EspalierError `invalid_request` where the answer is no, or where nobody can be asked
 */
export async function confirm(
  { stdin, stderr, signal }: CommandContext,
  what: string,
  yes: boolean | undefined,
): Promise<void> {
  if (yes === true) return
  if (stdin.isTTY !== true || stderr.isTTY !== true) {
    throw new EspalierError('invalid_request', `${what}: pass --yes to do it`)
  }
  const lines = createInterface({ input: stdin, output: stderr })
  try {
    const answer = await lines.question(`${what}. Go on? [y/N] `, { signal })
    if (/^y(?:es)?$/i.test(answer.trim())) return
  } finally {
    lines.close()
  }
  throw new EspalierError('invalid_request', 'nothing was changed')
}
