import { describe, expect, it } from 'vitest'
import { embed } from '../../../shared/serving/embed.ts'
import { createReadiness } from '../../../shared/serving/readiness.ts'
import { createApiDeps } from '../../fakes/api-deps.ts'
import { createFakeEncoder } from '../../fakes/fake-encoder.ts'

const limits = { maxInputs: 4, maxTextBytes: 40, maxImages: 2, maxImageBytes: 30 }
const encoder = createFakeEncoder({ prompts: { query: 'query: ' } })
const deps = { encoders: (await createApiDeps({ encoder })).encoders, limits }

async function vectorOf(...args: Parameters<typeof embed>): Promise<number[]> {
  const { batch } = await embed(...args)
  return [...batch.vectors]
}

describe('embed', () => {
  it('keeps order and counts tokens', async () => {
    const both = await vectorOf(deps, { inputs: ['one', 'two words'], field: 'inputs' })
    const one = await vectorOf(deps, { inputs: 'one', field: 'inputs' })
    const two = await vectorOf(deps, { inputs: ['two words'], field: 'inputs' })
    expect(both).toEqual([...one, ...two])
    const { batch, info } = await embed(deps, { inputs: ['one', 'two words'], field: 'inputs' })
    expect([...batch.tokens]).toEqual([3, 4])
    expect(info.name).toBe('fake-encoder')
  })

  it('puts the named prompt, or the default one, before each text', async () => {
    const byName = await vectorOf(deps, { inputs: 'a', field: 'inputs', promptName: 'query' })
    const byHand = await vectorOf(deps, { inputs: 'query: a', field: 'inputs' })
    expect(byName).toEqual(byHand)
    const prompted = createFakeEncoder({ prompts: { query: 'query: ' }, defaultPrompt: 'query' })
    const { encoders } = await createApiDeps({ encoder: prompted })
    expect(await vectorOf({ encoders, limits }, { inputs: 'a', field: 'inputs' })).toEqual(byHand)
  })

  it('takes texts with one visible character, whatever is around it', async () => {
    const { batch } = await embed(deps, { inputs: [' . ', '\u0000a\u200b'], field: 'inputs' })
    expect(batch.tokens.length).toBe(2)
  })

  const long = 'a '.repeat(19)
  it.each([
    [{ inputs: [] }, 'empty_input', 'inputs', 'inputs is an empty list'],
    [{ inputs: '' }, 'empty_input', 'inputs', 'inputs is an empty string'],
    [{ inputs: ['a', ''] }, 'empty_input', 'inputs[1]', 'inputs[1] is an empty string'],
    [{ inputs: ['a', ' '] }, 'empty_input', 'inputs[1]', 'inputs[1] has no visible character'],
    [{ inputs: '\u0000' }, 'empty_input', 'inputs', 'inputs has no visible character'],
    [{ inputs: ['', '', '', '', ''] }, 'too_many_inputs', 'inputs', 'the limit is 4'],
    [{ inputs: ['é'.repeat(21)] }, 'input_too_large', 'inputs[0]', '42 bytes; the limit is 40'],
    [{ inputs: ['a', 'b\ud800'] }, 'invalid_request', 'inputs[1]', 'lone surrogate at character 1'],
    [{ inputs: ['a', long], truncate: false }, 'input_too_long', 'inputs[1]', 'inputs[1] has 21'],
    [{ inputs: long, truncate: false }, 'input_too_long', 'inputs', 'inputs has 21 tokens'],
    [
      { inputs: [long], truncate: false, field: 'input' },
      'input_too_long',
      'input[0]',
      'input[0] ',
    ],
    [{ dimensions: 4 }, 'unsupported_dimensions', 'dimensions', 'makes vectors of 8'],
    [{ promptName: 'passage' }, 'invalid_request', 'prompt_name', 'has these: query'],
    [{ promptName: 'constructor' }, 'invalid_request', 'prompt_name', 'has these: query'],
    [{ expectedFingerprint: 'x' }, 'fingerprint_mismatch', 'x-espalier-fingerprint', 'ffff'],
    [{ model: 'fake-encode' }, 'model_not_found', 'model', 'did you mean "fake-encoder"'],
    [{ model: 'other' }, 'model_not_found', 'model', 'there is: fake-encoder'],
    [{ model: 'fake-encoder@v2' }, 'version_not_found', 'model', 'has fake-encoder@v1'],
    [{ model: 'fake-encoder@challenger' }, 'version_not_found', 'model', '(champion)'],
    [{ model: '../x' }, 'invalid_name', 'model', '"../x"'],
    [{ model: '' }, 'invalid_name', 'model', '""'],
  ])('refuses %o with %s', async (request, code, param, message) => {
    const failed = embed(deps, { inputs: 'a', field: 'inputs', ...request })
    await expect(failed).rejects.toMatchObject({ code, param })
    await expect(failed).rejects.toThrow(message)
  })

  it.each([undefined, 'fake-encoder', 'fake-encoder@champion', 'fake-encoder@v1'])(
    'finds the model named %s',
    async (model) => {
      const { info } = await embed(deps, { inputs: 'a', field: 'inputs', model, dimensions: 8 })
      expect(info).toBe(encoder.info)
    },
  )

  it('passes the abort signal on', async () => {
    const signal = AbortSignal.abort()
    const failed = embed(deps, { inputs: 'a', field: 'inputs', signal })
    await expect(failed).rejects.toMatchObject({ code: 'request_cancelled' })
  })
})

describe('createReadiness', () => {
  it('has no way back from stopping', () => {
    const readiness = createReadiness()
    expect(readiness.status()).toBe('starting')
    readiness.markReady()
    expect(readiness.status()).toBe('ready')
    readiness.markStopping()
    readiness.markReady()
    expect(readiness.status()).toBe('stopping')
  })
})
