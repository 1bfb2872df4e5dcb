import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { exportEncoder } from '../../../shared/exporter/export-encoder.ts'
import { isEspalierError } from '../../../shared/lib/errors.ts'

const checkpoints = fileURLToPath(new URL('../../golden/architectures/', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'espalier-bad-architectures-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

type Config = Record<string, unknown>

/** The one line that a folder is refused with. */
async function refusal(
  name: string,
  edit: (config: Config, folder: string) => void,
): Promise<string> {
  const folder = mkdtempSync(join(work, 'model-'))
  cpSync(join(checkpoints, name), folder, { recursive: true })
  const path = join(folder, 'config.json')
  const config = JSON.parse(readFileSync(path, 'utf8')) as Config
  edit(config, folder)
  writeFileSync(path, JSON.stringify(config))
  const output = join(work, 'out', 'encoder')
  try {
    await exportEncoder({ folder, output, name: 'tried', precisions: ['float32'] })
    return 'exported'
  } catch (error) {
    if (isEspalierError(error)) return error.message
    throw error
  }
}

describe('configurations that no network can have', () => {
  it.each<[string, string, Config, RegExp]>([
    ['mpnet', 'heads that do not divide', { num_attention_heads: 5 }, /not a multiple of 5 heads/],
    [
      'mpnet',
      'no buckets',
      { relative_attention_num_buckets: 0 },
      /config.json: relative_attention/,
    ],
    [
      'mpnet',
      'other buckets than the tensor has',
      { relative_attention_num_buckets: 64 },
      /relative_attention_bias.weight is \[32, 4\]; the configuration asks for \[64, 4\]/,
    ],
    ['modernbert', 'a window of 0', { local_attention: 0 }, /config.json: local_attention/],
    [
      'modernbert',
      'a RoPE base of 0',
      { rope_parameters: null, global_rope_theta: 0 },
      /config.json: global_rope_theta/,
    ],
    [
      'modernbert',
      'a RoPE base of 0 in newer words',
      {
        rope_parameters: {
          full_attention: { rope_theta: 0 },
          sliding_attention: { rope_theta: 10_000 },
        },
      },
      /config.json: rope_parameters.full_attention.rope_theta/,
    ],
    [
      'modernbert',
      'scaled rotary positions',
      {
        rope_parameters: {
          full_attention: { rope_theta: 10_000, rope_type: 'yarn' },
          sliding_attention: { rope_theta: 10_000 },
        },
      },
      /config.json: rope_parameters.full_attention.rope_type/,
    ],
    [
      'modernbert',
      'heads of odd size',
      { num_attention_heads: 32 },
      /heads of 1 numbers cannot be rotated/,
    ],
    [
      'modernbert',
      'kinds of attention for other layers',
      { layer_types: ['full_attention'] },
      /layer_types has 1 entries for 2 layers/,
    ],
    ['modernbert', 'biases that are not there', { mlp_bias: true }, /has no tensor .*mlp.Wi.bias/],
    [
      'modernbert',
      'another inner size',
      { intermediate_size: 24 },
      /mlp.Wi.weight is \[96, 32\]; the configuration asks for \[48, 32\]/,
    ],
    [
      'modernbert',
      'an activation',
      { hidden_activation: 'swish' },
      /activation swish; supported: gelu/,
    ],
    ['nomic_bert', 'a RoPE base of 0', { rope_parameters: null, rotary_emb_base: 0 }, /rope_theta/],
    [
      'nomic_bert',
      'scaled rotary positions',
      { rotary_scaling_factor: 2 },
      /rotary_scaling_factor/,
    ],
    ['nomic_bert', 'heads that do not divide', { num_attention_heads: 5 }, /not a multiple of 5/],
    ['nomic_bert', 'another order', { prenorm: true }, /config.json: prenorm/],
    [
      'xlm-roberta',
      'relative positions',
      { position_embedding_type: 'relative_key' },
      /relative_key; supported: absolute/,
    ],
  ])('are refused in one line: %s, %s', async (name, _, changes, reason) => {
    const message = await refusal(name, (config) => Object.assign(config, changes))
    expect(message).toMatch(reason)
    expect(message).not.toContain('\n')
  })

  it('are refused where the tensors are those of another architecture', async () => {
    const message = await refusal('mpnet', (config) => {
      config.model_type = 'modernbert'
    })
    expect(message).toContain('has no tensor embeddings.tok_embeddings.weight')
  })

  it('are refused where a tensor is there that the configuration denies', async () => {
    const message = await refusal('modernbert', (_, folder) => {
      const path = join(folder, 'model.safetensors')
      const bytes = readFileSync(path)
      const name = '"layers.1.mlp_norm.weight"'
      const at = bytes.indexOf(name)
      expect(at).toBeGreaterThan(0)
      bytes.write('"layers.0.attn.Wo.bias"'.padEnd(name.length), at)
      writeFileSync(path, bytes)
    })
    expect(message).toContain('layers.0.attn.Wo.bias is there, but the configuration says')
  })
})
