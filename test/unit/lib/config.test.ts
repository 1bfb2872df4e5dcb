import { describe, expect, it } from 'vitest'
import {
  CONFIG_VARIABLES,
  findUnknownVariables,
  parseConfig,
} from '../../../shared/lib/config/config.ts'

describe('parseConfig', () => {
  it('has a default for everything', () => {
    expect(parseConfig({})).toMatchObject({
      port: 8080,
      host: '127.0.0.1',
      registry: 'file:./registry',
      encoder: 'all-MiniLM-L6-v2',
      device: 'cpu',
      maxInputs: 2048,
      maxBodyBytes: 16_777_216,
      maxTextBytes: 1_048_576,
    })
    expect(parseConfig({}).workers).toBeUndefined()
    expect(parseConfig({}).cache).toBeUndefined()
  })

  it('reads what is set, and takes empty and blank values as absent', () => {
    const config = parseConfig({ PORT: ' 9000 ', HOST: '', ESPALIER_WORKERS: '3', OTHER: 'x' })
    expect(config).toMatchObject({ port: 9000, host: '127.0.0.1', workers: 3 })
  })

  it.each([
    ['PORT', '80.5', 'PORT is "80.5"; it must be a whole number from 0 to 65535'],
    ['PORT', '65536', 'PORT is "65536"; it must be a whole number from 0 to 65535'],
    ['PORT', '-1', 'PORT is "-1"; it must be a whole number from 0 to 65535'],
    ['PORT', '0x50', 'PORT is "0x50"; it must be a whole number from 0 to 65535'],
    ['HOST', 'a b', 'HOST is "a b"; it must be a host name or an address'],
    ['ESPALIER_PRECISION', 'fp32', 'ESPALIER_PRECISION is "fp32"; it must be one of float32, '],
    ['ESPALIER_WORKERS', '0', 'ESPALIER_WORKERS is "0"; it must be a whole number from 1 to 256'],
    ['ESPALIER_REGISTRY', 'http://x', 'ESPALIER_REGISTRY is "http://x"; it must be file:DIRECTORY'],
    ['ESPALIER_LOG_LEVEL', 'loud', 'ESPALIER_LOG_LEVEL is "loud"; it must be one of debug, info'],
  ])('refuses %s=%s in one line', (name, value, message) => {
    const parse = () => parseConfig({ [name]: value })
    expect(parse).toThrow(expect.objectContaining({ code: 'invalid_config', param: name }))
    expect(parse).toThrow(message)
  })

  it('reads parts of a second, and their bounds', () => {
    const seconds = (text: string) => parseConfig({ ESPALIER_POLL_SECONDS: text }).pollSeconds
    expect([seconds('0.1'), seconds('2.5'), seconds('3600')]).toEqual([0.1, 2.5, 3600])
    for (const wrong of ['0.05', '3600.1', '1e1', '.5', '1.']) {
      expect(() => seconds(wrong)).toThrow('it must be a number from 0.1 to 3600')
    }
  })

  it('never repeats a secret', () => {
    const parse = () => parseConfig({ ESPALIER_ADMIN_TOKEN: 'short secret' })
    expect(parse).toThrow(/^ESPALIER_ADMIN_TOKEN is not usable; it must be 16 to 512 letters/)
  })

  it('keeps hostile values out of the terminal', () => {
    expect(() => parseConfig({ ESPALIER_DEVICE: `\u001b[31m\n${'x'.repeat(10_000)}` })).toThrow(
      /^ESPALIER_DEVICE is "\\u001b\[31m\\nx{1,80}…"; it must be one of cpu, cuda, webgpu, auto$/,
    )
  })
})

describe('CONFIG_VARIABLES', () => {
  it('documents each variable once', () => {
    const names = CONFIG_VARIABLES.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const { name, doc, allowed, default: fallback } of CONFIG_VARIABLES) {
      expect(name).toMatch(/^(?:PORT|HOST|AWS_BATCH_JOB_ARRAY_[A-Z]+|ESPALIER_[A-Z_]+)$/)
      expect(doc).toMatch(/^[A-Z].*\.$/)
      expect(allowed).not.toBe('')
      expect(fallback).not.toBe('')
    }
  })
})

describe('findUnknownVariables', () => {
  it('names the nearest setting', () => {
    expect(
      findUnknownVariables({ ESPALIER_WORKER: '2', ESPALIER_ZZZZZZZZZ: '', PATH: '', HOST: 'x' }),
    ).toEqual([
      'ESPALIER_WORKER is not a setting; did you mean ESPALIER_WORKERS?',
      'ESPALIER_ZZZZZZZZZ is not a setting',
    ])
  })
})
