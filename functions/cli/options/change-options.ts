import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { parseModelAddress } from '../../../shared/lib/text/model-address.ts'
import type { CommandContext } from '../context.ts'

/** Options of every command that changes what a model's names mean. */
export interface ChangeFlags {
  readonly by?: string
  readonly reason?: string
  readonly json?: boolean
}

/** Adds the options of `ChangeFlags`. */
export function addChangeOptions(command: Command): Command {
  return command
    .option('--by <who>', 'who changes it, for the history')
    .option('--reason <text>', 'why, for the history')
    .option('--json', 'print the new state as JSON')
}

/** Who and why, and an `id` by which the change is found in the history. */
export function noteChange({ by, reason }: ChangeFlags, signal: AbortSignal) {
  return { id: randomUUID(), by, reason, signal }
}

/**
 * The name of a model without version or alias.
 * @throws EspalierError `invalid_name` saying where the version belongs
 */
export function parseBareName(model: string, verb: string, instead: string): string {
  const { name, selector } = parseModelAddress(model)
  if (selector.kind === 'default') return name
  throw new EspalierError('invalid_name', `${verb} takes a name without "@": ${name}; ${instead}`)
}

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
