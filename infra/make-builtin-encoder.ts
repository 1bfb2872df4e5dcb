/**
 * Makes infra/models/all-MiniLM-L6-v2 from the original float32 folder: weights rounded to float16, int8
 * ranges measured on infra/calibration/texts.txt, golden vectors of the original weights.
 *
 *   npx tsx infra/make-builtin-encoder.ts <folder of sentence-transformers/all-MiniLM-L6-v2>
 */
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openSafetensors } from '../shared/exporter/checkpoint/safetensors.ts'
import { exportEncoder } from '../shared/exporter/export-encoder.ts'
import { hashFile } from '../shared/exporter/source/model-file.ts'
import { encodeFloat16 } from '../shared/lib/maths/float16.ts'

const COPIED = [
  'config.json',
  'modules.json',
  '1_Pooling/config.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
  'tokenizer.json',
  'tokenizer_config.json',
]

async function main(original: string | undefined): Promise<void> {
  if (!original) throw new Error('name the folder of the original model')
  const target = fileURLToPath(new URL('models/all-MiniLM-L6-v2', import.meta.url))
  const calibration = fileURLToPath(new URL('calibration/texts.txt', import.meta.url))
  await rm(target, { recursive: true, force: true })
  for (const file of COPIED) {
    await mkdir(dirname(join(target, file)), { recursive: true })
    await copyFile(join(original, file), join(target, file))
    await chmod(join(target, file), 0o644)
  }
  await writeHalfPrecision(join(original, 'model.safetensors'), join(target, 'model.safetensors'))
  const scratch = await mkdtemp(join(tmpdir(), 'espalier-'))
  try {
    const exact = join(scratch, 'exact')
    const reference = await exportEncoder({
      folder: original,
      output: exact,
      precisions: ['float32'],
    })
    const output = join(scratch, 'rounded')
    const rounded = await exportEncoder({
      folder: target,
      output,
      calibration,
      precisions: ['int8'],
      threads: 2,
    })
    await copyFile(join(output, 'calibration.json'), join(target, 'calibration.json'))
    const golden = rounded.golden.map(({ text, vectors }, i) => ({
      text,
      vectors: {
        float32: reference.golden[i]?.vectors.float32,
        float16: reference.golden[i]?.vectors.float32,
        int8: vectors.int8,
      },
    }))
    await writeFile(join(target, 'golden.json'), `${JSON.stringify({ golden })}\n`)
    await writeSourceList(target, rounded.family)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Files and hashes: what a first start verifies, and what names its place in the cache. */
async function writeSourceList(target: string, family: string): Promise<void> {
  const files: Record<string, { sha256: string; bytes: number }> = {}
  for (const file of [...COPIED, 'calibration.json', 'golden.json', 'model.safetensors']) {
    files[file] = await hashFile(join(target, file))
  }
  const list = { schema: 1, name: 'all-minilm-l6-v2', license: 'Apache-2.0', family, files }
  await writeFile(join(target, 'source.json'), `${JSON.stringify(list, null, 2)}\n`)
}

async function writeHalfPrecision(from: string, to: string): Promise<void> {
  const source = await openSafetensors(from)
  const header: Record<string, object> = { __metadata__: { format: 'pt' } }
  const pieces: Uint8Array[] = []
  let offset = 0
  for (const name of source.names.filter((candidate) => !candidate.endsWith('position_ids'))) {
    const words = encodeFloat16(await source.read(name))
    const bytes = new Uint8Array(words.buffer)
    const data_offsets = [offset, offset + bytes.length]
    header[name] = { dtype: 'F16', shape: source.shape(name), data_offsets }
    pieces.push(bytes)
    offset += bytes.length
  }
  await source.close()
  const json = Buffer.from(JSON.stringify(header))
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')])
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  await writeFile(to, Buffer.concat([length, padded, ...pieces]))
  const check = await openSafetensors(to)
  await check.close()
}

await main(process.argv[2])
