import { join } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import { option, say } from '../../lib/wording.ts'
import { compileRegex } from '../../runtime/text/tokenizer-file.ts'
import type { SourceFolder } from '../source/source-folder.ts'
import { KNOWN_REGEXES } from './known-regexes.ts'

/** The steps of a tokenizer.json, in the order in which they run. */
const STEPS = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'] as const
/** Longer than any that is published; a checker would take minutes over it. */
const MAX_REGEX_CHARS = 10_000
/** The largest of those that are published take some seconds. */
const CHECK_TIMEOUT_MS = 30_000
/** As much of an expression, or of a text that it hangs on, as a message shows. */
const MAX_SHOWN_CHARS = 200

/** The file of recheck that needs neither Java nor a binary; its declarations are those of the package. */
interface Recheck {
  readonly default: Pick<typeof import('recheck'), 'checkSync'>
}

/** A regular expression of a tokenizer.json and where it stands: `pre_tokenizer.pretokenizers[0].pattern.Regex`. */
export interface FoundRegex {
  readonly place: string
  readonly regex: string
}

/**
 * Refuses a tokenizer whose regular expressions could keep a worker for minutes over one text: those that are neither
 * known nor proven harmless. Blocks this thread for up to half a minute an expression.
 * @param canAllow whether the caller's user can have them taken as they are, which the message then says
 * @throws EspalierError `unsupported_model` naming the expression and a text that it hangs on
 */
export async function checkRegexes(
  { folder, tokenizerBytes }: Pick<SourceFolder, 'folder' | 'tokenizerBytes'>,
  canAllow: boolean,
  signal?: AbortSignal | undefined,
): Promise<void> {
  const done = new Set<string>()
  const file = join(folder, 'tokenizer.json')
  for (const { place, regex } of findRegexes(JSON.parse(Buffer.from(tokenizerBytes).toString()))) {
    if (KNOWN_REGEXES.has(regex) || done.has(regex)) continue
    signal?.throwIfAborted()
    const where = `${file}: ${place}`
    const fault = await findFault(regex)
    if (fault !== null) throw refuse(`${where}: ${show(regex)} ${fault}`, canAllow)
    done.add(regex)
  }
}

/** All regular expressions of a tokenizer.json, in the order in which they run. */
export function findRegexes(tokenizer: unknown): FoundRegex[] {
  const found: FoundRegex[] = []
  const steps = isObject(tokenizer) ? tokenizer : {}
  const left = STEPS.map((name) => ({ place: name as string, value: steps[name] })).reverse()
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { place, value } = next
    if (isObject(value) && typeof value.Regex === 'string') {
      found.push({ place: `${place}.Regex`, regex: value.Regex })
    }
    const inner = Array.isArray(value)
      ? value.map((each, i) => ({ place: `${place}[${i}]`, value: each }))
      : isObject(value)
        ? Object.entries(value).map(([key, each]) => ({ place: `${place}.${key}`, value: each }))
        : []
    left.push(...inner.reverse())
  }
  return found
}

/** What is the matter with an expression; null where nothing is. */
async function findFault(regex: string): Promise<string | null> {
  if (regex.length > MAX_REGEX_CHARS) {
    return `has ${regex.length} characters; at most ${MAX_REGEX_CHARS} can be checked`
  }
  const { source, flags } = compileRegex(regex)
  // A CommonJS module, which has no names of its own.
  const { default: recheck }: Recheck = await import('recheck/lib/browser.js')
  const result = judge(() => recheck.checkSync(source, flags, { timeout: CHECK_TIMEOUT_MS }))
  if (result === null) return 'nests too deep to be checked'
  if (result.status === 'safe') return null
  if (result.status === 'vulnerable') {
    const { attack, complexity } = result
    const text = attack.pattern.slice(0, MAX_SHOWN_CHARS)
    return `can keep a worker for minutes: it takes ${complexity.type} time on texts like ${text}`
  }
  const why = result.error.kind === 'timeout' ? 'within half a minute' : `(${result.error.kind})`
  return `cannot be shown to be harmless ${why}: it may keep a worker for minutes on some texts`
}

/** Null where the call stack is too small for a verdict. */
function judge<T>(check: () => T): T | null {
  try {
    return check()
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

function refuse(what: string, canAllow: boolean): EspalierError {
  const fix = 'write it without repetitions within, or next to, each other that can match the same'
  const otherwise = say`, or export with ${option('allow-regex')}, which takes it as it is`
  return new EspalierError('unsupported_model', say`${what}; ${fix}${canAllow ? otherwise : ''}`)
}

function show(regex: string): string {
  const shown = regex.length > MAX_SHOWN_CHARS ? `${regex.slice(0, MAX_SHOWN_CHARS)}…` : regex
  return JSON.stringify(shown)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
