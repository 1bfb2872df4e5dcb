import { describe, expect, it } from 'vitest'
import { nameOption, readOptions } from '../../../functions/library/settings.ts'
import type { EspalierOptions } from '../../../functions/library/types.ts'
import { parseConfig } from '../../../shared/lib/config/config.ts'

/** What an option that means nothing leads to. */
function refuse(options: EspalierOptions): unknown {
  try {
    return parseConfig(readOptions(options))
  } catch (error) {
    return nameOption(error, options)
  }
}

describe('options of the library', () => {
  it('are settings of the configuration', () => {
    const options: Required<Omit<EspalierOptions, 'signal'>> = {
      registry: 's3://bucket/models',
      encoder: 'mine',
      precision: 'float32',
      device: 'auto',
      workers: 3,
      cache: '/somewhere',
      pollSeconds: 0.5,
      offlineOk: true,
      encoderPooling: 'cls',
      encoderMaxTokens: 128,
      encoderPrompts: { query: 'q: ' },
      encoderHeadless: true,
      encoderOnnx: 'onnx/model_O4.onnx',
      logLevel: 'debug',
    }
    const { offlineOk, encoderHeadless, ...same } = options
    expect(parseConfig(readOptions(options))).toMatchObject({
      ...same,
      offlineOk: '1',
      encoderHeadless: '1',
    })
    expect([offlineOk, encoderHeadless]).toEqual([true, true])
  })

  it('are quiet and let large calls wait where nothing is said', () => {
    expect(parseConfig(readOptions({ workers: undefined }))).toMatchObject({
      registry: 'file:./registry',
      encoder: 'all-MiniLM-L6-v2',
      logLevel: 'silent',
      maxInputs: 65_536,
      queueTimeoutMs: 3_600_000,
    })
  })

  it.each([
    [{ workers: 0 }, 'workers', 'workers is "0"; it must be a whole number from 1 to 256'],
    [{ device: 'tpu' }, 'device', 'device is "tpu"; it must be one of cpu, cuda, webgpu, auto'],
    [{ offlineOk: 'yes' }, 'offlineOk', 'offlineOk is "yes"; it must be true or false'],
    [{ registri: 'x' }, 'registri', 'no option "registri"; did you mean registry?'],
  ])('are refused by their own names: %o', (options, param, message) => {
    expect(refuse(options as EspalierOptions)).toMatchObject({
      code: 'invalid_config',
      param,
      message: expect.stringContaining(message),
    })
  })
})
