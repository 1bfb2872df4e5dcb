import { LRUCache } from 'lru-cache'
import type { EncoderInfo } from '../../encoder/types.ts'
import type { AnswerFacts } from '../../head/answers.ts'
import { decodeHead } from '../../head/decode.ts'
import { countColumns, type Head, headBytes, searchBytes } from '../../head/head.ts'
import { EspalierError } from '../../lib/errors.ts'
import { HEAD_FILE } from '../../lib/manifests/head-header.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import type { RegistryReader, RegistryVersion } from '../../registry/types.ts'
import { ANSWERS_FILE, checkClassifier, readAnswers } from '../../versions/head-version.ts'

/** Heads read at the same time: bounds the memory of files on their way in. */
const CONCURRENT_LOADS = 4

/** A head that is loaded, verified and decoded. Versions with the same files share it. */
export interface CachedHead {
  /** Unique among all heads that the process has loaded. */
  readonly id: number
  /** sha256 of its file, and of that of its answers. */
  readonly key: string
  readonly head: Head
  readonly answers: AnswerFacts
  /** Held in all threads together. */
  readonly bytes: number
  /** Columns that it takes in a stack. */
  readonly columns: number
}

/** What a cache of heads works with. */
export interface HeadCacheOptions {
  readonly registry: RegistryReader
  /** Threads that each hold what a head searches. */
  readonly workers: number
  /** Most bytes of decoded heads; the least used go first. */
  readonly maxBytes: number
  readonly onLoad?: ((head: CachedHead, version: RegistryVersion) => void) | undefined
  readonly onEvict?: ((head: CachedHead) => void) | undefined
}

/** Decoded heads within a bound of bytes; a head is loaded once however many ask for it. */
export class HeadCache {
  readonly #options: HeadCacheOptions
  readonly #heads: LRUCache<string, CachedHead>
  readonly #loading = new Map<string, Promise<CachedHead>>()
  readonly #turns: Promise<unknown>[] = Array.from({ length: CONCURRENT_LOADS }, () =>
    Promise.resolve(),
  )
  #nextTurn = 0
  #nextId = 1

  constructor(options: HeadCacheOptions) {
    this.#options = options
    this.#heads = new LRUCache({
      maxSize: options.maxBytes,
      sizeCalculation: ({ bytes }) => bytes,
      dispose: (head, _key, reason) => {
        if (reason === 'evict') options.onEvict?.(head)
      },
    })
  }

  get bytes(): number {
    return this.#heads.calculatedSize
  }

  get size(): number {
    return this.#heads.size
  }

  /** True where the version's head is loaded. */
  has(version: RegistryVersion): boolean {
    return this.#heads.has(keyOf(version) ?? '')
  }

  /** False for a head that was evicted. */
  keeps(head: CachedHead): boolean {
    return this.#heads.peek(head.key) === head
  }

  /** Everything that is loaded, the most recently used first. */
  loaded(): CachedHead[] {
    return [...this.#heads.values()]
  }

  /** The head of a version where it is loaded. */
  peek(version: RegistryVersion): CachedHead | undefined {
    return this.#heads.get(keyOf(version) ?? '')
  }

  /**
   * The head of a version, for the encoder whose vectors it reads.
   * @throws EspalierError `wrong_model_kind`, `artifact_corrupt`, `unsupported_schema`,
   * `invalid_config` where it is larger than the cache, `registry_unavailable`
   */
  async get(
    version: RegistryVersion,
    encoder: Pick<EncoderInfo, 'name' | 'dimension'>,
  ): Promise<CachedHead> {
    checkClassifier(version)
    return checkFit(await this.#get(version), version, encoder)
  }

  async #get(version: RegistryVersion): Promise<CachedHead> {
    const key = keyOf(version)
    if (key === undefined) {
      const label = formatModelVersion(version)
      throw new EspalierError('artifact_corrupt', `${label} has no file ${HEAD_FILE}`)
    }
    const cached = this.#heads.get(key)
    if (cached) return cached
    const found = this.#loading.get(key)
    if (found) return found
    const loading = this.#inTurn(() => this.#load(version, key))
    this.#loading.set(key, loading)
    try {
      return await loading
    } finally {
      this.#loading.delete(key)
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#nextTurn++ % CONCURRENT_LOADS
    const result = (this.#turns[turn] as Promise<unknown>).then(work)
    this.#turns[turn] = result.catch(() => {})
    return result
  }

  async #load(version: RegistryVersion, key: string): Promise<CachedHead> {
    const { registry, workers, maxBytes } = this.#options
    const label = formatModelVersion(version)
    const size = fileOf(version, HEAD_FILE)?.bytes ?? 0
    if (size > 2 * maxBytes) throw tooLarge(label, size, maxBytes)
    const file = await registry.readFile(version, HEAD_FILE, { maxBytes: 2 * maxBytes })
    const head = decodeHead(file)
    const answers = await readAnswers(registry, version, head)
    const known = fileOf(version, ANSWERS_FILE)?.bytes ?? 0
    const bytes = headBytes(head) + known + workers * searchBytes(head)
    if (bytes > maxBytes) throw tooLarge(label, bytes, maxBytes)
    const columns = countColumns(head)
    const cached: CachedHead = { id: this.#nextId++, key, head, answers, bytes, columns }
    this.#heads.set(key, cached)
    this.#options.onLoad?.(cached, version)
    return cached
  }
}

function fileOf(version: RegistryVersion, file: string) {
  return version.files.find(({ path }) => path === file)
}

/** Undefined for a version without a head. */
function keyOf(version: RegistryVersion): string | undefined {
  const head = fileOf(version, HEAD_FILE)?.sha256
  const answers = fileOf(version, ANSWERS_FILE)?.sha256
  return head === undefined || answers === undefined ? head : `${head} ${answers}`
}

/** @throws EspalierError `artifact_corrupt` where a head is not what its manifest says, or not for the encoder */
function checkFit(
  cached: CachedHead,
  version: RegistryVersion,
  encoder: Pick<EncoderInfo, 'name' | 'dimension'>,
): CachedHead {
  const { head } = cached
  if (head.family === version.family && head.dimension === encoder.dimension) return cached
  throw new EspalierError(
    'artifact_corrupt',
    `${formatModelVersion(version)}: its ${HEAD_FILE} is for family ${head.family} and ${head.dimension} numbers, its manifest for family ${version.family}; ${encoder.name} makes ${encoder.dimension}`,
  )
}

function tooLarge(label: string, bytes: number, maxBytes: number): EspalierError {
  return new EspalierError(
    'invalid_config',
    `${label} takes ${bytes} bytes; ESPALIER_HEADS_BYTES allows ${maxBytes} for all heads together`,
    { param: 'ESPALIER_HEADS_BYTES' },
  )
}
