import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EspalierError } from '../../../lib/errors.ts'
import type { S3Connection } from '../../../s3/client.ts'
import { explainFailure } from '../../../s3/errors.ts'
import { statusOf } from '../../../s3/retry.ts'
import { putObject } from './write.ts'

/** Written by a probe and left there; whoever may publish may write it. */
export const PROBE_KEY = 'blobs/conditional-writes.txt'
const BODY = new TextEncoder().encode(
  'Written twice to see whether this server refuses the second.\n',
)

/**
 * Finds out, once, whether a server holds to `If-None-Match: *`: without that, two publishers lose versions. A server
 * that does is remembered in a folder; AWS itself is not asked.
 */
export class ConditionalWrites {
  readonly #connection: S3Connection
  readonly #folder: string | undefined
  #checked: Promise<void> | null = null

  /** @param folder where what was found is kept; without one nothing is asked */
  constructor(connection: S3Connection, folder: string | undefined) {
    this.#connection = connection
    this.#folder = folder
  }

  /**
   * Before every write; costs nothing after the first.
   * @throws EspalierError `invalid_config` for a server that ignores or refuses conditional writes
   */
  ensure(signal: AbortSignal | undefined): Promise<void> {
    if (this.#folder === undefined || !this.#connection.isOwnServer) return DONE
    this.#checked ??= this.#check(this.#folder, signal).catch((error: unknown) => {
      this.#checked = null
      throw error
    })
    return this.#checked
  }

  /**
   * Writes the probe, where it is not there yet, to see whether one may.
   * @throws EspalierError `registry_unavailable` where not
   */
  async tryWrite(signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#put(signal)
    } catch (error) {
      signal?.throwIfAborted()
      throw explainFailure(this.#connection, 'create', PROBE_KEY, error)
    }
  }

  async #check(folder: string, signal: AbortSignal | undefined): Promise<void> {
    const { url } = this.#connection
    const place = createHash('sha256').update(url).digest('hex').slice(0, 32)
    const path = join(folder, 'known', place, 'conditional-writes')
    if ((await readFile(path, 'utf8').catch(() => '')) !== '') return
    let second: 'created' | 'exists'
    try {
      // Where it is there already, the first write has told enough.
      second = (await this.#put(signal)) === 'exists' ? 'exists' : await this.#put(signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (isNotKnown(error)) throw refused(url, 'refuses', error)
      throw explainFailure(this.#connection, 'create', PROBE_KEY, error)
    }
    if (second === 'created') throw refused(url, 'ignores')
    // A cache that cannot be written costs another probe.
    await mkdir(dirname(path), { recursive: true }).catch(() => {})
    await writeFile(path, 'held to\n').catch(() => {})
  }

  async #put(signal: AbortSignal | undefined): Promise<'created' | 'exists'> {
    try {
      const condition = { IfNoneMatch: '*' }
      await putObject(this.#connection, PROBE_KEY, BODY, { condition, signal })
      return 'created'
    } catch (error) {
      if (statusOf(error) === 412) return 'exists'
      throw error
    }
  }
}

/** How a server says that it has no conditional writes. */
function isNotKnown(error: unknown): boolean {
  const status = statusOf(error)
  if (status === 501 || status === 405) return true
  const { name = '', message = '' } = (error ?? {}) as Partial<Error>
  return status === 400 && /none-match|condition|implement/i.test(`${name} ${message}`)
}

const DONE = Promise.resolve()

function refused(url: string, what: 'ignores' | 'refuses', cause?: unknown): EspalierError {
  return new EspalierError(
    'invalid_config',
    `the server of ${url} ${what} conditional writes (If-None-Match), so that two publishers would lose versions: use another server, or a registry in a folder`,
    { param: 'ESPALIER_REGISTRY', cause },
  )
}
