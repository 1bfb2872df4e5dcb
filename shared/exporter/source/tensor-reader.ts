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

  /** The values of a tensor of this shape. @throws EspalierError `invalid_model_file` */
  async tensor(name: string, shape: readonly number[]): Promise<Float32Array> {
    const actual = this.#file.shape(this.#prefix + name)
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

  /** Row 0 of the type table, whatever its height: single texts have type 0 throughout. */
  async typeRow(size: number): Promise<Float32Array> {
    const name = 'embeddings.token_type_embeddings.weight'
    const rows = this.#file.shape(this.#prefix + name)?.[0] ?? 1
    return (await this.tensor(name, [rows, size])).subarray(0, size)
  }

  /** A linear layer, its weight of shape [outputs, inputs]; without a stored bias a bias of zeros. */
  async linear(name: string, inputs: number, outputs: number, bias = true) {
    return {
      inputs,
      outputs,
      weight: await this.tensor(`${name}.weight`, [outputs, inputs]),
      bias: bias ? await this.tensor(`${name}.bias`, [outputs]) : new Float32Array(outputs),
    }
  }

  /** Scale and shift of a layer normalisation. */
  async norm(name: string, size: number) {
    return {
      gamma: await this.tensor(`${name}.weight`, [size]),
      beta: await this.tensor(`${name}.bias`, [size]),
    }
  }
}
