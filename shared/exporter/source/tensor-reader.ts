import type { Hash } from 'node:crypto'
import { EspalierError } from '../../lib/errors.ts'
import type { TensorFile } from '../checkpoint/tensor-file.ts'

/** Reads tensors by name, checks their shapes and folds them into a digest. */
export class TensorReader {
  readonly #file: TensorFile
  readonly #prefix: string
  readonly #hash: Hash

  constructor(file: TensorFile, prefix: string, hash: Hash) {
    this.#file = file
    this.#prefix = prefix
    this.#hash = hash
  }

  /** The values of a tensor of this shape, null for an axis of any size. @throws EspalierError `invalid_model_file` */
  async tensor(name: string, wanted: readonly (number | null)[]): Promise<Float32Array> {
    const actual = this.#file.shape(this.#prefix + name)
    const shape = wanted.map((size, axis) => size ?? actual?.[axis] ?? 1)
    if (actual && actual.join() !== shape.join()) {
      throw new EspalierError(
        'invalid_model_file',
        `tensor ${this.#prefix}${name} is [${actual.join(', ')}]; the configuration asks for [${shape.join(', ')}]`,
      )
    }
    const values = await this.#file.read(this.#prefix + name)
    this.#fold(name, shape, values)
    return values
  }

  /** Some rows of a table, as if it had no others. @throws EspalierError `invalid_model_file` */
  async rows(name: string, rows: readonly number[], width: number): Promise<Float32Array> {
    const actual = this.#file.shape(this.#prefix + name)
    const last = rows.at(-1) ?? 0
    if (actual?.length !== 2 || actual[1] !== width || last >= (actual[0] ?? 0)) {
      const message = `tensor ${this.#prefix}${name} is [${actual?.join(', ')}]; rows of ${width} up to ${last} are needed`
      throw new EspalierError('invalid_model_file', message)
    }
    const table = await this.#file.read(this.#prefix + name)
    const values = new Float32Array(rows.length * width)
    for (const [to, from] of rows.entries()) {
      values.set(table.subarray(from * width, (from + 1) * width), to * width)
    }
    this.#fold(name, [rows.length, width], values)
    return values
  }

  #fold(name: string, shape: readonly number[], values: Float32Array): void {
    this.#hash.update(`${name}[${shape.join()}]`)
    this.#hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }

  /** Row 0 of a table, whatever its height: single texts have type 0 throughout. */
  async firstRow(name: string, size: number): Promise<Float32Array> {
    return (await this.tensor(name, [null, size])).subarray(0, size)
  }

  /** A linear layer, its weight of shape [outputs, inputs]; without a stored bias a bias of zeros. */
  async linear(name: string, inputs: number, outputs: number, bias = true) {
    return {
      inputs,
      outputs,
      weight: await this.tensor(`${name}.weight`, [outputs, inputs]),
      bias: await this.#bias(name, outputs, bias),
    }
  }

  /** Scale and shift of a layer normalisation; without a stored shift one of zeros. */
  async norm(name: string, size: number, bias = true) {
    return {
      gamma: await this.tensor(`${name}.weight`, [size]),
      beta: await this.#bias(name, size, bias),
    }
  }

  async #bias(name: string, size: number, isStored: boolean): Promise<Float32Array> {
    if (isStored) return this.tensor(`${name}.bias`, [size])
    if (this.#file.shape(`${this.#prefix}${name}.bias`) === null) return new Float32Array(size)
    throw new EspalierError(
      'invalid_model_file',
      `tensor ${this.#prefix}${name}.bias is there, but the configuration says that there is none`,
    )
  }
}
