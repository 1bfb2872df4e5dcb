import { randomFillSync } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'

const SALT_BYTES = 8
/** Numbers under one salt: eight hex digits of them. */
const MAX_COUNT = 2 ** 32
/** The kernel's own: fresh after a restore from a snapshot, where a generator in memory goes on as it was. */
const ENTROPY_FILE = '/dev/urandom'

/** Makes ids of 24 hex digits: a random part of 64 bits for the process, and a number. */
export class IdMint {
  readonly #entropy: (bytes: Buffer) => void
  #salt = ''
  #count = 0

  /** @param entropy fills bytes with randomness that no snapshot holds */
  constructor(entropy: (bytes: Buffer) => void = readEntropy) {
    this.#entropy = entropy
    this.renew()
  }

  mint(): string {
    if (this.#count === MAX_COUNT) this.renew()
    return this.#salt + (this.#count++).toString(16).padStart(8, '0')
  }

  /** Takes a new random part. */
  renew(): void {
    const salt = Buffer.alloc(SALT_BYTES)
    this.#entropy(salt)
    this.#salt = salt.toString('hex')
    this.#count = 0
  }
}

function readEntropy(bytes: Buffer): void {
  let file: number
  try {
    file = openSync(ENTROPY_FILE, 'r')
  } catch {
    randomFillSync(bytes)
    return
  }
  try {
    readSync(file, bytes)
  } finally {
    closeSync(file)
  }
}
